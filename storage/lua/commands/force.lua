-- Makes this replica the primary without the old one: a new id, and under it a primary write that opens an epoch.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the wall clock, microseconds; ARGV[2] the new server id
-- ARGV[3]  the primary write's canonical JSON from behind `origin` on; its args name the epoch and the new id
-- ARGV[4]  the epoch's number
-- Returns JSON {status, id}: `logged`, or `moved_on` (nothing has changed) when the epoch here is not the one before.
-- The write is its id's first, so it may be committed before what the old id wrote (invariant 6), as the first CSN of its
-- epoch. What commits the old primary makes from here on, another epoch refuses (invariant 2). Where no birth is known, as
-- when the first primary was lost before it met anybody, this is the birth.

--- @include "engine/log"
--- @include "engine/order"
--- @include "engine/replay"

Log.start()

local epochs = cjson.decode(redis.call('HGET', K.meta, 'history'))
local number = #epochs > 0 and epochs[#epochs][1] or 0
if tonumber(ARGV[4]) ~= number + 1 then return cjson.encode({status = 'moved_on'}) end

local stamp = math.max(tonumber(ARGV[1]), Log.clock + 1)
local write = Log.decode(string.format('{"stamp":"%s","prev":"%s","origin":"%s",',
  Order.text(stamp), Order.text(0), ARGV[2]) .. ARGV[3])
if redis.call('HGET', K.meta, 'birth') == '' then Log.found(ARGV[2]) end
Log.enter(write)
Replay.commit(write, false)
Replay.finish()
redis.call('HSET', K.meta, 'id', ARGV[2], 'retired', '')
Log.store('accepted', '', Replay.rolled_back, Replay.replayed)
return cjson.encode({status = 'logged', id = write.id})
