-- Takes a lock that nobody else holds. The same call again (same token) answers yes and lets it last from now.
-- KEYS: 1 lock
-- ARGV: 1 token, 2 milliseconds that it lasts
-- Answer: ok, held (1)
local bad = wrong(KEYS[1], 'string')
if bad then return bad end
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return { 'ok', 0 } end
bad = failed(redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]))
return bad or { 'ok', 1 }
