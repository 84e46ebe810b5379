-- Resets the idle time of a page of what a session holds; counts are not raised. An entry that was deleted is passed
-- over, since claiming it would take it off the pending list, and its lane would count it for ever.
-- KEYS: 1 stream, 2 consumers
-- ARGV: 1 group, 2 identity, 3 fence, 4 last id of the page before
-- Answer: ok last-id (- at the end)
local PAGE, MAX_BYTES = 250, 1048576
local stream, consumers = KEYS[1], KEYS[2]
local group, identity = ARGV[1], ARGV[2]
local bad = wrong(stream, 'stream', consumers, 'hash') or refused(consumers, identity, ARGV[3])
if bad then return bad end
local rows = redis.pcall('XPENDING', stream, group, '(' .. ARGV[4], '+', PAGE, identity)
bad = failed(rows)
if bad then return bad end
local claim, bytes, last = { 'XCLAIM', stream, group, identity, 0 }, 0, '-'
for _, row in ipairs(rows) do
  if bytes >= MAX_BYTES then break end
  last = row[1]
  local entry = redis.call('XRANGE', stream, last, last)[1]
  if entry then
    claim[#claim + 1] = last
    for i = 1, #entry[2] do bytes = bytes + #entry[2][i] end
  end
end
if #claim > 5 then
  claim[#claim + 1] = 'JUSTID'
  bad = failed(redis.pcall(unpack(claim)))
end
local at_end = #rows == 0 or (#rows < PAGE and last == rows[#rows][1])
return bad or { 'ok', at_end and '-' or last }
