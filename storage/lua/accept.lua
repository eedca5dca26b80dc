-- Takes a write of this replica: gives it a stamp, plays it, logs it; commits it at once where this is the primary.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the wall clock, microseconds
-- ARGV[2]  the write's canonical JSON from behind `origin` on
-- ARGV[3]  `auto` or `manual`: whether a primary commits by itself; `now`: it commits this write, or nothing is done
-- ARGV[4]  JSON server -> stamp text: what V has to cover first (WFR and MW of the client's session)
-- Returns JSON {status, id, outcome, committed, missing}; status is
--   logged       the write is in the log
--   refused      its outcome would change nothing that was asked for
--   behind       V does not cover `missing` (server -> stamp text)
--   retired      this server has retired and takes no more writes
--   is_primary   the primary cannot retire before it has handed over
--   not_primary, pending   with `now`: this is not the primary; it has tentative writes to commit first
--   clock        no stamp is left below the greatest one
-- Anything but `logged` has recorded nothing. Keeps invariants 5, 6, 8, 10, 12 and 13.
-- The write lands behind everything that is here, so nothing is rolled back.

local function refuse(status, more)
  local reply = more or {}
  reply.status = status
  return cjson.encode(reply)
end

local missing = Held.missing(cjson.decode(ARGV[4]), 'tentative')
if missing then return refuse('behind', {missing = missing}) end
if Log.retired then return refuse('retired') end
local stamp = math.max(tonumber(ARGV[1]), Log.clock + 1)
if stamp > STAMP_MAX then return refuse('clock') end

-- A primary that still has tentative writes commits those first, so as to keep each origin's order.
local caught_up = redis.call('ZCARD', K.tentative) == 0
if ARGV[3] == 'now' and not Log.is_primary() then return refuse('not_primary') end
if ARGV[3] == 'now' and not caught_up then return refuse('pending') end
local commits = ARGV[3] ~= 'manual' and Log.is_primary() and caught_up

local write = Log.decode(string.format('{"stamp":"%s","prev":"%s","origin":"%s",',
  Order.text(stamp), Order.text(Held.stamp(Log.id)), Log.id) .. ARGV[2])
if Members.retires(write) and Log.is_primary() then return refuse('is_primary') end

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
if status ~= 'updated' and status ~= 'merged' then return refuse('refused', {outcome = outcome}) end
Log.store('accepted', '', 0, 0)
Pages.store(Log.csn)
return cjson.encode({status = 'logged', id = write.id, outcome = outcome, committed = commits})
