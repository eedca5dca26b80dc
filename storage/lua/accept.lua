-- Takes a client's write: gives it a stamp, plays it, logs it; commits it at once where this is the primary.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the wall clock, microseconds
-- ARGV[2]  the write's canonical JSON from behind `origin` on
-- ARGV[3]  `auto` or `manual`: whether a primary commits by itself
-- Returns JSON {status, id, outcome, committed}; status is
--   logged   the write is in the log
--   refused  its outcome would change nothing that was asked for: nothing is recorded
--   clock    no stamp is left below the greatest one: nothing is recorded
-- Keeps invariants 5, 8, 10 and 13. A write that lands here is behind everything, so nothing is rolled back.

local stamp = math.max(tonumber(ARGV[1]), Log.clock + 1)
if stamp > STAMP_MAX then return cjson.encode({status = 'clock'}) end

local write = Log.decode(string.format('{"stamp":"%s","prev":"%s","origin":"%s",',
  Order.text(stamp), Order.text(Log.holds(Log.id)), Log.id) .. ARGV[2])
-- A primary that still has tentative writes commits those first, so as to keep each origin's order.
local commits = ARGV[3] == 'auto' and Log.is_primary() and redis.call('ZCARD', K.tentative) == 0

local outcome
Log.enter(write)
if commits then
  outcome = Replay.commit(write, false)
else
  Replay.arrive(write)
  Replay.finish()
  outcome = write.outcome
end

local status = outcome:match('^%S+')
if status ~= 'updated' and status ~= 'merged' then
  return cjson.encode({status = 'refused', outcome = outcome})
end
Log.store('accepted', '', 0, 0)
Pages.store()
return cjson.encode({status = 'logged', id = write.id, outcome = outcome, committed = commits})
