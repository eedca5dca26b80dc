-- Records what a feed shows. Gives each thing a revision number, which grows whenever the thing is shown differently.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  string   name of the feed
-- ARGV[2]  integer  now, seconds since 1970
-- ARGV[3]  integer  the number of this second, which a new or changed thing gets
-- ARGV     three for each thing that is shown:
--   string   its id
--   string   the text that is shown of it, without tabs
--   integer  the time until which the thing is remembered after it is gone, seconds since 1970
-- Returns a flat list with five values for each thing that is remembered: its id; its revision number; the time of its
-- last change, in seconds; 1 if it is shown or 0 if it is gone; and the text that is (or was) shown of it. The removal
-- of a thing is a change. A revision number never falls, whatever is rolled back or replayed: a new number is at least
-- one more than the number before. If all records are lost, the numbers still grow, because they begin at the current
-- second. If the script runs again with the same things, nothing changes.

--- @include "engine/redis"

local THINGS_AT, FIELDS = 4, 3
local feed, now, number = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local key = K.feed_revisions .. feed
local known, reply = {}, {}
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do
  local old, at, keep_until, here, shown = flat[i + 1]:match('^(%d+)\t(%d+)\t(%d+)\t(%d)\t(.*)$')
  known[flat[i]] = {number = tonumber(old), at = tonumber(at), keep_until = tonumber(keep_until), here = here,
    shown = shown}
end

local changed, forgotten = {}, {}

-- Adds a thing to the reply and, if it differs from its record, to the changes.
local function revise(id, shown, keep_until, here)
  local thing = known[id]
  if not thing or thing.shown ~= shown or thing.here ~= here then
    thing = {number = math.max(number, thing and thing.number + 1 or 0), at = math.max(now, thing and thing.at or 0)}
  end
  local number_text, at_text = string.format('%.0f', thing.number), string.format('%.0f', thing.at)
  if thing.keep_until ~= keep_until then -- it is new, or has changed, or is kept for another time
    changed[#changed + 1] = id
    changed[#changed + 1] = table.concat({number_text, at_text, string.format('%.0f', keep_until), here, shown}, '\t')
  end
  for _, value in ipairs({id, number_text, at_text, here, shown}) do reply[#reply + 1] = value end
end

local is_shown = {}
for i = THINGS_AT, #ARGV, FIELDS do
  local id, shown, keep_until = unpack(ARGV, i, i + FIELDS - 1)
  is_shown[id] = true
  revise(id, shown, tonumber(keep_until), '1')
end
for id, thing in pairs(known) do
  if not is_shown[id] and thing.keep_until < now then
    forgotten[#forgotten + 1] = id
  elseif not is_shown[id] then
    revise(id, thing.shown, thing.keep_until, '0')
  end
end

Redis.many('HSET', key, changed)
Redis.many('HDEL', key, forgotten)
return reply
