-- Reads the history of a page: its committed state with the notes of commits, and the tentative writes that declare it.
--
-- KEYS[1]  string  prefix of the namespace's keys
-- ARGV[1]  string  the page
-- Returns {committed, outcome, body, outcome, body, ...}: the committed fields and notes as a flat list of names and
-- values, then the outcome and the bytes of each tentative write, in order. Changes nothing.

local page = ARGV[1]

local reply = {redis.call('HGETALL', K.committed_page .. page)}
for _, id in ipairs(redis.call('ZRANGE', K.index .. page, 0, -1)) do
  reply[#reply + 1] = redis.call('HGET', K.outcomes, id)
  reply[#reply + 1] = redis.call('HGET', K.writes, id)
end
return reply
