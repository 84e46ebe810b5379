-- Records outcomes. Repeatable: what is no longer pending was done before and answers so.
-- KEYS: 1 stream, 2 consumers, 3 lanes, 4 tries, 5 mark, 6 groups, 7 beats, 8.. streams of dead letters, then bodies,
--   then bodies of dead letters
-- ARGV: 1 group, 2 identity, 3 fence, 4 acked (1), 5 number of dead-letter streams, 6 number of lanes,
--       7 number of acks without lane, 8 number of acks in all, 9 number of other outcomes, 10 and 11 lowest and
--       highest id of those to be looked up, 12 how many those are, 13 whether the stream is held as a whole (1; then
--       it is the one lane, without a name), 14 deleted consumers are noticed (1), 15.. lanes, then how many acks each
--       lane has, then the ids of the acks (without lane first, then lane by lane), then for each other outcome:
--       id, lane (its number or 0), body (place in KEYS or 0), and
--         a · r starts flags due-in-ms · d place-in-KEYS body's-new-place-or-0 number-of-texts field value ...
-- Answer: ok stale-acks results counts
--   stale-acks: places among the acks; results: of the others, text, one letter for each, d done or s stale;
--   counts: for each lane what is left of it, if it is ours
local stream, consumers, lanes, tries, mark, groups = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local beats = KEYS[7]
local group, identity, fence, acked = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local dead_streams, lane_count = tonumber(ARGV[5]), tonumber(ARGV[6])
local free_acks, ack_count, other_count = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])

local bad = wrong(stream, 'stream', consumers, 'hash', lanes, 'hash', tries, 'hash', mark, 'string', groups, 'hash',
  beats, 'hash')
for i = 8, 7 + dead_streams do bad = bad or wrong(KEYS[i], 'stream') end
bad = bad or refused(consumers, identity, fence)
if bad then return bad end
local alone, any_tries = acked and redis.call('HLEN', groups) <= 1, redis.call('HLEN', tries) > 0

-- Whether what we hold may be pending for nobody, since somebody deleted our consumer.
local torn = false
if ARGV[14] == '1' then
  local note
  note, bad = tend(stream, group, consumers, beats, groups, identity, redis.pcall('HGET', beats, TORN))
  if bad then return bad end
  torn = is_torn(note, identity)
end

local owner, held = {}, {}
local first_lane = 15
if ARGV[13] == '1' then
  owner[1] = redis.call('HGET', consumers, HOLDER)
elseif lane_count > 0 then
  local found = redis.call('HMGET', lanes, unpack(ARGV, first_lane, first_lane + lane_count - 1))
  for i = 1, lane_count do
    local bar = found[i] and string.find(found[i], '|', 1, true)
    if bar then
      owner[i], held[i] = string.sub(found[i], 1, bar - 1), tonumber(string.sub(found[i], bar + 1)) or 0
    end
  end
end

-- What of the batch is pending for us; looked up for entries without lane, retries and rejects. Acks of a lane that
-- is ours need no look-up: XACK tells what was still pending.
local ours, looked_up, complete = {}, tonumber(ARGV[12]), true
if looked_up > 0 then
  local most = 2 * looked_up + 32
  local found = redis.pcall('XPENDING', stream, group, ARGV[10], ARGV[11], most, identity)
  bad = failed(found)
  if bad then return bad end
  for i = 1, #found do ours[found[i][1]] = true end
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
  bad = failed(found)
  if bad or #found == 0 then return 'done' end
  if found[1][2] ~= identity then return 'stale' end
  if lane > 0 and owner[lane] and redis.call('HEXISTS', consumers, owner[lane]) == 1 then return 'stale' end
  return 'go'
end

-- What we hold and somebody took off the pending list with our consumer is ours as long as it stands in the stream.
local function is_adrift(id, l)
  return torn and alone and (l == 0 or owner[l] == identity) and #redis.pcall('XRANGE', stream, id, id) == 1
      and #redis.pcall('XPENDING', stream, group, id, id, 1) == 0
