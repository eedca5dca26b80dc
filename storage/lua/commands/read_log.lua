-- Reads a part of the log: committed writes by CSN, then tentative ones in their order.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  string   id of the write after which to begin; '' to begin with the oldest write
-- ARGV[2]  integer  how many writes to return at most
-- Returns a flat list {id, CSN or '', outcome, bytes, id, ...}; false if the write of ARGV[1] is not in the log.
-- Changes nothing.

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
  local tentative = redis.call('ZRANGE', K.tentative, first_tentative, first_tentative + left - 1)
  for _, id in ipairs(tentative) do add(id, '') end
end
return reply
