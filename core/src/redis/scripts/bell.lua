-- Put before scripts that know the `idle` sorted set: consumers that rest stand at their time, consumers that
-- watch at their time plus WATCHING. A bell may get lost and may be refused; it saves one poll, no more.

local WATCHING = 1000000000000000

-- Rings the consumer that has rested longest and listens.
local function ring_one(idle, bell)
  local resting = redis.pcall('ZRANGEBYSCORE', idle, '-inf', '(' .. whole(WATCHING), 'LIMIT', 0, 4)
  for _, identity in ipairs(resting) do
    redis.pcall('ZREM', idle, identity)
    local heard = redis.pcall('PUBLISH', bell .. ':' .. identity, '1')
    if type(heard) == 'number' and heard > 0 then return end
  end
end

-- Rings everybody that rests or watches.
local function ring_all(idle, bell)
  for _, identity in ipairs(redis.pcall('ZRANGE', idle, 0, 999)) do
    redis.pcall('PUBLISH', bell .. ':' .. identity, '1')
  end
end
