-- Whether a session may read what is new without more ado: it is in force, nothing is pending for it after its cursor,
-- nothing is to be put back and nobody waits to be rung. If not, the stream is touched, which it is left as it was by:
-- the transaction after this script, whose connection watches the stream, then does nothing.
-- KEYS: 1 stream, 2 consumers, 3 lanes, 4 tries, 5 idle, 6 beats, 7 groups
-- ARGV: 1 group, 2 identity, 3 fence, 4 cursor, 5 exclusive (1), 6 deleted consumers are noticed (1)
-- Answer: 1 or 0
local FAR = 3155760000000

local function is_plain()
  local stream, consumers, idle, beats = KEYS[1], KEYS[2], KEYS[5], KEYS[6]
  local group, identity = ARGV[1], ARGV[2]
  for _, place in ipairs({ 3, 4, 7 }) do
    if type(redis.pcall('HLEN', KEYS[place])) == 'table' then return false end
  end
  local held = redis.pcall('HMGET', consumers, identity, HOLDER)
  if held.err or held[1] ~= ARGV[3] then return false end
  if ARGV[5] == '1' then
    if held[2] ~= identity or redis.pcall('ZSCORE', idle, identity) then return false end
  elseif redis.pcall('ZCARD', idle) ~= 0 then
    return false
  end
  local notes = redis.pcall('HMGET', beats, TORN, BACK .. identity)
  if notes.err or notes[1] or notes[2] then return false end
  if ARGV[6] == '1' then
    local made = redis.pcall('XGROUP', 'CREATECONSUMER', stream, group, identity)
    -- It is for others to note that it was gone.
    if made == 1 then redis.pcall('XGROUP', 'DELCONSUMER', stream, group, identity) end
    if made ~= 0 then return false end
  end
  local pending = redis.pcall('XPENDING', stream, group, '(' .. ARGV[4], '+', 1, identity)
  return not pending.err and #pending == 0
end

if is_plain() then return 1 end
local left = redis.pcall('PTTL', KEYS[1])
redis.pcall('PEXPIRE', KEYS[1], left > 0 and left or FAR)
if left < 0 then redis.pcall('PERSIST', KEYS[1]) end
return 0
