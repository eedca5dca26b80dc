-- Pages in both views, with the vectors of the same moment.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  JSON server -> stamp text: what the vector of the view has to cover first (RYW and MR of the client's session)
-- ARGV[2]  the view that is checked: `tentative` (V) or `committed` (C)
-- ARGV[3…] pages
-- Returns JSON {csn, history, vector, committed_vector, pages}: the vectors are flat lists, and each page is {committed,
-- tentative}, flat lists, tentative false where nothing is tentative on the page; or {missing} where something is missing.
-- One text, since a client reads that faster than a list of many.
-- The tentative copy counts only while the page's index is not empty (invariant 4). Keeps invariant 12.

local missing = Held.missing(cjson.decode(ARGV[1]), ARGV[2])
if missing then return cjson.encode({missing = missing}) end
local csn, history = unpack(redis.call('HMGET', K.meta, 'csn', 'history'))
local pages = {}
for i = 3, #ARGV do
  local page = ARGV[i]
  local tentative = redis.call('ZCARD', K.index .. page) > 0 and redis.call('HGETALL', K.tentative_page .. page)
  pages[i - 2] = {redis.call('HGETALL', K.committed_page .. page), tentative}
end
return cjson.encode({csn = csn, history = history, vector = redis.call('HGETALL', K.vector),
  committed_vector = redis.call('HGETALL', K.committed_vector), pages = pages})
