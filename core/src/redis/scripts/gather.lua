-- One page of strays: entries that are pending for a consumer without registration, or, under `acked`, handed out and
-- pending for nobody. Each goes to the owner of its lane; those whose lane is free, or that have none, the session takes.
-- While something is torn, the walk over what is pending for nobody is one for all, and its end lets work go on.
-- KEYS: 1 stream, 2 consumers, 3 lanes, 4 beats, 5 groups, 6 tries
-- ARGV: 1 group, 2 identity, 3 fence, 4 consumer (empty: nobody), 5 last id looked at, 6 milliseconds that an entry must
--       have been held, 7 ordering, 8 order unaddressed (1), 9 deleted consumers are noticed (1)
-- Answer: ok last-id (- at the end) ids-brought-back ids-vanished
local PAGE, MAX_BYTES = 64, 1048576
local stream, consumers, lanes, beats, groups, tries = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local group, identity, from, last, min_idle = ARGV[1], ARGV[2], ARGV[4], ARGV[5], tonumber(ARGV[6])
local ordered, exclusive, order_unaddressed = ARGV[7] == 'lanes', ARGV[7] == 'exclusive', ARGV[8] == '1'
local guarded = ARGV[9] == '1'
local bad = wrong(stream, 'stream', consumers, 'hash', lanes, 'hash', beats, 'hash', groups, 'hash',
    tries, 'hash') or refused(consumers, identity, ARGV[3])
if bad then return bad end

local rows = redis.pcall('XINFO', 'GROUPS', stream)
local row = not rows.err and row_of(rows, group)
if not row then return { 'lost' } end
local nothing = { 'ok', '-', {}, {} }
if from ~= '' and redis.call('HEXISTS', consumers, from) == 1 then return nothing end
if exclusive and redis.call('HGET', consumers, HOLDER) ~= identity then return nothing end

local note = guarded and redis.call('HGET', beats, TORN)
if guarded and from == '' then
  -- Who stands still, or waits, does not notice that its consumer was deleted.
  for _, name in ipairs(redis.call('HKEYS', consumers)) do
    if string.sub(name, 1, 1) ~= '#' then
      note, bad = tend(stream, group, consumers, beats, groups, name, note)
      if bad then return bad end
    end
  end
end
local walk = from == '' and note

-- What has no lane and is pending for nobody goes back to whoever lost its consumer, if there is one such only: it may be
-- at work on it.
local loser = walk and ordered and string.match(walk, '^[^|]*|([^|]+)$')
if not loser or redis.call('HEXISTS', consumers, loser) == 0 then loser = identity end

-- The page: ids, and their entries where they had to be read to find them.
local ids, entries, at_end, bytes = {}, {}, true, 0
local function weigh(entry)
  for i = 1, #entry[2] do bytes = bytes + #entry[2][i] end
end
if from ~= '' then
  local held_there = redis.call('XPENDING', stream, group, '(' .. last, '+', PAGE, from)
  for _, pending in ipairs(held_there) do
    if bytes >= MAX_BYTES then break end
    last = pending[1]
    if pending[3] >= min_idle then
      local entry = redis.call('XRANGE', stream, last, last)[1]
      ids[#ids + 1] = last
      entries[last] = entry
      if entry then weigh(entry) end
    end
  end
  local n = #held_there
  at_end = n == 0 or (n < PAGE and last == held_there[n][1])
else
  local clean = redis.call('HGET', beats, CLEAN)
  -- Where the server knows what is unread, the sums tell that nothing is missing.
  local complete = row.lag and redis.call('XLEN', stream) <= row.pending + row.lag
  local told = restores(stream, group, consumers, beats, groups)
  if walk and not told then redis.pcall('HDEL', beats, TORN) end
  if not told or (complete and not walk) then return nothing end
  if walk then last = string.match(walk, '^[^|]*') end
  if before(last, clean) then last = clean end
  local looked = 0
  at_end = false
  while looked < PAGE and bytes < MAX_BYTES and not at_end do
    local ask = looked == 0 and 1 or PAGE - looked
    if looked > 0 then ask = math.max(1, math.min(ask, math.floor(MAX_BYTES / (bytes / looked + 1)))) end
    local page = redis.call('XRANGE', stream, '(' .. last, row['last-delivered-id'], 'COUNT', ask)
    for _, entry in ipairs(page) do
      looked, last = looked + 1, entry[1]
      weigh(entry)
      if #redis.call('XPENDING', stream, group, last, last, 1) == 0 then
        ids[#ids + 1] = last
        entries[last] = entry
      end
    end
    at_end = #page < ask
  end
end

-- Where each belongs.
local brought, vanished, claims, lowest, owner, held = {}, {}, {}, {}, {}, {}
local function look_up(lane)
  local found = redis.call('HGET', lanes, lane)
  local bar = found and string.find(found, '|', 1, true)
  local of = bar and string.sub(found, 1, bar - 1)
  if of and redis.call('HEXISTS', consumers, of) == 1 then
    owner[lane], held[lane] = of, tonumber(string.sub(found, bar + 1)) or 0
  else
    owner[lane], held[lane] = identity, 0
  end
end
local counted = {}
for _, id in ipairs(ids) do
  local entry = entries[id]
  local lane = entry and ordered and lane_of(entry[2], order_unaddressed) or nil
  if not entry then
    vanished[#vanished + 1] = id
  else
    if lane and not owner[lane] then look_up(lane) end
    local to = lane and owner[lane] or loser
    if not claims[to] then
      claims[to], lowest[to] = { 'XCLAIM', stream, group, to, 0 }, id
      if guarded and not bad then note, bad = tend(stream, group, consumers, beats, groups, to, note) end
    end
    -- Its lane counts what was taken from its owner already.
    if lane and not (from == '' and is_torn(note, to)) then
      held[lane] = held[lane] + 1
      counted[lane] = true
    end
    if before(id, lowest[to]) then lowest[to] = id end
    local claim = claims[to]
    claim[#claim + 1] = id
    brought[#brought + 1] = id
  end
end
if bad then return bad end

if #vanished > 0 then
  bad = failed(redis.pcall('XACK', stream, group, unpack(vanished)))
    or failed(redis.pcall('HDEL', tries, unpack(vanished)))
end
for to, claim in pairs(claims) do
  if from == '' then claim[#claim + 1] = 'FORCE' end
  claim[#claim + 1] = 'JUSTID'
  bad = bad or failed(redis.pcall(unpack(claim)))
  local back = guarded and not bad and redis.pcall('HGET', beats, BACK .. to)
  if guarded and not bad and not (back and before(back, lowest[to])) then
    bad = failed(redis.pcall('HSET', beats, BACK .. to, lowest[to]))
  end
end
for lane in pairs(counted) do
  bad = bad or failed(redis.pcall('HSET', lanes, lane, owner[lane] .. '|' .. whole(held[lane])))
end
-- Whoever was found torn meanwhile starts the walk again.
if walk and note == walk and not bad then
  if at_end then
    bad = failed(redis.pcall('HDEL', beats, TORN))
  else
    bad = failed(redis.pcall('HSET', beats, TORN, last .. string.match(note, '|.*$')))
  end
end
return bad or { 'ok', at_end and '-' or last, brought, vanished }
