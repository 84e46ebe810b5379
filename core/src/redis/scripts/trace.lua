-- Adds steps to traces, each behind what is there; nothing is refused. What the state before did not allow is counted.
-- KEYS: 1.. traces, each once
-- ARGV: 1 milliseconds that a trace lives from now, 2 the most steps that one keeps, 3 field of the state, 4 field of its time,
--   5 field of the number of steps, 6 field of the number of illegal ones, 7 field of the checkpoint, 8.. for each step: place in KEYS,
--   state, states it may come from (`,A,B,`, or `` for none), time, text, checkpoint (or ``)
-- Answer: ok, how many were illegal
for place = 1, #KEYS do
  local bad = wrong(KEYS[place], 'hash')
  if bad then return bad end
end
local most, STATE, TIME, STEPS, ILLEGAL, CHECKPOINT = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local illegal = 0
for at = 8, #ARGV, 6 do
  local key, state, from = KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2]
  local before = redis.call('HGET', key, STATE)
  local allowed = not before and from == '' or before and string.find(from, ',' .. before .. ',', 1, true)
  local step = redis.pcall('HINCRBY', key, STEPS, 1)
  local bad = failed(step)
  if bad then return bad end
  local fields = { 'HSET', key, STATE, state, TIME, ARGV[at + 3] }
  if step <= most then
    fields[#fields + 1] = whole(step)
    fields[#fields + 1] = ARGV[at + 4]
  end
  if ARGV[at + 5] ~= '' then
    fields[#fields + 1] = CHECKPOINT
    fields[#fields + 1] = ARGV[at + 5]
  end
  if not allowed then
    illegal = illegal + 1
    redis.pcall('HINCRBY', key, ILLEGAL, 1)
  end
  bad = failed(redis.pcall(unpack(fields)))
  if bad then return bad end
end
for place = 1, #KEYS do redis.pcall('PEXPIRE', KEYS[place], ARGV[1]) end
return { 'ok', illegal }
