-- Pages in both views, with the vectors of the same moment.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  JSON server -> stamp text: what the vector of the view has to cover first (RYW and MR of the client's session)
-- ARGV[2]  the view that is checked: `tentative` (V) or `committed` (C)
-- ARGV[3…] pages
-- Returns {JSON of what is missing or '', CSN, V, C, page...}: each page is {committed, tentative}, flat lists; tentative is
-- nil (false) where nothing is tentative on the page. Nothing but the first member where something is missing.
-- The tentative copy counts only while the page's index is not empty (invariant 4). Keeps invariant 12.

local missing = Held.missing(cjson.decode(ARGV[1]), ARGV[2])
if missing then return {cjson.encode(missing)} end
local reply = {
  '',
  redis.call('HGET', K.meta, 'csn'),
  redis.call('HGETALL', K.vector),
  redis.call('HGETALL', K.committed_vector),
}
for i = 3, #ARGV do
  local page = ARGV[i]
  local tentative = redis.call('ZCARD', K.index .. page) > 0 and redis.call('HGETALL', K.tentative_page .. page)
  reply[2 + i] = {redis.call('HGETALL', K.committed_page .. page), tentative}
end
return reply
