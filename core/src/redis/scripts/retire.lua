-- Removes a session whose pending list is empty, with its consumer. The mode goes with the last registration. If the
-- session held the stream, the others are rung.
-- KEYS: 1 stream, 2 consumers, 3 beats, 4 idle, 5 groups
-- ARGV: 1 group, 2 identity, 3 fence, 4 bell channel prefix, 5 deleted consumers are noticed (1)
-- Answer: ok · kept (something is pending, or may be brought back)
local stream, consumers, beats, idle, groups = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local group, identity = ARGV[1], ARGV[2]
local bad = wrong(stream, 'stream', consumers, 'hash', beats, 'hash', idle, 'zset', groups, 'hash')
    or refused(consumers, identity, ARGV[3])
if bad then return bad end
if ARGV[5] == '1' then
  local note
  note, bad = tend(stream, group, consumers, beats, groups, identity, redis.pcall('HGET', beats, TORN))
  if bad then return bad end
  if note and restores(stream, group, consumers, beats, groups) then return { 'kept' } end
end
local pending = redis.pcall('XPENDING', stream, group, '-', '+', 1, identity)
bad = failed(pending)
if bad then return bad end
if #pending > 0 then return { 'kept' } end
local removed = failed(redis.pcall('XGROUP', 'DELCONSUMER', stream, group, identity))
if removed then return removed end
redis.pcall('HDEL', consumers, identity)
redis.pcall('HDEL', beats, identity, BACK .. identity)
redis.pcall('ZREM', idle, identity)
if redis.pcall('HGET', consumers, HOLDER) == identity then
  redis.pcall('HDEL', consumers, HOLDER)
  ring_all(idle, ARGV[4])
end
if redis.pcall('HLEN', consumers) == 1 then redis.pcall('HDEL', consumers, MODE) end
return { 'ok' }
