-- What clients read of a page: {committed, tentative}, flat lists, tentative false where nothing is tentative on the page.
--
-- The tentative copy counts only while the page's index is not empty (invariant 4).

local Views = {}

function Views.of(page)
  local tentative = redis.call('ZCARD', K.index .. page) > 0 and redis.call('HGETALL', K.tentative_page .. page)
  return {redis.call('HGETALL', K.committed_page .. page), tentative}
end

return Views
