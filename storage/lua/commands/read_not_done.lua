-- Reads the tentative writes of an application whose latest play did not do them as they were meant.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  string   the tag of the application
-- ARGV[2]  integer  how many writes at most
-- Returns a flat list {outcome, bytes, outcome, bytes, ...}, the newest first: the writes whose status is not `updated`.
-- Changes nothing.

--- @include "engine/redis"

local app, count_max = ARGV[1], tonumber(ARGV[2])
local PART = 1000 -- outcomes that are read at a time

local reply, first = {}, 0
while #reply < 2 * count_max do
  local ids = redis.call('ZREVRANGE', K.tentative, first, first + PART - 1)
  if #ids == 0 then break end
  local outcomes, wanted, outcome_of = Redis.fields(K.outcomes, ids), {}, {}
  for i, id in ipairs(ids) do
    if not outcomes[i]:find('^updated') then wanted[#wanted + 1], outcome_of[#wanted + 1] = id, outcomes[i] end
  end
  for i, body in ipairs(Redis.fields(K.writes, wanted)) do
    if #reply < 2 * count_max and cjson.decode(body).app == app then
      reply[#reply + 1], reply[#reply + 2] = outcome_of[i], body
    end
  end
  first = first + PART
end
return reply
