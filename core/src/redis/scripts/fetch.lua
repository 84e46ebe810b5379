-- Hands entries to a session: first its own pending list after the cursor, then new ones, each routed to the owner
-- of its lane, or all of them to the one session that holds the stream. Repeatable: with the same cursor it answers
-- the same entries again.
-- KEYS: 1 stream, 2 consumers, 3 lanes, 4 tries, 5 idle, 6 beats, 7 groups
-- ARGV: 1 group, 2 identity, 3 fence, 4 cursor, 5 count, 6 max bytes, 7 new (1), 8 ordering, 9 order unaddressed (1),
--       10 bell channel prefix, 11 deleted consumers are noticed (1), 12 wary (1)
-- Answer: ok history-length entries lanes records hint hint-id · torn (gather first) · back id (read again from there)
--   lanes: 0 none, 1 the field `key`, else the lane's text; records: `starts:flags:ms left` or 0, for the history only
--   hint: '' (there may be more) · watch · rest
local STEP, MOST_STEP, STEP_BYTES, SPARE, MOST_SCANNED, WATCHERS = 1, 16, 131072, 32, 400, 8
local WATCH_AGE, REST_AGE = 3000, 60000

local stream, consumers, lanes, tries, idle = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local group, identity, fence = ARGV[1], ARGV[2], ARGV[3]
local count, max_bytes = tonumber(ARGV[5]), tonumber(ARGV[6])
local want_new, order_unaddressed = ARGV[7] == '1', ARGV[9] == '1'
local ordered, exclusive = ARGV[8] == 'lanes', ARGV[8] == 'exclusive'
local bell = ARGV[10]
local beats, groups, guarded = KEYS[6], KEYS[7], ARGV[11] == '1'

local bad = wrong(stream, 'stream', consumers, 'hash', lanes, 'hash', tries, 'hash', idle, 'zset',
  beats, 'hash', groups, 'hash') or refused(consumers, identity, fence)
if bad then return bad end

-- Before the first read, which would make the consumer without a word.
local note = false
if guarded then
  local known = redis.pcall('HMGET', beats, TORN, BACK .. identity)
  note, bad = tend(stream, group, consumers, beats, groups, identity, known[1])
  if bad then return bad end
  if note and not restores(stream, group, consumers, beats, groups) then
    redis.pcall('HDEL', beats, TORN)
    note = false
  end
  if note then return { 'torn' } end
  if known[2] then
    if ARGV[12] ~= '1' or not before(ARGV[4], known[2]) then return { 'back', known[2] } end
    redis.pcall('HDEL', beats, BACK .. identity)
  end
end

local entries, lane_names, records = {}, {}, {}
local n, bytes = 0, 0

local function hand_out(entry, lane_name)
  n = n + 1
  entries[n], lane_names[n] = entry, lane_name
end

local step, weighed = STEP, 0
local function weigh(fields)
  for i = 1, #fields do bytes = bytes + #fields[i] end
  weighed = weighed + 1
end

-- How many entries to read next: one while nothing is known of their size, so that a large one comes alone; more
-- while they are small.
local function next_ask()
  if weighed > 0 then
    local fit = math.min(STEP_BYTES, max_bytes - bytes) / (bytes / weighed + 1)
    step = math.max(STEP, math.min(4 * step, MOST_STEP, math.floor(fit)))
  end
  return math.min(step, count - n)
end

local function read(ask, from)
  return redis.pcall('XREADGROUP', 'GROUP', group, identity, 'COUNT', ask, 'STREAMS', stream, from)
end

-- The pending list after the cursor.
local after = ARGV[4]
while n < count and bytes < max_bytes do
  local ask = next_ask()
  local reply = read(ask, after)
  bad = failed(reply)
  if bad then return bad end
  local page = reply and reply[1][2] or {}
  for _, entry in ipairs(page) do
    local name = 0
    if entry[2] then
      weigh(entry[2])
      if ordered then
        local _
        _, name = lane_of(entry[2], order_unaddressed)
      end
    end
    hand_out(entry, name)
    after = entry[1]
  end
  if #page < ask then break end
end
local history = n

if history > 0 then
  local ids = {}
  for i = 1, history do ids[i] = entries[i][1] end
  local found = redis.pcall('HMGET', tries, unpack(ids))
  local time = now_ms()
  for i = 1, history do
    local start, due = string.match(found[i] or '', '^(%d+:%a*:)(%d+)$')
    records[i] = start and start .. whole(math.max(0, due - time)) or 0
  end
end

-- Whose new entries are, in mode `exclusive`: the first session that asks for them takes the place and keeps it until
-- it retires, whoever acts for it, so that what it left behind is finished before the next one reads on. (Not before
-- the pending list was read: only a first write is refused at full memory, and that read counts as one.)
local stands_by = false
if exclusive and want_new then
  local holder = redis.pcall('HGET', consumers, HOLDER)
  if not holder or (holder ~= identity and redis.pcall('HEXISTS', consumers, holder) == 0) then
    bad = failed(redis.pcall('HSET', consumers, HOLDER, identity))
    if bad then return bad end
  elseif holder ~= identity then
    stands_by, want_new = true, false
  end
