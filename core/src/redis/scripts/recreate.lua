-- Makes sure that stream and group exist. A group that had to be made starts without what routing knew of an
-- earlier life.
-- KEYS: 1 stream, 2 consumers, 3 beats, 4 lanes, 5 tries, 6 idle, 7 mark, 8 groups
-- ARGV: 1 group, 2 acked (1)
-- Answer: ok · made id, whether the stream was there
local stream, mark, groups = KEYS[1], KEYS[7], KEYS[8]
local bad = wrong(stream, 'stream', mark, 'string', groups, 'hash')
if bad then return bad end
local group, time = ARGV[1], whole(now_ms())
local there = redis.call('EXISTS', stream)
if there == 1 and row_of(redis.call('XINFO', 'GROUPS', stream), group) then
  bad = carry_on(groups) or failed(redis.pcall('HSET', groups, group, time))
  return bad or { 'ok' }
end
local others = redis.call('HLEN', groups) - redis.call('HEXISTS', groups, group)
local from = '0-0'
if ARGV[2] ~= '1' or others > 0 then
  local point = string.match(redis.call('GET', mark) or '', '^(%d+%-%d+)')
  local about = point and redis.pcall('XINFO', 'STREAM', stream) or {}
  -- A point that the stream has not reached is of an earlier life of it.
  for i = 1, #about, 2 do
    if about[i] == 'last-generated-id' and not before(about[i + 1], point) then from = point end
  end
end
bad = failed(redis.pcall('XGROUP', 'CREATE', stream, group, from, 'MKSTREAM'))
if bad then return bad end
redis.pcall('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
redis.pcall('HSET', groups, group, time)
return { 'made', from, there }
