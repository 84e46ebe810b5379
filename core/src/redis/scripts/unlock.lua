-- Gives a lock up if it is held under this token, and tells those who wait for it. That nobody hears it costs a poll.
-- KEYS: 1 lock
-- ARGV: 1 token, 2 channel on which it is told
-- Answer: ok, was held (1)
local bad = wrong(KEYS[1], 'string')
if bad then return bad end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return { 'ok', 0 } end
redis.call('DEL', KEYS[1])
redis.pcall('PUBLISH', ARGV[2], '')
return { 'ok', 1 }
