-- Creates a session; never takes one over. The same call again (same suffix) answers ok. Where nobody is registered although
-- some have beats, the registrations were lost, and the key with them: whoever of these holds something is registered again,
-- under a fence that nobody has, before anybody can fetch. So its lanes stay its own until it is adopted.
-- KEYS: 1 stream, 2 consumers, 3 beats, 4 groups
-- ARGV: 1 group, 2 identity, 3 fence, 4 mode, 5 fence of who is registered again, 6 one holds the stream (1)
-- Answer: ok · conflict mode-in-force · taken
local stream, consumers, beats, groups = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local bad = wrong(stream, 'stream', consumers, 'hash', beats, 'hash', groups, 'hash')
if bad then return bad end
bad = failed(redis.pcall('XPENDING', stream, ARGV[1], '-', '+', 1))
if bad then return bad end

local mode = redis.call('HGET', consumers, MODE)
if mode and mode ~= ARGV[4] then return { 'conflict', mode } end
local time = whole(now_ms())
bad = carry_on(consumers)
if bad then return bad end
if not mode then
  local known = redis.pcall('HKEYS', beats)
  table.sort(known)
  for _, name in ipairs(known) do
    if string.sub(name, 1, 1) == '#' then
      -- No identity.
    elseif #redis.pcall('XPENDING', stream, ARGV[1], '-', '+', 1, name) == 0 then
      redis.pcall('HDEL', beats, name)
    else
      if redis.pcall('HEXISTS', consumers, name) == 0 then
        bad = failed(redis.pcall('HSET', consumers, name, ARGV[5]))
      end
      if not bad and ARGV[6] == '1' and redis.pcall('HEXISTS', consumers, HOLDER) == 0 then
        bad = failed(redis.pcall('HSET', consumers, HOLDER, name))
      end
      if bad then return bad end
    end
  end
end
local held = redis.pcall('HGET', consumers, ARGV[2])
if held and held ~= ARGV[3] then return { 'taken' } end
if not mode then
  -- The first of a fleet: what was handed out before is none of its business.
  local point = row_of(redis.call('XINFO', 'GROUPS', stream), ARGV[1])['last-delivered-id']
  bad = failed(redis.pcall('HSET', beats, CLEAN, point))
  if bad then return bad end
end
if not held then
  -- Who is registered has a consumer: where it has none, somebody deleted it.
  bad = failed(redis.pcall('XGROUP', 'CREATECONSUMER', stream, ARGV[1], ARGV[2]))
      or failed(redis.pcall('HSET', consumers, MODE, ARGV[4], ARGV[2], ARGV[3]))
  if bad then return bad end
  redis.pcall('HSET', beats, ARGV[2], 0)
end
redis.pcall('HSET', groups, ARGV[1], time)
return { 'ok' }
