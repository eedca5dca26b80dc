-- Makes writes again that were set aside, each as a new write of this replica with everything that its client asked for.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  integer  the wall clock, microseconds since 1970
-- ARGV[2]  string   auto | manual: whether a primary commits by itself
-- ARGV[3]  integer  how many writes at most
-- Returns JSON {status, left}; the status is
--   resubmitted  the first writes were made again; `left` are still set aside
--   other_id     this server has retired, or its creation is not held here, so it makes no writes; nothing has changed
--   clock_behind the stamps would be more than a year beyond the wall clock; nothing has changed
-- A write is logged even if it has no effect (`rejected`, for example), because its client was told that it is accepted.
-- Only a duplicate is not logged: the log has its request already. Keeps invariants 5, 7, 10 and 13.

--- @include "engine/held"
--- @include "engine/log"
--- @include "engine/pages"
--- @include "engine/replay"

local clock_us, mode, count_max = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])

Log.start()
if Log.retired or Held.stamp(Log.id) < 0 then return cjson.encode({status = 'other_id'}) end

-- A primary that still has tentative writes commits those first. This keeps each origin's order.
local commits = mode ~= 'manual' and Log.is_primary() and not Pages.was_any_tentative
local bodies = redis.call('LRANGE', K.set_aside, 0, count_max - 1)
if #bodies > 0 and Log.clock + #bodies > clock_us + AHEAD_US_MAX then return cjson.encode({status = 'clock_behind'}) end

for _, body in ipairs(bodies) do
  local tail = body:match('^{"stamp":"%d+","prev":"%d+","origin":"[^"]*",(.*)$')
  local stamp = math.max(clock_us, Log.clock + 1)
  Replay.resubmit(Log.new_write(stamp, Held.stamp(Log.id), Log.id, tail), commits)
end
if #bodies > 0 then
  Replay.finish()
  Log.store('resubmitted', '', 0, 0)
  redis.call('LTRIM', K.set_aside, #bodies, -1)
end
return cjson.encode({status = 'resubmitted', left = redis.call('LLEN', K.set_aside)})
