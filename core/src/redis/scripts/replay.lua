-- Makes a dead letter an entry again: the entry, its marker, the letter's removal, all in one step. Repeatable: what
-- the receipt names was put back before.
-- KEYS: 1 letters, 2 stream, 3 receipt, then those that ARGV gives a place: marker, the letter's body, the entry's body
-- ARGV: 1 letter, 2 window ms, 3 place of marker or 0, 4 place of the letter's body or 0 (the entry's stands behind
--       it), 5 cap or 0, 6 MAXLEN or 0, 7.. fields
-- Answer: ok id · gone · nobody · full length
local letters, stream, receipt = KEYS[1], KEYS[2], KEYS[3]
local marker, body = KEYS[tonumber(ARGV[3])], tonumber(ARGV[4])
local cap = tonumber(ARGV[5])

local bad = wrong(letters, 'stream', stream, 'stream', receipt, 'string')
if not bad and marker then bad = wrong(marker, 'string') end
if bad then return bad end

local earlier = redis.call('GET', receipt)
if earlier then
  redis.pcall('XDEL', letters, ARGV[1])
  return { 'ok', earlier }
end
if #redis.call('XRANGE', letters, ARGV[1], ARGV[1]) == 0 then return { 'gone' } end
if body > 0 and redis.call('EXISTS', KEYS[body]) == 0 then return { 'nobody' } end
if cap > 0 then
  local held = redis.call('XLEN', stream)
  if held >= cap then return { 'full', held } end
end

if body > 0 then
  bad = failed(redis.pcall('RENAME', KEYS[body], KEYS[body + 1]))
  if bad then return bad end
end
local command = { 'XADD', stream }
if ARGV[6] ~= '0' then
  command[3], command[4], command[5] = 'MAXLEN', '~', ARGV[6]
end
command[#command + 1] = '*'
for i = 7, #ARGV do command[#command + 1] = ARGV[i] end
local id = redis.pcall(unpack(command))
bad = failed(id)
if bad then
  if body > 0 then redis.pcall('RENAME', KEYS[body + 1], KEYS[body]) end
  return bad
end
-- The entry stands: whatever fails now must not keep the receipt from saying so.
bad = failed(redis.pcall('SET', receipt, id, 'PX', ARGV[2]))
if marker then bad = failed(redis.pcall('SET', marker, id, 'PX', ARGV[2])) or bad end
bad = failed(redis.pcall('XDEL', letters, ARGV[1])) or bad
return bad or { 'ok', id }
