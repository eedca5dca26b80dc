-- Reads pages in both views for each of several readers, and the vectors, all from one moment.
--
-- KEYS[1]  string  prefix of the namespace's keys
-- ARGV     four for each reader:
--   JSON    {server: stamp text} that the vector of the view must cover first (RYW and MR of the client session);
--           '' if nothing is needed
--   string  the birth of the cluster that the session token names, in its short form; '' for none
--   string  the view: tentative, in which V must cover these entries, or committed, in which C must
--   JSON    [page, ...] to read
-- Returns JSON {csn, history, birth, vector, committed_vector, replies}. The vectors are flat lists of servers and
-- stamps. Each reply is a list of pages as Views.of returns them; or {missing}, whose entries {server: stamp text} the
-- vector does not cover; or {foreign = true} if the token names another birth than this cluster's. All is one text,
-- because a client reads one text faster than a list of many. Changes nothing. Keeps invariant 12.

--- @include "engine/held"
--- @include "engine/views"

local FIELDS = 4

local csn, history = unpack(redis.call('HMGET', K.meta, 'csn', 'history'))
local replies = {}
for i = 1, #ARGV, FIELDS do
  local needs, birth, view, pages = unpack(ARGV, i, i + FIELDS - 1)
  local is_foreign = Held.is_foreign(birth)
  local missing = not is_foreign and needs ~= '' and Held.missing(cjson.decode(needs), view)
  local reply = {missing = missing or nil, foreign = is_foreign or nil}
  if not (missing or is_foreign) then
    for number, page in ipairs(cjson.decode(pages)) do reply[number] = Views.of(page) end
  end
  replies[#replies + 1] = reply
end
return cjson.encode({csn = csn, history = history, birth = Held.birth(), vector = redis.call('HGETALL', K.vector),
  committed_vector = redis.call('HGETALL', K.committed_vector), replies = replies})
