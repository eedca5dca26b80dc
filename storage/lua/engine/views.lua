-- The form in which clients read a page.

local Views = {}

-- {committed, tentative}: the fields and values of the page in each view, as flat lists. The tentative one is false
-- if no tentative write declares the page: a tentative copy counts only while the index of its page is not empty
-- (invariant 4).
function Views.of(page)
  local tentative = redis.call('ZCARD', K.index .. page) > 0 and redis.call('HGETALL', K.tentative_page .. page)
  return {redis.call('HGETALL', K.committed_page .. page), tentative}
end

return Views
