-- Records outcomes. Repeatable: what is no longer pending was done before and answers so.
-- KEYS: 1 stream, 2 consumers, 3 lanes, 4 tries, 5 mark, 6 groups, 7.. streams of dead letters, then bodies
-- ARGV: 1 group, 2 identity, 3 fence, 4 acked (1), 5 number of dead-letter streams, 6 number of lanes,
--       7 number of entries, 8 and 9 lowest and highest id of those to be looked up, 10 how many those are, 11.. lanes,
--       then for each entry: id, lane (its number or 0), body (place in KEYS or 0), outcome:
--         a · r starts flags due-in-ms · d place-in-KEYS number-of-texts field value ...
-- Answer: ok results counts
--   results: text, one letter for each entry, d done or s stale; counts: for each lane what is left of it, if ours
local stream, consumers, lanes, tries, mark, groups = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local group, identity, fence, acked = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local dead_streams, lane_count, entry_count = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

local bad = wrong(stream, 'stream', consumers, 'hash', lanes, 'hash', tries, 'hash', mark, 'string', groups, 'hash')
for i = 7, 6 + dead_streams do bad = bad or wrong(KEYS[i], 'stream') end
bad = bad or refused(consumers, identity, fence)
if bad then return bad end
local alone, any_tries = acked and redis.call('HLEN', groups) <= 1, redis.call('EXISTS', tries) == 1

local lane_name, owner, held = {}, {}, {}
for i = 1, lane_count do lane_name[i] = ARGV[10 + i] end
if lane_count > 0 then
  local found = redis.call('HMGET', lanes, unpack(lane_name))
  for i = 1, lane_count do
    local bar = found[i] and string.find(found[i], '|', 1, true)
    if bar then
      owner[i], held[i] = string.sub(found[i], 1, bar - 1), tonumber(string.sub(found[i], bar + 1)) or 0
    end
  end
end

-- What of the batch is pending for us; looked up for entries without lane, retries and rejects. Acks of a lane that
-- is ours need no look-up: XACK tells what was still pending.
local ours, looked_up, complete = {}, tonumber(ARGV[10]), true
if looked_up > 0 then
  local most = 2 * looked_up + 32
  local found = redis.pcall('XPENDING', stream, group, ARGV[8], ARGV[9], most, identity)
  bad = failed(found)
  if bad then return bad end
  for _, row in ipairs(found) do ours[row[1]] = true end
  complete = #found < most
end

local function is_ours(id)
  if ours[id] or complete then return ours[id] end
  local found = redis.pcall('XPENDING', stream, group, id, id, 1, identity)
  return #found > 0
end

-- For an entry that is not ours at first sight: done before, ours after all (its lane is free), or somebody else's.
local function judge(id, lane)
  local found = redis.pcall('XPENDING', stream, group, id, id, 1)
  local refusal = failed(found)
  if refusal then return nil, refusal end
  if #found == 0 then return 'done' end
  if found[1][2] ~= identity then return 'stale' end
  if lane > 0 and owner[lane] and redis.call('HEXISTS', consumers, owner[lane]) == 1 then return 'stale' end
  return 'go'
end

-- Reads the batch; decides about each entry. The second outcome of one entry finds it done.
local seen = {}
local ids, lane, body, outcome, place, state = {}, {}, {}, {}, {}, {}
local at = 11 + lane_count
for i = 1, entry_count do
  ids[i], lane[i], body[i], outcome[i] = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3]
  place[i] = at + 4
  at = at + 4
  if outcome[i] == 'r' then at = at + 3 end
  if outcome[i] == 'd' then at = at + 2 + tonumber(ARGV[at + 1]) end

  if seen[ids[i]] then
    state[i] = 'done'
  elseif lane[i] > 0 and owner[lane[i]] == identity then
    if outcome[i] == 'a' or is_ours(ids[i]) then state[i] = 'go' else state[i] = 'done' end
  elseif lane[i] == 0 and is_ours(ids[i]) then
    state[i] = 'go'
  else
    local refusal
    state[i], refusal = judge(ids[i], lane[i])
    if refusal then return refusal end
    lane[i] = 0
  end
  seen[ids[i]] = true