end

-- Acks, block by block: whole where the lane is ours, one by one where it is not.
local first_count = first_lane + lane_count
local at = first_count + lane_count
local first_ack = at
local blocks, singles, loose, stale, whole_batch = {}, {}, {}, {}, true
for l = 0, lane_count do
  local n = l == 0 and free_acks or tonumber(ARGV[first_count + l - 1])
  if n > 0 then
    local all = l > 0 and owner[l] == identity
    if l == 0 then
      all = true
      for i = at, at + n - 1 do
        if not is_ours(ARGV[i]) then
          all = false
          break
        end
      end
    end
    if all and torn and l > 0 then
      -- Each by itself: what is finished is counted, whether it is pending or not.
      whole_batch = false
      for i = at, at + n - 1 do
        if #redis.pcall('XPENDING', stream, group, ARGV[i], ARGV[i], 1) > 0 then
          blocks[#blocks + 1] = { l, i, i }
        elseif is_adrift(ARGV[i], l) then
          loose[#loose + 1] = { l, ARGV[i] }
        end
      end
    elseif all then
      blocks[#blocks + 1] = { l, at, at + n - 1 }
    else
      whole_batch = false
      for i = at, at + n - 1 do
        local verdict = l == 0 and is_ours(ARGV[i]) and 'go' or judge(ARGV[i], l)
        if bad then return bad end
        if verdict == 'go' then singles[#singles + 1] = ARGV[i] end
        if verdict == 'done' and l == 0 and is_adrift(ARGV[i], 0) then loose[#loose + 1] = { 0, ARGV[i] } end
        if verdict == 'stale' then stale[#stale + 1] = i - first_ack + 1 end
      end
    end
    at = at + n
  end
end
local last_ack = at - 1

-- The other outcomes.
local ids, lane, body, outcome, place, state, adrift = {}, {}, {}, {}, {}, {}, {}
for i = 1, other_count do
  ids[i], lane[i], body[i], outcome[i] = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3]
  place[i] = at + 4
  at = at + 4
  if outcome[i] == 'r' then at = at + 3 end
  if outcome[i] == 'd' then at = at + 3 + tonumber(ARGV[at + 2]) end

  local named = lane[i]
  if lane[i] > 0 and owner[lane[i]] == identity then
    state[i] = is_ours(ids[i]) and 'go' or 'done'
  elseif lane[i] == 0 and is_ours(ids[i]) then
    state[i] = 'go'
  else
    state[i] = judge(ids[i], lane[i])
    if bad then return bad end
    lane[i] = 0
  end
  adrift[i] = state[i] == 'done' and is_adrift(ids[i], named)
  if adrift[i] then state[i] = 'go' end
end

-- A dead letter takes the big body along: moved where nobody else needs it, else copied.
local function inherit(from, to)
  if not to or redis.call('EXISTS', from) == 0 then return end
  return failed(alone and redis.pcall('RENAME', from, to) or redis.pcall('COPY', from, to, 'REPLACE'))
end

local function disinherit(from, to)
  if to and alone then redis.pcall('RENAME', to, from) end
  if to and not alone then redis.pcall('DEL', to) end
end

bad = carry_on(tries)
if bad then return bad end

-- Dead letters first: from here on nothing is rolled back.
local trouble, written = nil, false
for i = 1, other_count do
  if state[i] == 'go' and outcome[i] == 'd' then
    local from = place[i] + 3
    local texts = tonumber(ARGV[place[i] + 2])
    local given, heir = KEYS[body[i]], KEYS[tonumber(ARGV[place[i] + 1])]
    local refusal = inherit(given, heir)
    if not refusal then
      local letters = KEYS[tonumber(ARGV[place[i]])]
      refusal = failed(redis.pcall('XADD', letters, '*', unpack(ARGV, from, from + texts - 1)))
      if refusal then disinherit(given, heir) end
    end
    if refusal then
      if not written then return refusal end
      trouble, state[i] = refusal, 'kept'
    else
      written = true
    end
  end
end

-- Acknowledge, lane by lane, and count what was really removed.
local removed, changed = 0, {}
local function count_down(l, gone)
  local refusal = failed(gone)
  if refusal then
    trouble = refusal
  else
    removed = removed + gone
    if held[l] and gone > 0 then
      held[l] = math.max(0, held[l] - gone)
      changed[l] = true
    end
  end
end
for _, block in ipairs(blocks) do
  count_down(block[1], redis.pcall('XACK', stream, group, unpack(ARGV, block[2], block[3])))
end
local function count_loose(l)
  if held[l] then
    held[l] = math.max(0, held[l] - 1)
    changed[l] = true
  end
end
for _, entry in ipairs(loose) do count_loose(entry[1]) end
local finished = singles
if #singles > 0 then count_down(0, redis.pcall('XACK', stream, group, unpack(singles))) end
if not whole_batch then
  for _, block in ipairs(blocks) do
    for i = block[2], block[3] do finished[#finished + 1] = ARGV[i] end
  end
end
for i = 1, other_count do
  if state[i] == 'go' and outcome[i] ~= 'r' then
    finished[#finished + 1] = ids[i]
    count_down(lane[i], redis.pcall('XACK', stream, group, ids[i]))
    if adrift[i] then count_loose(lane[i]) end
  end
end
for _, entry in ipairs(loose) do finished[#finished + 1] = entry[2] end
local any_acks = whole_batch and ack_count > 0
local any_finished = any_acks or #finished > 0
if any_finished and removed == 0 and not trouble then
  trouble = failed(redis.pcall('XPENDING', stream, group, '-', '+', 1))
end
local kept, freed = { 'HSET', lanes }, { 'HDEL', lanes }
for l in pairs(changed) do
  if held[l] > 0 then
    kept[#kept + 1] = ARGV[first_lane + l - 1]
    kept[#kept + 1] = identity .. '|' .. whole(held[l])
  else
    freed[#freed + 1] = ARGV[first_lane + l - 1]
  end
end
if #kept > 2 then trouble = failed(redis.pcall(unpack(kept))) or trouble end
if #freed > 2 then trouble = failed(redis.pcall(unpack(freed))) or trouble end
if trouble then return trouble end

-- Retries.
local records, time = { 'HSET', tries }, now_ms()
for i = 1, other_count do
  if state[i] == 'go' and outcome[i] == 'r' then
    local p = place[i]
    records[#records + 1] = ids[i]
    records[#records + 1] = ARGV[p] .. ':' .. ARGV[p + 1] .. ':' .. whole(time + ARGV[p + 2])
  end
end
if #records > 2 then trouble = failed(redis.pcall(unpack(records))) or trouble end

-- What goes with an entry.
local function with_finished(command, key)
  if any_acks then trouble = failed(redis.pcall(command, key, unpack(ARGV, first_ack, last_ack))) or trouble end
  if #finished > 0 then trouble = failed(redis.pcall(command, key, unpack(finished))) or trouble end
end
if any_finished and any_tries then with_finished('HDEL', tries) end
if any_finished and alone then
  with_finished('XDEL', stream)
  local bodies = { 'UNLINK' }
  for i = 1, other_count do
    if state[i] == 'go' and outcome[i] ~= 'r' and body[i] > 0 then bodies[#bodies + 1] = KEYS[body[i]] end
  end
  if #bodies > 1 then trouble = failed(redis.pcall(unpack(bodies))) or trouble end
end

-- The mark: just below the oldest unfinished entry, moved at most once a second.
if not alone and any_finished then
  local moved = string.match(redis.pcall('GET', mark) or '', '|(%d+)$')
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
for i = 1, other_count do letters[i] = state[i] == 'stale' and 's' or 'd' end
for i = 1, lane_count do counts[i] = owner[i] == identity and held[i] or 0 end
return { 'ok', stale, table.concat(letters), counts }
