-- Notes that somebody else may have finished entries of the group, and removes consumers that are gone.
-- KEYS: 1 stream, 2 consumers, 3 beats, 4 groups
-- ARGV: 1 group, 2 others were seen (1), 3.. consumers that hold nothing and have not asked for long
-- Answer: ok
local stream, consumers, beats, groups = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group = ARGV[1]
local bad = wrong(stream, 'stream', consumers, 'hash', beats, 'hash', groups, 'hash')
if bad then return bad end
local rows = redis.pcall('XINFO', 'GROUPS', stream)
local row = not rows.err and row_of(rows, group)
if not row then return { 'lost' } end
if ARGV[2] == '1' or #rows > 1 or redis.call('HLEN', groups) > 1 then
  bad = failed(redis.pcall('HSET', beats, CLEAN, row['last-delivered-id']))
  if bad then return bad end
end
for i = 3, #ARGV do
  -- Looked at again, since it may have registered or been handed something meanwhile.
  if redis.call('HEXISTS', consumers, ARGV[i]) == 0
      and #redis.pcall('XPENDING', stream, group, '-', '+', 1, ARGV[i]) == 0 then
    redis.pcall('XGROUP', 'DELCONSUMER', stream, group, ARGV[i])
  end
end
return { 'ok' }