end

-- New entries. What is known of lanes is kept over the steps and written once; nothing comes in between.
local owner, held, dirty = {}, {}, {}
local registered = { [identity] = true }

local function look_up(wanted)
  if #wanted == 0 then return end
  local found = redis.pcall('HMGET', lanes, unpack(wanted))
  local asked = {}
  for i, lane in ipairs(wanted) do
    local bar = found[i] and string.find(found[i], '|', 1, true)
    if bar then
      owner[lane], held[lane] = string.sub(found[i], 1, bar - 1), tonumber(string.sub(found[i], bar + 1)) or 0
      if registered[owner[lane]] == nil then
        registered[owner[lane]] = false
        asked[#asked + 1] = owner[lane]
      end
    else
      owner[lane] = false
    end
  end
  if #asked > 0 then
    local fences = redis.pcall('HMGET', consumers, unpack(asked))
    for i, other in ipairs(asked) do registered[other] = fences[i] and true or false end
  end
end

local function route(page)
  local lane, name, wanted = {}, {}, {}
  for i, entry in ipairs(page) do
    lane[i], name[i] = lane_of(entry[2], order_unaddressed)
    if lane[i] and owner[lane[i]] == nil then
      owner[lane[i]] = false
      wanted[#wanted + 1] = lane[i]
    end
  end
  look_up(wanted)
  local claims = {}
  for i, entry in ipairs(page) do
    local l = lane[i]
    if not l then
      hand_out(entry, 0)
    else
      if not (owner[l] and registered[owner[l]]) then owner[l], held[l] = identity, 0 end
      held[l] = held[l] + 1
      dirty[l] = true
      if owner[l] == identity then
        hand_out(entry, name[i])
      else
        local claim = claims[owner[l]]
        if not claim then
          claim = { 'XCLAIM', stream, group, owner[l], 0 }
          claims[owner[l]] = claim
        end
        claim[#claim + 1] = entry[1]
      end
    end
  end
  for other, claim in pairs(claims) do
    local refusal
    if guarded then note, refusal = tend(stream, group, consumers, beats, groups, other, note) end
    claim[#claim + 1] = 'JUSTID'
    refusal = refusal or failed(redis.pcall(unpack(claim)))
    if refusal then return refusal end
  end
end

local drained, trouble = false, nil
local scanned, most = 0, math.max(count, math.min(MOST_SCANNED, 4 * count + SPARE))
while want_new and not note and n < count and bytes < max_bytes and scanned < most do
  local ask = next_ask()
  local reply = read(ask, '>')
  trouble = failed(reply)
  if trouble then break end
  local page = reply and reply[1][2] or {}
  scanned = scanned + #page
  for _, entry in ipairs(page) do weigh(entry[2]) end
  if ordered then
    trouble = route(page)
    if trouble then break end
  else
    for _, entry in ipairs(page) do hand_out(entry, 0) end
  end
  if #page < ask then
    drained = true
    break
  end
end

local changed = { 'HSET', lanes }
for lane in pairs(dirty) do
  changed[#changed + 1] = lane
  changed[#changed + 1] = owner[lane] .. '|' .. whole(held[lane])
  if #changed > 900 then
    trouble = failed(redis.pcall(unpack(changed))) or trouble
    changed = { 'HSET', lanes }
  end
end
if #changed > 2 then trouble = failed(redis.pcall(unpack(changed))) or trouble end
if trouble then return trouble end

-- How to wait, also where all that there was is handed out: another fetch would find nothing.
local hint, from = '', ''
if n == 0 and not want_new then
  hint = 'rest'
  if stands_by then redis.pcall('ZADD', idle, whole(now_ms()), identity) end
elseif drained then
  local time, watches = now_ms(), true
  if redis.pcall('ZCARD', idle) >= WATCHERS then
    redis.pcall('ZREMRANGEBYSCORE', idle, '-inf', whole(time - REST_AGE))
    redis.pcall('ZREMRANGEBYSCORE', idle, whole(WATCHING), whole(WATCHING + time - WATCH_AGE))
    watches = tonumber(redis.pcall('ZSCORE', idle, identity) or 0) >= WATCHING
        or redis.pcall('ZCOUNT', idle, whole(WATCHING), '+inf') < WATCHERS
  end
  redis.pcall('ZADD', idle, whole(watches and WATCHING + time or time), identity)
  hint = watches and 'watch' or 'rest'
  -- Everything up to the group's last id was handed out in this very step: what comes after it is new.
  if watches then from = row_of(redis.pcall('XINFO', 'GROUPS', stream), group)['last-delivered-id'] end
elseif n > 0 and redis.pcall('ZCARD', idle) > 0 then
  redis.pcall('ZREM', idle, identity)
  if n > history and not drained and not exclusive then ring_one(idle, bell) end
end
return { 'ok', history, entries, lane_names, records, hint, from }
