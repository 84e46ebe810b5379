-- Takes an identity over if neither its fence nor its beat has moved. The same call again (same suffix) answers ok.
-- KEYS: 1 consumers, 2 beats
-- ARGV: 1 identity, 2 fence seen, 3 beat seen, 4 new fence
-- Answer: ok · moved
local consumers, beats = KEYS[1], KEYS[2]
local bad = wrong(consumers, 'hash', beats, 'hash')
if bad then return bad end
local fence = redis.call('HGET', consumers, ARGV[1])
if fence == ARGV[4] then return { 'ok' } end
if fence ~= ARGV[2] then return { 'moved' } end
if (redis.call('HGET', beats, ARGV[1]) or '0') ~= ARGV[3] then return { 'moved' } end
bad = carry_on(consumers) or failed(redis.pcall('HSET', consumers, ARGV[1], ARGV[4]))
return bad or { 'ok' }
