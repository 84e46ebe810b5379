-- Carries operations on keys out, in their order, all or none.
-- KEYS: 1.. every key that an operation names, once
-- ARGV: 1.. kind of each key (any: no matter which), then for each operation: its command, the place of its key (0: none),
--   how many texts follow, and they
-- Answer: ok, one answer for each operation; over, key: a counter would leave its range
for place = 1, #KEYS do
  local bad = ARGV[place] ~= 'any' and wrong(KEYS[place], ARGV[place])
  if bad then return bad end
end

local ops, at = {}, #KEYS + 1
while at <= #ARGV do
  local texts, count = {}, tonumber(ARGV[at + 2])
  for n = 1, count do texts[n] = ARGV[at + 2 + n] end
  ops[#ops + 1] = { ARGV[at], KEYS[tonumber(ARGV[at + 1])], texts }
  at = at + 3 + count
end

-- A number of up to 18 digits as two of nine, which this language adds exactly.
local function halves(text)
  local sign, digits = string.match(text, '^(-?)(%d+)$')
  local upper, lower = tonumber(string.sub(digits, 1, -10)) or 0, tonumber(string.sub(digits, -9))
  if sign == '-' then return -upper, -lower end
  return upper, lower
end

-- Whether a sum has more than 18 digits.
local function over(held, by)
  local upper, lower = halves(held)
  local more, rest = halves(by)
  upper, lower = upper + more, lower + rest
  local carry = math.floor(lower / 1000000000)
  upper, lower = upper + carry, lower - carry * 1000000000
  return upper >= 1000000000 or upper < -1000000000 or (upper == -1000000000 and lower == 0)
end

-- A counter is written by one operation only, so that what it holds now decides.
for _, op in ipairs(ops) do
  local held, by
  if op[1] == 'INCRBY' then held, by = redis.call('GET', op[2]), op[3][1] end
  if op[1] == 'HINCRBY' then held, by = redis.call('HGET', op[2], op[3][1]), op[3][2] end
  if held then
    local digits = held == '0' and '0' or string.match(held, '^-?([1-9]%d*)$')
    if not digits or #digits > 18 then return { 'type', op[2], 'text', 'whole number' } end
    if over(held, by) then return { 'over', op[2] } end
  end
end

-- Conditions are judged before the first write.
for _, op in ipairs(ops) do
  local texts = op[3]
  if op[1] == 'require' and redis.call(texts[3], op[2], unpack(texts, 4)) ~= tonumber(texts[2]) then
    return { 'unmet', texts[1] }
  end
end

local own = {}

-- A condition holds here: what it asks answers this.
function own.require(_, texts) return tonumber(texts[2]) end

-- Sets a text that is equal to another.
function own.swap(key, texts)
  if redis.call('GET', key) ~= texts[1] then return 0 end
  local reply
  if texts[3] then
    reply = redis.pcall('SET', key, texts[2], 'PX', texts[3])
  else
    reply = redis.pcall('SET', key, texts[2])
  end
  return failed(reply) and reply or 1
end

-- Removes a text that is equal to another.
function own.drop(key, texts)
  if redis.call('GET', key) ~= texts[1] then return 0 end
  return redis.call('DEL', key)
end

-- The last id of a stream.
function own.last(key)
  if redis.call('EXISTS', key) == 0 then return '0-0' end
  local about = redis.pcall('XINFO', 'STREAM', key)
  for n = 1, #about, 2 do
    if about[n] == 'last-generated-id' then return about[n + 1] end
  end
  return about
end

local answers = { 'ok' }
for n, op in ipairs(ops) do
  local command, key, texts = op[1], op[2], op[3]
  local reply
  if own[command] then
    reply = own[command](key, texts)
  elseif key then
    reply = redis.pcall(command, key, unpack(texts))
  else
    reply = redis.pcall(command, unpack(texts))
  end
  local bad = failed(reply)
  if bad then return bad end
  -- A number of this language is exact up to here; the text that is held is always.
  if (command == 'INCRBY' or command == 'HINCRBY') and math.abs(reply) >= 9007199254740992 then
    if command == 'INCRBY' then reply = redis.call('GET', key) else reply = redis.call('HGET', key, texts[1]) end
  end
  answers[n + 1] = reply
end
return answers
