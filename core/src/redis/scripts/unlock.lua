-- Gives a lock up if it is held under this token.
-- KEYS: 1 lock
-- ARGV: 1 token
-- Answer: ok, was held (1)
local bad = wrong(KEYS[1], 'string')
if bad then return bad end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return { 'ok', 0 } end
redis.call('DEL', KEYS[1])
return { 'ok', 1 }
