-- Accepts writes of this replica's clients, one after another: gives each write a stamp, plays it and logs it. The
-- primary also commits it.
--
-- KEYS[1]  string  prefix of the namespace's keys
-- ARGV     six for each write:
--   integer  the wall clock, microseconds since 1970
--   string   the write's canonical JSON from the member after `origin` on
--   string   the mode: auto | manual, whether a primary commits by itself; or now, to commit this write or do nothing
--   JSON     {server: stamp text} that V must cover first (WFR and MW of the client session); '' if nothing is needed
--   string   the birth of the cluster that the session token names, in its short form; '' for none
--   JSON     [page, ...]: the pages to return, as they are after all of these writes; '' for none
-- Returns JSON [{status, id, outcome, committed, birth, missing, pages}, ...], one for each write. The status is
--   logged       the write is in the log; `birth` is that of this cluster; `pages` are the requested pages, as Views.of
--                returns them
--   refused      the outcome of the write is neither `updated` nor `merged`
--   behind       V does not cover the entries `missing`, {server: stamp text}
--   foreign      the token names another birth than this cluster's
--   retired      this server has retired and accepts no more writes
--   not_joined   this is a created server, and its creation is not held here
--   is_primary   the primary cannot retire before it has handed over
--   not_primary  mode `now`, and this is not the primary
--   pending      mode `now`, and tentative writes must be committed first
--   clock        no stamp is left: the newest one in the log is the greatest possible
--   clock_behind the stamp would be more than a year beyond the wall clock: `newest` and
--                `clock` are the newest stamp in the log and the wall clock
-- With any other status than `logged`, nothing was recorded for the write. Keeps invariants 5, 6, 8, 10, 12 and 13.

--- @include "engine/held"
--- @include "engine/log"
--- @include "engine/membership"
--- @include "engine/order"
--- @include "engine/pages"
--- @include "engine/replay"
--- @include "engine/views"

local FIELDS = 6

Log.start()

-- A primary that still has tentative writes commits those first. This keeps each origin's order.
local is_caught_up = not Pages.was_any_tentative

local function accept(clock_us, tail, mode, needs, birth)
  if Held.is_foreign(birth) then return {status = 'foreign'} end
  local missing = needs ~= '' and Held.missing(cjson.decode(needs), 'tentative')
  if missing then return {status = 'behind', missing = missing} end
  if Log.retired then return {status = 'retired'} end
  if Held.stamp(Log.id) < 0 then return {status = 'not_joined'} end
  local stamp = math.max(tonumber(clock_us), Log.clock + 1)
  if stamp > STAMP_MAX then return {status = 'clock'} end
  if stamp - tonumber(clock_us) > AHEAD_US_MAX then
    return {status = 'clock_behind', newest = Order.text(Log.clock), clock = clock_us}
  end
  if mode == 'now' and not Log.is_primary() then return {status = 'not_primary'} end
  if mode == 'now' and not is_caught_up then return {status = 'pending'} end
  local commits = mode ~= 'manual' and Log.is_primary() and is_caught_up

  local write = Log.new_write(stamp, Held.stamp(Log.id), Log.id, tail)
  if Membership.retires(write) and Log.is_primary() then return {status = 'is_primary'} end
  local outcome, is_logged = Replay.accept(write, commits)
  if not is_logged then return {status = 'refused', outcome = outcome} end
  is_caught_up = is_caught_up and commits
  return {status = 'logged', id = write.id, outcome = outcome, committed = commits, birth = Held.birth()}
end

local replies, shown_of, is_any_logged = {}, {}, false
for number = 1, #ARGV / FIELDS do
  local clock_us, tail, mode, needs, birth, shown = unpack(ARGV, (number - 1) * FIELDS + 1, number * FIELDS)
  local reply = accept(clock_us, tail, mode, needs, birth)
  is_any_logged = is_any_logged or reply.status == 'logged'
  replies[number], shown_of[number] = reply, shown
end
if is_any_logged then Log.store('accepted', '', 0, 0) end
for number, reply in ipairs(replies) do
  local shown = shown_of[number]
  if reply.status == 'logged' and shown ~= '' then
    reply.pages = {}
    for i, page in ipairs(cjson.decode(shown)) do reply.pages[i] = Views.of(page) end
  end
end
return cjson.encode(replies)
