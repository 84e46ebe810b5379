-- Put before scripts that notice when somebody deleted the consumer of an identity that is registered. What it held is
-- pending for nobody then, and what it has not received would be passed over by what comes later. So nothing is handed
-- out by the group until a walk over the stream has put everything back in its place (`gather`).

-- Whether what is pending for nobody can be told from what was finished: only this group reads the stream, and it
-- deletes what it finishes. Whoever is not registered may not, and not have been noted yet.
local function restores(stream, group, consumers, beats, groups)
  local rows = redis.pcall('XINFO', 'GROUPS', stream)
  if rows.err or #rows ~= 1 or redis.pcall('HLEN', groups) > 1 or not redis.pcall('HGET', beats, CLEAN) then return false end
  for _, about in ipairs(redis.pcall('XINFO', 'CONSUMERS', stream, group)) do
    if redis.pcall('HEXISTS', consumers, about[2]) == 0 then return false end
  end
  return true
end

local function is_torn(note, identity)
  return note and string.find(note .. '|', '|' .. identity .. '|', 1, true) ~= nil
end

-- Makes sure that an identity has its consumer. Where it had none although it is registered, the note starts again with
-- it. Answers the note in force, or false, and what was refused.
local function tend(stream, group, consumers, beats, groups, identity, note)
  local made = redis.pcall('XGROUP', 'CREATECONSUMER', stream, group, identity)
  if type(made) == 'table' then
    local bad = failed(redis.pcall('XPENDING', stream, group, '-', '+', 1)) or carry_on(beats)
    if bad then return note, bad end
    made = redis.pcall('XGROUP', 'CREATECONSUMER', stream, group, identity)
    if type(made) == 'table' then return note, failed(made) end
  end
  if made == 0 or not restores(stream, group, consumers, beats, groups) then return note end
  local whose = note and string.match(note, '|.*$') or ''
  if not is_torn(note, identity) then whose = whose .. '|' .. identity end
  note = '0-0' .. whose
  return note, failed(redis.pcall('HSET', beats, TORN, note))
end
