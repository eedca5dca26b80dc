-- A stretch of the log: committed writes by CSN, then tentative ones by their order.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the id of the write behind which to begin ('' for the oldest); ARGV[2] how many at the most
-- Returns a flat list: write id, CSN or '', outcome, bytes; or false when the id is not in the log.

local after, count_max = ARGV[1], tonumber(ARGV[2])
local reply = {}

local function add(id, csn)
  for _, value in ipairs({id, csn, redis.call('HGET', K.outcomes, id), redis.call('HGET', K.writes, id)}) do
    reply[#reply + 1] = value
  end
end

local first_committed, first_tentative = 0, 0
if after ~= '' then
  local rank = redis.call('ZRANK', K.committed, after)
  if rank then
    first_committed = rank + 1
  else
    rank = redis.call('ZRANK', K.tentative, after)
    if not rank then return false end
    first_committed, first_tentative = redis.call('ZCARD', K.committed), rank + 1
  end
end
local committed = redis.call('ZRANGE', K.committed, first_committed, first_committed + count_max - 1, 'WITHSCORES')
for i = 1, #committed, 2 do add(committed[i], committed[i + 1]) end
local left = count_max - #committed / 2
if left > 0 then
  for _, id in ipairs(redis.call('ZRANGE', K.tentative, first_tentative, first_tentative + left - 1)) do add(id, '') end
end
return reply