end

-- Dead letters first: from here on nothing is rolled back.
local trouble, written = nil, false
for i = 1, entry_count do
  if state[i] == 'go' and outcome[i] == 'd' then
    local command = { 'XADD', KEYS[tonumber(ARGV[place[i]])], '*' }
    for a = place[i] + 2, place[i] + 1 + tonumber(ARGV[place[i] + 1]) do command[#command + 1] = ARGV[a] end
    local refusal = failed(redis.pcall(unpack(command)))
    if refusal then
      if not written then return refusal end
      trouble, state[i] = refusal, 'kept'
    else
      written = true
    end
  end
end

-- Acknowledge, lane by lane, and count what was really removed.
local finished, by_lane = {}, {}
for i = 1, entry_count do
  if state[i] == 'go' and outcome[i] ~= 'r' then
    finished[#finished + 1] = ids[i]
    local batch = by_lane[lane[i]]
    if not batch then
      batch = { 'XACK', stream, group }
      by_lane[lane[i]] = batch
    end
    batch[#batch + 1] = ids[i]
  end
end
local removed = 0
local kept, freed = { 'HSET', lanes }, { 'HDEL', lanes }
for l, batch in pairs(by_lane) do
  local gone = redis.pcall(unpack(batch))
  local refusal = failed(gone)
  if refusal then
    trouble, gone = refusal, 0
  end
  removed = removed + gone
  if l > 0 and gone > 0 then
    held[l] = held[l] - gone
    if held[l] > 0 then
      kept[#kept + 1] = lane_name[l]
      kept[#kept + 1] = identity .. '|' .. whole(held[l])
    else
      held[l] = 0
      freed[#freed + 1] = lane_name[l]
    end
  end
end
if #finished > 0 and removed == 0 and not trouble then
  trouble = failed(redis.pcall('XPENDING', stream, group, '-', '+', 1))
end
if #kept > 2 then trouble = failed(redis.pcall(unpack(kept))) or trouble end
if #freed > 2 then trouble = failed(redis.pcall(unpack(freed))) or trouble end
if trouble then return trouble end

-- Retries.
local records = { 'HSET', tries }
for i = 1, entry_count do
  if state[i] == 'go' and outcome[i] == 'r' then
    local p = place[i]
    records[#records + 1] = ids[i]
    records[#records + 1] = ARGV[p] .. ':' .. ARGV[p + 1] .. ':' .. whole(now_ms() + ARGV[p + 2])
  end
end
if #records > 2 then trouble = failed(redis.pcall(unpack(records))) or trouble end

-- What goes with an entry.
if #finished > 0 then
  if any_tries then redis.pcall('HDEL', tries, unpack(finished)) end
  if alone then
    trouble = failed(redis.pcall('XDEL', stream, unpack(finished))) or trouble
    local bodies = { 'UNLINK' }
    for i = 1, entry_count do
      if state[i] == 'go' and outcome[i] ~= 'r' and body[i] > 0 then bodies[#bodies + 1] = KEYS[body[i]] end
    end
    if #bodies > 1 then trouble = failed(redis.pcall(unpack(bodies))) or trouble end
  end
end

-- The mark: just below the oldest unfinished entry, moved at most once a second.
if not alone and #finished > 0 then
  local moved = string.match(redis.pcall('GET', mark) or '', '|(%d+)$')
  local time = now_ms()
  if not moved or time - moved >= 1000 then
    local oldest = redis.pcall('XPENDING', stream, group, '-', '+', 1)
    local point
    if oldest[1] then
      point = below(oldest[1][1])
    else
      local row = row_of(redis.pcall('XINFO', 'GROUPS', stream), group)
      point = row and row['last-delivered-id']
    end
    if point then redis.pcall('SET', mark, point .. '|' .. whole(time)) end
  end
end
if trouble then return trouble end

local letters, counts = {}, {}
for i = 1, entry_count do letters[i] = state[i] == 'stale' and 's' or 'd' end
for i = 1, lane_count do counts[i] = owner[i] == identity and held[i] or 0 end
return { 'ok', table.concat(letters), counts }
