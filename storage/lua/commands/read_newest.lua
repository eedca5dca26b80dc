-- Reads the newest writes of an application that fit the arguments.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  string   the tag of the application
-- ARGV[2]  string   only writes of this user; '' for those of all users
-- ARGV[3]  string   only writes with this request id; '' for all
-- ARGV[4]  integer  how many writes at most
-- ARGV[5]  integer  about how many writes of the log to look at
-- ARGV[6+] string   words: a write is returned if its outcome holds one of them; without any, its outcome may be any
-- Returns a flat list {CSN or '', outcome, bytes, CSN, ...}: tentative writes, then committed ones that the log still
-- holds, both with the newest first. Changes nothing.

--- @include "engine/redis"

local wanted = {app = ARGV[1]}
if ARGV[2] ~= '' then wanted.user = ARGV[2] end
if ARGV[3] ~= '' then wanted.request = ARGV[3] end
local count_max, looked_at_max = tonumber(ARGV[4]), tonumber(ARGV[5])
local PART = 1000 -- writes that are looked at together

local reply, looked_at = {}, 0

local function has_word(outcome)
  for i = 6, #ARGV do
    if outcome:find(ARGV[i], 1, true) then return true end
  end
  return #ARGV < 6
end

-- Names and ids have no characters that JSON escapes, so most writes need not be decoded.
local texts = {}
for name, value in pairs(wanted) do texts[#texts + 1] = string.format('"%s":"%s"', name, value) end

local function fits(body)
  for _, text in ipairs(texts) do
    if not body:find(text, 1, true) then return false end
  end
  local write = cjson.decode(body)
  for name, value in pairs(wanted) do
    if write[name] ~= value then return false end
  end
  return true
end

-- Adds the writes of a part of the log that fit. `found` is a flat list {id, score, ...}.
local function add(found, has_csn)
  local ids, chosen, place = {}, {}, {}
  for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
  local outcomes = Redis.fields(K.outcomes, ids)
  for i, id in ipairs(ids) do
    if has_word(outcomes[i]) then chosen[#chosen + 1], place[#place + 1] = id, i end
  end
  for i, body in ipairs(Redis.fields(K.writes, chosen)) do
    if #reply == 3 * count_max then return end
    if fits(body) then
      local last = #reply
      reply[last + 1] = has_csn and found[2 * place[i]] or ''
      reply[last + 2], reply[last + 3] = outcomes[place[i]], body
    end
  end
end

local function read(log, has_csn)
  local first = 0
  while #reply < 3 * count_max and looked_at < looked_at_max do
    local found = redis.call('ZREVRANGE', log, first, first + PART - 1, 'WITHSCORES')
    if #found == 0 then return end
    add(found, has_csn)
    first, looked_at = first + PART, looked_at + #found / 2
  end
end

read(K.tentative, false)
read(K.committed, true)
return reply
