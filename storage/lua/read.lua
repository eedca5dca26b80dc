-- Pages in both views, with the vectors of the same moment.
--
-- KEYS[1]  the namespace's prefix
-- ARGV     pages
-- Returns {CSN, V, C, page...}: each page is {committed, tentative}, flat lists; tentative is nil (false) where nothing is
-- tentative on the page. The tentative copy counts only while the page's index is not empty (invariant 4).

local reply = {
  redis.call('HGET', K.meta, 'csn'),
  redis.call('HGETALL', K.vector),
  redis.call('HGETALL', K.committed_vector),
}
for i, page in ipairs(ARGV) do
  local tentative = redis.call('ZCARD', K.index .. page) > 0 and redis.call('HGETALL', K.tentative_page .. page)
  reply[3 + i] = {redis.call('HGETALL', K.committed_page .. page), tentative}
end
return reply
