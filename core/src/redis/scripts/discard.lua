-- Throws dead letters away, each with its big body.
-- KEYS: 1 letters, 2.. bodies
-- ARGV: 1.. for each letter its id and the place of its body in KEYS or 0
-- Answer: ok, then for each letter how many were removed
local letters = KEYS[1]
local bad = wrong(letters, 'stream')
if bad then return bad end

local answer = { 'ok' }
for i = 1, #ARGV, 2 do
  local removed = redis.pcall('XDEL', letters, ARGV[i])
  bad = failed(removed)
  if bad then return bad end
  if removed == 1 and ARGV[i + 1] ~= '0' then redis.pcall('UNLINK', KEYS[tonumber(ARGV[i + 1])]) end
  answer[#answer + 1] = removed
end
return answer
