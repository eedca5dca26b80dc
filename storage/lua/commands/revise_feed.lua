-- Notes what is shown under a name, and gives each thing a number that grows when it is shown otherwise than last time.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the name; ARGV[2] now, seconds since 1970; ARGV[3] the number of this second, which a new or changed thing gets
-- ARGV[4…] triples: id of a thing, what is shown of it (without tabs), until when it is kept once it is gone (seconds)
-- Returns a flat list of what is noted now: id, number, when it last changed (seconds), 1 when it is among the things given
-- and 0 when it is gone, what is (or was) shown of it. A thing that goes has changed; it is forgotten at its time.
-- A number never falls, whatever is rolled back or replayed: it is at least one more than the one before, and where
-- all that was noted is lost, the seconds have gone on. The same things twice change nothing.

--- @include "engine/redis"

local key, now, number = K.feed_revisions .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local noted, given, reply = {}, {}, {}
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do
  local old, at, keep_until, here, shown = flat[i + 1]:match('^(%d+)\t(%d+)\t(%d+)\t(%d)\t(.*)$')
  noted[flat[i]] = {number = tonumber(old), at = tonumber(at), keep_until = tonumber(keep_until), here = here, shown = shown}
end

local changed, forgotten = {}, {}
local function note(id, was, shown, keep_until, here)
  if was and was.shown == shown and was.here == here then
    if was.keep_until == keep_until then return was end
    was.keep_until = keep_until
  else
    was = {number = math.max(number, was and was.number + 1 or 0), at = math.max(now, was and was.at or 0),
      keep_until = keep_until, here = here, shown = shown}
  end
  changed[#changed + 1] = id
  changed[#changed + 1] = string.format('%.0f\t%.0f\t%.0f\t%s\t%s', was.number, was.at, keep_until, here, shown)
  return was
end
local function tell(id, noted_now)
  for _, value in ipairs({id, string.format('%.0f', noted_now.number), string.format('%.0f', noted_now.at),
    noted_now.here, noted_now.shown}) do
    reply[#reply + 1] = value
  end
end

for i = 4, #ARGV, 3 do
  local id, shown, keep_until = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  given[id] = true
  tell(id, note(id, noted[id], shown, keep_until, '1'))
end
for id, was in pairs(noted) do
  if not given[id] and was.keep_until < now then
    forgotten[#forgotten + 1] = id
  elseif not given[id] then
    tell(id, note(id, was, was.shown, was.keep_until, '0'))
  end
end

Redis.many('HSET', key, changed)
Redis.many('HDEL', key, forgotten)
return reply
