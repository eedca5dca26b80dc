-- Makes this replica the primary without the old primary. It gets a new id; the first write of this id is a primary
-- write that opens an epoch.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  integer  the wall clock, microseconds since 1970
-- ARGV[2]  string   the new server id
-- ARGV[3]  string   the primary write's canonical JSON from the member after `origin` on; its args name the epoch and
--                   the new id
-- ARGV[4]  integer  the number of the epoch
-- Returns JSON {status, id}; the status is
--   logged    the write `id` is logged and committed
--   moved_on  the last epoch here does not have the number before ARGV[4]; nothing has changed
--   clock_behind  the stamp would be more than a year beyond the wall clock: `newest` and `clock` are the newest
--                 stamp in the log and the wall clock; nothing has changed
-- The write is the first one of its id. So it may be committed before the writes of the old id (invariant 6), with the
-- first CSN of its epoch. Later commits of the old primary are refused, because they belong to another epoch
-- (invariant 2). If no birth is known, because the first primary was lost before it met anybody, this id is the birth.
-- A copy that has given up its history (begin.lua) begins again with the epoch of the birth.

--- @include "engine/log"
--- @include "engine/order"
--- @include "engine/replay"

local clock_us, server, tail, number = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])

Log.start()
local birth, history = unpack(redis.call('HMGET', K.meta, 'birth', 'history'))
local epochs = cjson.decode(history)
if number ~= (#epochs > 0 and epochs[#epochs][1] or 0) + 1 then return cjson.encode({status = 'moved_on'}) end

local stamp = math.max(clock_us, Log.clock + 1)
if stamp - clock_us > AHEAD_US_MAX then
  return cjson.encode({status = 'clock_behind', newest = Order.text(Log.clock), clock = ARGV[1]})
end
local write = Log.new_write(stamp, 0, server, tail)
if #epochs == 0 then Log.set_birth(birth == '' and server or birth) end
Log.enter(write)
Replay.commit(write, false)
Replay.finish()
redis.call('HSET', K.meta, 'id', server, 'retired', '')
Log.store('accepted', '', Replay.rolled_back, Replay.replayed, Replay.undone())
return cjson.encode({status = 'logged', id = write.id})
