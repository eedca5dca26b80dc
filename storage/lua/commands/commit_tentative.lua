-- Commits tentative writes at the primary, oldest first. Used in manual mode, and by a replica that became primary.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  integer  how many writes at most
-- Returns JSON {status, committed, left}; the status is
--   committed    `committed` writes have got their CSN; `left` are still tentative
--   not_primary  this is not the primary; nothing has changed
-- Commits in the order of the tentative writes need no replay. Keeps invariants 2 and 6.

--- @include "engine/log"
--- @include "engine/replay"

local count_max = tonumber(ARGV[1])

Log.start()
if not Log.is_primary() then return cjson.encode({status = 'not_primary'}) end

local ids, count = Log.tentative(count_max), 0
Log.fetch(ids)
for _, id in ipairs(ids) do
  Replay.commit(Log.write(id), true)
  count = count + 1
  -- A hand-over that was revoked with its history takes effect now: the next primary commits what follows.
  if not Log.is_primary() then break end
end
if count > 0 then
  Replay.finish()
  Log.store('commit', '', Replay.rolled_back, Replay.replayed, Replay.undone())
end
return cjson.encode({status = 'committed', committed = count, left = redis.call('ZCARD', K.tentative)})
