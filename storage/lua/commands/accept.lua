-- Takes writes of this replica's clients, one after another: gives each a stamp, plays it, logs it; commits it at once where this
-- is the primary.
--
-- KEYS[1]  the namespace's prefix
-- ARGV     five for each write:
--   the wall clock, microseconds
--   the write's canonical JSON from behind `origin` on
--   `auto` or `manual`: whether a primary commits by itself; `now`: it commits this write, or nothing is done
--   JSON server -> stamp text: what V has to cover first (WFR and MW of the client's session); '' for nothing
--   JSON array of pages to show, as they are behind all of these writes; '' for none
-- Returns a JSON array of {status, id, outcome, committed, missing, pages}; status is
--   logged       the write is in the log; `pages` are those to show, as read.lua gives them
--   refused      its outcome would change nothing that was asked for
--   behind       V does not cover `missing` (server -> stamp text)
--   retired      this server has retired and takes no more writes
--   is_primary   the primary cannot retire before it has handed over
--   not_primary, pending   with `now`: this is not the primary; it has tentative writes to commit first
--   clock        no stamp is left below the greatest one
-- Anything but `logged` has recorded nothing. Keeps invariants 5, 6, 8, 10, 12 and 13.

--- @include "engine/held"
--- @include "engine/log"
--- @include "engine/membership"
--- @include "engine/order"
--- @include "engine/replay"
--- @include "engine/views"

Log.start()

local FIELDS = 5

-- A primary that still has tentative writes commits those first, so as to keep each origin's order.
local caught_up = redis.call('ZCARD', K.tentative) == 0

local function take(clock, tail, mode, needs)
  local missing = needs ~= '' and Held.missing(cjson.decode(needs), 'tentative')
  if missing then return {status = 'behind', missing = missing} end
  if Log.retired then return {status = 'retired'} end
  local stamp = math.max(tonumber(clock), Log.clock + 1)
  if stamp > STAMP_MAX then return {status = 'clock'} end
  if mode == 'now' and not Log.is_primary() then return {status = 'not_primary'} end
  if mode == 'now' and not caught_up then return {status = 'pending'} end
  local commits = mode ~= 'manual' and Log.is_primary() and caught_up

  local write = Log.decode(string.format('{"stamp":"%s","prev":"%s","origin":"%s",',
    Order.text(stamp), Order.text(Held.stamp(Log.id)), Log.id) .. tail)
  if Membership.retires(write) and Log.is_primary() then return {status = 'is_primary'} end
  local outcome, is_logged = Replay.accept(write, commits)
  if not is_logged then return {status = 'refused', outcome = outcome} end
  caught_up = caught_up and commits
  return {status = 'logged', id = write.id, outcome = outcome, committed = commits}
end

local replies, is_any_logged = {}, false
for i = 1, #ARGV, FIELDS do
  local reply = take(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
  is_any_logged = is_any_logged or reply.status == 'logged'
  replies[#replies + 1] = reply
end
if is_any_logged then
  Log.store('accepted', '', 0, 0)
end
for number, reply in ipairs(replies) do
  local shown = ARGV[number * FIELDS]
  if reply.status == 'logged' and shown ~= '' then
    reply.pages = {}
    for i, page in ipairs(cjson.decode(shown)) do reply.pages[i] = Views.of(page) end
  end
end
return cjson.encode(replies)
