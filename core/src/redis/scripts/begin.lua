-- Marks entries as started, by absolute number, before their handlers start. Entries that are not pending for this
-- identity any more are passed over.
-- KEYS: 1 stream, 2 consumers, 3 tries
-- ARGV: 1 group, 2 identity, 3 fence, 4.. for each entry: id, starts, flags, due-in-ms
-- Answer: ok
local stream, consumers, tries = KEYS[1], KEYS[2], KEYS[3]
local bad = wrong(stream, 'stream', consumers, 'hash', tries, 'hash') or refused(consumers, ARGV[2], ARGV[3])
bad = bad or carry_on(tries)
if bad then return bad end
local time = now_ms()
local records = { 'HSET', tries }
for i = 4, #ARGV, 4 do
  local found = redis.pcall('XPENDING', stream, ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  bad = failed(found)
  if bad then return bad end
  if #found > 0 then
    records[#records + 1] = ARGV[i]
    records[#records + 1] = ARGV[i + 1] .. ':' .. ARGV[i + 2] .. ':' .. whole(time + ARGV[i + 3])
  end
end
if #records > 2 then bad = failed(redis.pcall(unpack(records))) end
return bad or { 'ok' }
