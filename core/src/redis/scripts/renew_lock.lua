-- Lets a lock last from now if it is held under this token.
-- KEYS: 1 lock
-- ARGV: 1 token, 2 milliseconds that it lasts
-- Answer: ok, held (1)
local bad = wrong(KEYS[1], 'string')
if bad then return bad end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return { 'ok', 0 } end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { 'ok', 1 }
