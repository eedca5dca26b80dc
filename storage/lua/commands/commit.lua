-- Commits what is tentative at the primary, oldest first: for the manual mode, and after becoming primary.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  how many writes at the most
-- Returns JSON {status, committed, left}; status is
--   committed    so many writes have got their CSN; `left` are still tentative
--   not_primary  nothing has changed
-- Committing in the tentative order replays nothing. Keeps invariants 2 and 6.

--- @include "engine/log"
--- @include "engine/replay"

Log.start()
if not Log.is_primary() then return cjson.encode({status = 'not_primary'}) end

local ids = Log.tentative(tonumber(ARGV[1]))
local count = 0
Log.fetch(ids)
for _, id in ipairs(ids) do
  Replay.commit(Log.write(id), true)
  count = count + 1
  if not Log.is_primary() then break end -- a hand-over that had been revoked with its history: what follows is the heir's
end
if count > 0 then
  Replay.finish()
  Log.store('commit', '', Replay.rolled_back, Replay.replayed)
end
return cjson.encode({status = 'committed', committed = count, left = redis.call('ZCARD', K.tentative)})
