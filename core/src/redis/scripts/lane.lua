-- Put before scripts that look for the lane of an entry. `lane_of` answers the lane and how an answer names it: 0 none,
-- 1 the field `key`, else the lane's text.

local MAX_LANE, MAX_DATA = 512, 65536

-- How many bytes follow a marker of fixed size, and how wide the length of the others is. Made when first needed: most
-- entries have a key.
local FIXED, TEXT, EXTENSION, ITEMS

local function prepare()
  FIXED = { [0xc0] = 0, [0xc2] = 0, [0xc3] = 0, [0xca] = 4, [0xcb] = 8, [0xcc] = 1, [0xcd] = 2, [0xce] = 4, [0xcf] = 8,
    [0xd0] = 1, [0xd1] = 2, [0xd2] = 4, [0xd3] = 8, [0xd4] = 2, [0xd5] = 3, [0xd6] = 5, [0xd7] = 9, [0xd8] = 17 }
  TEXT = { [0xc4] = 1, [0xc5] = 2, [0xc6] = 4, [0xd9] = 1, [0xda] = 2, [0xdb] = 4 }
  EXTENSION = { [0xc7] = 1, [0xc8] = 2, [0xc9] = 4 }
  ITEMS = { [0xdc] = 2, [0xdd] = 4, [0xde] = 2, [0xdf] = 4 }
end

local function number_at(data, at, width)
  if at + width - 1 > #data then return end
  local n = 0
  for i = at, at + width - 1 do n = n * 256 + string.byte(data, i) end
  return n
end

-- Where the value that starts here ends, or nothing when the data ends first.
local function past(data, at)
  local left = 1
  while left > 0 do
    local marker = string.byte(data, at)
    if not marker or marker == 0xc1 then return end
    left, at = left - 1, at + 1
    if marker < 0x80 or marker >= 0xe0 then
    elseif marker < 0x90 then
      left = left + 2 * (marker - 0x80)
    elseif marker < 0xa0 then
      left = left + marker - 0x90
    elseif marker < 0xc0 then
      at = at + marker - 0xa0
    elseif FIXED[marker] then
      at = at + FIXED[marker]
    else
      local width = TEXT[marker] or EXTENSION[marker] or ITEMS[marker]
      local n = number_at(data, at, width)
      if not n then return end
      at = at + width
      if ITEMS[marker] then
        left = left + (marker >= 0xde and 2 * n or n)
      else
        at = at + n + (EXTENSION[marker] and 1 or 0)
      end
    end
    if at > #data + 1 then return end
  end
  return at
end

-- The text (or binary) from `at` up to `stop`, or nothing when it is none.
local function text_at(data, at, stop)
  local marker = string.byte(data, at)
  if marker >= 0xa0 and marker < 0xc0 then return string.sub(data, at + 1, stop - 1) end
  if TEXT[marker] then return string.sub(data, at + 1 + TEXT[marker], stop - 1) end
end

-- What decides about the lane, of a map that the server's own decoder does not take (it knows no binary).
local function walk(data)
  if not FIXED then prepare() end
  local marker, at, pairs_ = string.byte(data, 1), 2, nil
  if not marker then return end
  if marker >= 0x80 and marker < 0x90 then
    pairs_ = marker - 0x80
  elseif marker == 0xde or marker == 0xdf then
    pairs_, at = number_at(data, 2, ITEMS[marker]), 2 + ITEMS[marker]
  end
  if not pairs_ then return end
  local envelope = {}
  for _ = 1, pairs_ do
    local value = past(data, at)
    local stop = value and past(data, value)
    if not stop then return end
    local name, first = text_at(data, at, value), string.byte(data, value)
    if name == 'is_addressed' then
      envelope.is_addressed = first ~= 0xc2 and first ~= 0
    elseif (name == 'channel_key' or name == 'channel_id') and first ~= 0xc0 then
      envelope[name] = text_at(data, value, stop) or false
    end
    at = stop
  end
  return at == #data + 1 and envelope or nil
end

-- Whether a value can be a lane: text, neither empty nor too long.
local UTF8
local function is_lane(value)
  if type(value) ~= 'string' or value == '' or #value > MAX_LANE then return false end
  local at = string.find(value, '[\128-\255]')
  if not at then return true end
  -- What a character of more than one byte may look like.
  UTF8 = UTF8 or { '^[\194-\223][\128-\191]', '^\224[\160-\191][\128-\191]',
    '^[\225-\236\238\239][\128-\191][\128-\191]', '^\237[\128-\159][\128-\191]',
    '^\240[\144-\191][\128-\191][\128-\191]', '^[\241-\243][\128-\191][\128-\191][\128-\191]',
    '^\244[\128-\143][\128-\191][\128-\191]' }
  while at do
    local stop
    for _, character in ipairs(UTF8) do
      local _, last = string.find(value, character, at)
      stop = stop or last
    end
    if not stop then return false end
    at = string.find(value, '[\128-\255]', stop + 1)
  end
  return true
end

local function lane_of(fields, order_unaddressed)
  local key, data, unaddressed
  for i = 1, #fields, 2 do
    local name = fields[i]
    if name == 'key' then
      key = key or fields[i + 1]
    elseif name == 'data' then
      data = data or fields[i + 1]
    elseif name == 'ua' then
      unaddressed = fields[i + 1] == '1'
    end
  end
  if unaddressed and not order_unaddressed then return nil, 0 end
  if key then
    if is_lane(key) then return key, 1 end
    return nil, 0
  end
  if not data or #data > MAX_DATA then return nil, 0 end
  local fine, envelope, more = pcall(cmsgpack.unpack, data)
  if not fine then
    envelope = walk(data)
  elseif more ~= nil then
    return nil, 0
  end
  if type(envelope) ~= 'table' then return nil, 0 end
  local addressed = envelope.is_addressed ~= false and envelope.is_addressed ~= 0
  if not addressed and not order_unaddressed then return nil, 0 end
  local lane = envelope.channel_key
  if lane == nil or lane == '' then lane = envelope.channel_id end
  if is_lane(lane) then return lane, lane end
  return nil, 0
end
