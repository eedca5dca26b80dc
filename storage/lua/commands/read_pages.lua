-- Pages in both views, with the vectors of the same moment, for each of several readers.
--
-- KEYS[1]  the namespace's prefix
-- ARGV     three for each reader:
--   JSON server -> stamp text: what the vector of the view has to cover first (RYW and MR of the client's session); '' for
--     nothing
--   the view that is checked: `tentative` (V) or `committed` (C)
--   JSON array of pages
-- Returns JSON {csn, history, vector, committed_vector, replies}: the vectors are flat lists, and each reply is a list of
-- pages as Views.of gives them, or {missing} where something is missing. One text, since a client reads that faster than a list
-- of many. Keeps invariant 12.

--- @include "engine/held"
--- @include "engine/views"

local FIELDS = 3

local csn, history = unpack(redis.call('HMGET', K.meta, 'csn', 'history'))
local replies = {}
for i = 1, #ARGV, FIELDS do
  local missing = ARGV[i] ~= '' and Held.missing(cjson.decode(ARGV[i]), ARGV[i + 1])
  local reply = {missing = missing or nil}
  if not missing then
    for number, page in ipairs(cjson.decode(ARGV[i + 2])) do reply[number] = Views.of(page) end
  end
  replies[#replies + 1] = reply
end
return cjson.encode({csn = csn, history = history, vector = redis.call('HGETALL', K.vector),
  committed_vector = redis.call('HGETALL', K.committed_vector), replies = replies})
