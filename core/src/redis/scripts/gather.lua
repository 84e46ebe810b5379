-- One page of strays: entries that are pending for a consumer without registration, or, under `acked`, handed out and
-- pending for nobody. The session takes those whose lane is free or its own; the owner of a lane gathers the others.
-- KEYS: 1 stream, 2 consumers, 3 lanes, 4 beats, 5 groups
-- ARGV: 1 group, 2 identity, 3 fence, 4 consumer (empty: nobody), 5 last id looked at, 6 milliseconds that an entry must
--       have been held, 7 ordering, 8 order unaddressed (1)
-- Answer: ok last-id (- at the end) ids-taken ids-vanished
local PAGE, MAX_BYTES = 64, 1048576
local stream, consumers, lanes, beats, groups = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local group, identity, from, last, min_idle = ARGV[1], ARGV[2], ARGV[4], ARGV[5], tonumber(ARGV[6])
local ordered, exclusive, order_unaddressed = ARGV[7] == 'lanes', ARGV[7] == 'exclusive', ARGV[8] == '1'
local bad = wrong(stream, 'stream', consumers, 'hash', lanes, 'hash', beats, 'hash', groups, 'hash')
    or refused(consumers, identity, ARGV[3])
if bad then return bad end

local rows = redis.pcall('XINFO', 'GROUPS', stream)
local row = not rows.err and row_of(rows, group)
if not row then return { 'lost' } end
local nothing = { 'ok', '-', {}, {} }
if from ~= '' and redis.call('HEXISTS', consumers, from) == 1 then return nothing end
if exclusive and redis.call('HGET', consumers, HOLDER) ~= identity then return nothing end

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
  local alone = #rows == 1 and redis.call('HLEN', groups) <= 1
  -- Where the server knows what is unread, the sums tell that nothing is missing.
  local complete = row.lag and redis.call('XLEN', stream) <= row.pending + row.lag
  if not clean or not alone or complete then return nothing end
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

-- Whose lane it is.
local taken, vanished, held = {}, {}, {}
local function is_ours(lane)
  if held[lane] then return true end
  local found = redis.call('HGET', lanes, lane)
  local bar = found and string.find(found, '|', 1, true)
  local owner = bar and string.sub(found, 1, bar - 1)
  if owner and owner ~= identity and redis.call('HEXISTS', consumers, owner) == 1 then return false end
  held[lane] = owner == identity and tonumber(string.sub(found, bar + 1)) or 0
  return true
end
for _, id in ipairs(ids) do
  local entry = entries[id]
  local lane = entry and ordered and lane_of(entry[2], order_unaddressed) or nil
  if not entry then
    vanished[#vanished + 1] = id
  elseif not lane then
    taken[#taken + 1] = id
  elseif is_ours(lane) then
    held[lane] = held[lane] + 1
    taken[#taken + 1] = id
  end
end

if #vanished > 0 then bad = failed(redis.pcall('XACK', stream, group, unpack(vanished))) end
if #taken > 0 and not bad then
  local claim = { 'XCLAIM', stream, group, identity, 0, unpack(taken) }
  if from == '' then claim[#claim + 1] = 'FORCE' end
  claim[#claim + 1] = 'JUSTID'
  bad = failed(redis.pcall(unpack(claim)))
  for lane, n in pairs(held) do
    if not bad and n > 0 then bad = failed(redis.pcall('HSET', lanes, lane, identity .. '|' .. whole(n))) end
  end
end
return bad or { 'ok', at_end and '-' or last, taken, vanished }
