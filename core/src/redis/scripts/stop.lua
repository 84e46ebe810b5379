-- Gives identities up, so that others adopt them at once: raises their fences, marks them as left, rings everybody.
-- KEYS: 1 consumers, 2 idle
-- ARGV: 1 bell channel prefix, 2.. for each session: identity, fence, fence to be left behind
-- Answer: ok
local consumers, idle = KEYS[1], KEYS[2]
local bad = wrong(consumers, 'hash', idle, 'zset')
bad = bad or carry_on(consumers)
if bad then return bad end
for i = 2, #ARGV, 3 do
  if not refused(consumers, ARGV[i], ARGV[i + 1]) then
    bad = failed(redis.pcall('HSET', consumers, ARGV[i], ARGV[i + 2]))
    if bad then return bad end
  end
  redis.pcall('ZREM', idle, ARGV[i])
end
ring_all(idle, ARGV[1])
return { 'ok' }
