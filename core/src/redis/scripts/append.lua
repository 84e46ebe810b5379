-- Appends one entry under conditions: fence, dedupe, cap, body beside it, all in one step.
-- KEYS: 1 stream, then those that ARGV gives a place: consumers (fence), marker (dedupe), body
-- ARGV: 1 place of consumers or 0, 2 identity, 3 fence, 4 place of marker or 0, 5 window ms, 6 place of body or 0,
--       7 cap or 0, 8 MAXLEN or 0, 9 measure (1), 10.. fields
-- Answer: ok id length · dup id length · full length (length false when not asked for)
--         · bodiless (the body is not there)
-- The body was stored just before, with a time to live: it belongs to no entry until the entry takes that away. So a
-- refused one is removed here, one whose publisher was cut off goes by itself, and a script never carries a body.
local stream = KEYS[1]
local consumers, marker, body = KEYS[tonumber(ARGV[1])], KEYS[tonumber(ARGV[4])], KEYS[tonumber(ARGV[6])]
local cap, max_len, measure = tonumber(ARGV[7]), ARGV[8], ARGV[9] == '1'

-- The answer for an entry that is not stored.
local function without(answer)
  if body and redis.pcall('PTTL', body) ~= -1 then redis.pcall('UNLINK', body) end
  return answer
end

local bad = wrong(stream, 'stream')
if not bad and consumers then
  bad = wrong(consumers, 'hash') or refused(consumers, ARGV[2], ARGV[3])
end
if not bad and marker then bad = wrong(marker, 'string') end
if bad then return without(bad) end

local function length() return measure and redis.call('XLEN', stream) end

if marker then
  local id = redis.call('GET', marker)
  if id then return without({ 'dup', id, length() }) end
end
if cap > 0 then
  local held = redis.call('XLEN', stream)
  if held >= cap then return without({ 'full', held }) end
end
if body and redis.call('EXISTS', body) == 0 then return { 'bodiless' } end

local command = { 'XADD', stream }
if max_len ~= '0' then
  command[3], command[4], command[5] = 'MAXLEN', '~', max_len
end
command[#command + 1] = '*'
for i = 10, #ARGV do command[#command + 1] = ARGV[i] end
local id = redis.pcall(unpack(command))
local refusal = failed(id)
if refusal then return without(refusal) end
if body then redis.pcall('PERSIST', body) end
if marker then redis.pcall('SET', marker, id, 'PX', ARGV[5]) end
return { 'ok', id, length() }
