-- Reads the writes of an application that the latest play did not do as they were meant.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  string   the tag of the application
-- ARGV[2]  integer  how many writes at most
-- ARGV[3]  integer  how many outcomes are looked at, about
-- ARGV[4+] string   words: a write is returned if its outcome holds one of them
-- Returns a flat list {CSN or '', outcome, bytes, CSN, ...}: tentative writes, then committed ones that the log still
-- holds, each the newest first. Changes nothing.

--- @include "engine/redis"

local app, count_max, outcomes_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local PART = 1000 -- outcomes that are read at a time

local reply, looked_at = {}, 0

local function is_wanted(outcome)
  for i = 4, #ARGV do
    if outcome:find(ARGV[i], 1, true) then return true end
  end
  return false
end

-- Adds the wanted writes of a part of the log. `found` is a flat list {id, score, ...}.
local function add(found, has_csn)
  local ids, wanted, place = {}, {}, {}
  for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
  local outcomes = Redis.fields(K.outcomes, ids)
  for i, id in ipairs(ids) do
    if is_wanted(outcomes[i]) then wanted[#wanted + 1], place[#place + 1] = id, i end
  end
  for i, body in ipairs(Redis.fields(K.writes, wanted)) do
    if #reply < 3 * count_max and cjson.decode(body).app == app then
      local last = #reply
      reply[last + 1] = has_csn and found[2 * place[i]] or ''
      reply[last + 2], reply[last + 3] = outcomes[place[i]], body
    end
  end
end

local function read(log, has_csn)
  local first = 0
  while #reply < 3 * count_max and looked_at < outcomes_max do
    local found = redis.call('ZREVRANGE', log, first, first + PART - 1, 'WITHSCORES')
    if #found == 0 then return end
    add(found, has_csn)
    first, looked_at = first + PART, looked_at + #found / 2
  end
end

read(K.tentative, false)
read(K.committed, true)
return reply
