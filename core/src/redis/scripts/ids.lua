-- Put before scripts that compare entry ids. Numbers of 16 digits and more are not calculated with, because a
-- Lua number would lose digits: `below` and `above` then answer something that is safe instead of exact.

local function split(id) return string.match(id, '^(%d+)%-(%d+)$') end

-- An id below this one, the next one where possible.
local function below(id)
  local ms, seq = split(id)
  if seq ~= '0' and #seq < 16 then return ms .. '-' .. whole(tonumber(seq) - 1) end
  if ms == '0' or #ms >= 16 then return '0-0' end
  return whole(tonumber(ms) - 1) .. '-18446744073709551615'
end

-- The id after this one; this one itself where that cannot be calculated.
local function above(id)
  local ms, seq = split(id)
  if #seq < 16 then return ms .. '-' .. whole(tonumber(seq) + 1) end
  return id
end

local function smaller(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

local function before(a, b)
  local a_ms, a_seq = split(a)
  local b_ms, b_seq = split(b)
  if a_ms ~= b_ms then return smaller(a_ms, b_ms) end
  return smaller(a_seq, b_seq)
end

-- The group's row of XINFO GROUPS as a table, or nothing.
local function row_of(rows, group)
  for _, row in ipairs(rows) do
    local fields = {}
    for i = 1, #row, 2 do fields[row[i]] = row[i + 1] end
    if fields.name == group then return fields end
  end
end
