-- One page of the janitor: removes lanes whose owner is not registered (but not while nobody is), then records of starts of what somebody else has
-- finished, and, under `acked`, entries that every group that counts has finished. While one of those is missing nothing
-- is trimmed: what it had left is not known.
-- KEYS: 1 stream, 2 consumers, 3 lanes, 4 groups, 5 beats, 6 tries
-- ARGV: 1 group, 2 cursor (l and a number: lanes, r and a number: records) or -, 3 acked (1), 4 milliseconds after which a
--       silent group no longer counts
-- Answer: ok cursor (- at the end), more to trim (1), names of the big bodies of trimmed entries
local LANES, RECORDS, PAGE, MOST, MAX_BYTES = 400, 100, 100, 1000, 1048576
local stream, consumers, lanes, groups, beats, tries = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local bad = wrong(stream, 'stream', consumers, 'hash', lanes, 'hash', groups, 'hash', beats, 'hash', tries, 'hash')
if bad then return bad end

local time, silence = now_ms(), tonumber(ARGV[4])
local sign, noted, silent = {}, { 'HSET', groups }, { 'HDEL', groups }
local signs = redis.call('HGETALL', groups)
for i = 1, #signs, 2 do sign[signs[i]] = tonumber(signs[i + 1]) or 0 end
local trims = ARGV[3] == '1' and redis.call('EXISTS', stream) == 1

local function named(row)
  local fields = {}
  for i = 1, #row, 2 do fields[row[i]] = row[i + 1] end
  return fields
end

-- Whether a group counts: it gave a sign of life, or a consumer that knows nothing of signs has asked for entries.
local function counts(name)
  local seen = sign[name] or 0
  if name == ARGV[1] or time - seen <= silence then return true end
  for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', stream, name)) do
    seen = math.max(seen, time - named(row).idle)
  end
  if time - seen > silence then return false end
  sign[name] = seen
  noted[#noted + 1], noted[#noted + 2] = name, whole(seen)
  return true
end

-- Below this id every group that counts has finished.
local boundary, reached
local there, rows = {}, trims and redis.call('XINFO', 'GROUPS', stream) or {}
for _, row in ipairs(rows) do
  local fields = named(row)
  there[fields.name] = true
  if fields.name == ARGV[1] then reached = fields['last-delivered-id'] end
  if counts(fields.name) then
    local oldest = redis.call('XPENDING', stream, fields.name, '-', '+', 1)[1]
    local point = oldest and oldest[1] or above(fields['last-delivered-id'])
    if not boundary or before(point, boundary) then boundary = point end
  end
end
for name, seen in pairs(sign) do
  if time - seen > silence and name ~= ARGV[1] then
    silent[#silent + 1] = name
  elseif not there[name] then
    boundary = nil
  end
end

-- A group that reads alone deletes what it finishes. What stands there after the point up to which somebody else may have
-- finished entries, and is pending for nobody, was not finished: it is found again as a stray.
local clean = #rows == 1 and #signs <= 2 and redis.call('HGET', beats, CLEAN)
if clean and boundary and before(above(clean), boundary) then boundary = above(clean) end

-- A page of entries below it, to learn which have a big body beside them: the first alone, for its size is not known.
local bodies, last, examined, bytes, more = {}, nil, 0, 0, boundary ~= nil
while more and examined < MOST and bytes < MAX_BYTES do
  local fit = examined == 0 and 1 or math.floor((MAX_BYTES - bytes) / (bytes / examined + 1))
  local ask = math.max(1, math.min(fit, PAGE))
  local page = redis.call('XRANGE', stream, last and '(' .. last or '-', '(' .. boundary, 'COUNT', ask)
  for _, entry in ipairs(page) do
    last = entry[1]
    for i = 1, #entry[2], 2 do
      bytes = bytes + #entry[2][i + 1]
      if entry[2][i] == 'ref' then bodies[#bodies + 1] = entry[2][i + 1] end
    end
  end
  examined, more = examined + #page, #page == ask
end

local cursor, orphans, finished = '-', {}, {}
local what, from = string.match(ARGV[2], '^([lr])(%d+)$')
if what == 'l' and redis.call('HEXISTS', consumers, MODE) == 1 then
  local page = redis.call('HSCAN', lanes, from, 'COUNT', LANES)
  cursor = page[1] ~= '0' and 'l' .. page[1] or redis.call('HLEN', tries) > 0 and 'r0' or '-'
  local registered = {}
  for i = 1, #page[2], 2 do
    local owner = string.match(page[2][i + 1], '^(.*)|') or ''
    if registered[owner] == nil then registered[owner] = redis.call('HEXISTS', consumers, owner) == 1 end
    if not registered[owner] then orphans[#orphans + 1] = page[2][i] end
  end
elseif what == 'r' then
  -- What is not pending, and will not be brought back, has no use for a record.
  local told = restores(stream, ARGV[1], consumers, beats, groups)
  local up_to = redis.call('HGET', beats, CLEAN)
  local page = redis.call('HSCAN', tries, from, 'COUNT', RECORDS)
  cursor = page[1] ~= '0' and 'r' .. page[1] or '-'
  for i = 1, #page[2], 2 do
    local id = page[2][i]
    local found = redis.pcall('XPENDING', stream, ARGV[1], id, id, 1)
    if not found.err and #found == 0
        and not (told and up_to and before(up_to, id) and #redis.call('XRANGE', stream, id, id) == 1) then
      finished[#finished + 1] = id
    end
  end
end
-- A small hash comes in one page whatever COUNT says, hence the slices.
local function remove(key, fields)
  for first = 1, #fields, 500 do
    bad = failed(redis.pcall('HDEL', key, unpack(fields, first, math.min(#fields, first + 499)))) or bad
  end
end
remove(lanes, orphans)
remove(tries, finished)
if last then bad = failed(redis.pcall('XTRIM', stream, 'MINID', above(last))) or bad end
if #noted > 2 then bad = failed(redis.pcall(unpack(noted))) or bad end
if #silent > 2 then
  bad = failed(redis.pcall(unpack(silent))) or bad
  if reached then bad = failed(redis.pcall('HSET', beats, CLEAN, reached)) or bad end
end
return bad or { 'ok', cursor, more and 1 or 0, bodies }
