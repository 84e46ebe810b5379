-- Raises the beat of each session that is in force, and the group's sign of life.
-- KEYS: 1 consumers, 2 beats, 3 groups
-- ARGV: 1 group, 2.. for each session: identity, fence
-- Answer: ok, then for each session its beat, or stale, or forgotten
local consumers, beats, groups = KEYS[1], KEYS[2], KEYS[3]
local bad = wrong(consumers, 'hash', beats, 'hash', groups, 'hash')
if bad then return bad end
bad = carry_on(beats)
if bad then return bad end
local answer, any = { 'ok' }, false
for i = 2, #ARGV, 2 do
  local refusal = refused(consumers, ARGV[i], ARGV[i + 1])
  if refusal then
    answer[#answer + 1] = refusal[1]
  else
    local beat = redis.pcall('HINCRBY', beats, ARGV[i], 1)
    bad = failed(beat)
    if bad then return bad end
    answer[#answer + 1], any = beat, true
  end
end
if any then redis.pcall('HSET', groups, ARGV[1], whole(now_ms())) end
return answer
