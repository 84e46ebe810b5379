-- Put before every script. Answers are arrays whose first item says how it went:
--   ok · stale · forgotten · lost (no stream or group) · type (key, found, wanted) · fail (message of the server)
-- Everything that may refuse is looked at before the first write; after it only `pcall` is used.

local SIZE = { stream = 'XLEN', hash = 'HLEN', zset = 'ZCARD', string = 'STRLEN', set = 'SCARD', list = 'LLEN' }

-- Pairs of key and kind; the answer for the first key that holds something else. Asking for the size costs half of
-- asking for the type, and a missing key is of every kind.
local function wrong(...)
  local keys = { ... }
  for i = 1, #keys, 2 do
    local size = redis.pcall(SIZE[keys[i + 1]], keys[i])
    if type(size) == 'table' then
      local found = redis.call('TYPE', keys[i]).ok
      if found ~= keys[i + 1] then return { 'type', keys[i], found, keys[i + 1] } end
      return { 'fail', size.err }
    end
  end
end

-- The answer for a session that is not in force.
local function refused(consumers, identity, fence)
  local held = redis.call('HGET', consumers, identity)
  if not held then return { 'forgotten' } end
  if held ~= fence then return { 'stale' } end
end

-- The answer for an error of a `pcall`, or nothing.
local function failed(reply)
  if type(reply) ~= 'table' or not reply.err then return end
  if string.find(reply.err, '^%-?NOGROUP') then return { 'lost' } end
  return { 'fail', reply.err }
end

-- At full memory a server refuses a command that may take more, but not once the script has written: work that was
-- taken is carried on, finished and buried; it frees more than it takes. Removing nothing is such a write.
local function carry_on(hash) return failed(redis.pcall('HDEL', hash, '')) end

-- Milliseconds of the server.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A whole number as text, digits only.
local function whole(number) return string.format('%.0f', number) end
