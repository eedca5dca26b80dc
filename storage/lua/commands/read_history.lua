-- What became of a page: its committed state with the notes of commits, and the tentative writes that declare it.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the page
-- Returns {committed fields and notes as a flat list, then for each tentative write, in order: outcome, bytes}.

local reply = {redis.call('HGETALL', K.committed_page .. ARGV[1])}
for _, id in ipairs(redis.call('ZRANGE', K.index .. ARGV[1], 0, -1)) do
  reply[#reply + 1] = redis.call('HGET', K.outcomes, id)
  reply[#reply + 1] = redis.call('HGET', K.writes, id)
end
return reply
