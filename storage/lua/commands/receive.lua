-- Stores a batch from a peer, in the order of the batch: first commits (notifications or whole writes), then tentative
-- writes.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  string   auto | manual: whether a primary commits by itself
-- ARGV[2]  string   label of the sender, for screens
-- ARGV[3]  integer  CSN of the commit before the first one of the batch
-- ARGV[4]  string   its write id; '' for CSN 0
-- ARGV[5]  JSON     history of the sender's log
-- ARGV[6]  integer  the number of commits in the batch; they have the next CSNs. The other writes are tentative.
-- ARGV[7]  string   one line for each write: its canonical JSON, which contains no newline; or only its id, if it is a
--                   commit whose write this replica has already
-- Returns JSON {taken, new, added, status, csn, rolled_back, replayed}: `taken` writes are stored, including those that
-- were known before, `new` of them changed something, and `added` of them were not in the log before. The status is
--   taken     all writes are stored
--   more      a bound was reached: send the rest again
--   hole      the next write does not follow the writes that are held here: plan the session again
--   unknown   a notification of a write that is not held here: plan the session again
--   fork      the next write and a different one that is held here follow the same write of their origin, or have the
--             same id: a server id was used twice
--   bound     a fork, and the writes here cannot be set aside, because one of them creates or retires a server or names
--             a primary
--   own       a fork, and the next write is a commit whose origin is this server
--   diverged  the committed log here differs from that of the sender
--   foreign_commit  this is the primary, and it did not make the next commit
--   early_promotion  a tentative write opens an epoch that this replica does not know
-- The writes before the one that stopped the batch are stored. It is safe to run the script twice. If the id of another
-- server was used twice, a commit decides: the tentative writes here that come from the other use are set aside. Keeps
-- invariants 2, 5, 6, 7, 9, 10 and 20.

--- @include "engine/held"
--- @include "engine/log"
--- @include "engine/membership"
--- @include "engine/order"
--- @include "engine/pages"
--- @include "engine/replay"

local mode, source, before_csn, before_id = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local sender_history, commit_count, text = ARGV[5], tonumber(ARGV[6]), ARGV[7]

local PAGES_BUDGET, ROLL_BACK_BUDGET = 8000, 5000
local BRACE = ('{'):byte()

Log.start()

local commits_itself = mode == 'auto' and Log.is_primary() and not Pages.was_any_tentative
local taken, new, added, pages = 0, 0, 0, 0
local is_known_to_follow = false -- the commits of the batch continue the committed log here
local lines = {}
local forced, theirs = 0, nil -- see forced_csn; the history of the sender's log

local function is_whole(line) return line:byte() == BRACE end

-- Returns the status if the write does not follow the writes of its origin that are held here; nil if it does.
local function misfit(write)
  local held, prev = Held.stamp(write.origin), Order.number[write.prev]
  if prev > held then return 'hole' end
  if prev < held then return 'fork' end
end

-- Sets the tentative writes of its origin aside that stand where this commit stands. Returns the status if that is not
-- possible, nil if it is done.
local function give_way(commit)
  if commit.origin == Log.id then return 'own' end
  local prev = Order.number[commit.prev]
  if Log.committed_stamp(commit.origin) ~= prev then return 'fork' end
  local rivals = Log.tentative_of(commit.origin, prev)
  for _, rival in ipairs(rivals) do
    -- The servers that it created would have no place in the order.
    if Membership.is_bound(rival) then return 'bound' end
  end
  for _, rival in ipairs(rivals) do Replay.set_aside(rival) end
end

-- Returns whether the sender's log begins with the committed log here. It is not enough to compare the last commit: two
-- epochs that begin with the same CSN may commit the same write next.
local function is_beginning()
  local ours = cjson.decode(redis.call('HGET', K.meta, 'history'))
  theirs = cjson.decode(sender_history)
  for i, epoch in ipairs(ours) do
    local other = theirs[i]
    if not other or other[1] ~= epoch[1] or other[2] ~= epoch[2] or other[3] ~= epoch[3] then return false end
  end
  local next_epoch = theirs[#ours + 1]
  return not next_epoch or next_epoch[3] > Log.csn
end

-- The CSN up to which the primary takes commits of another replica, from the commit `csn` on: the first CSN of the
-- sender's next epoch, if the batch has that commit; else 0. The first write of the promoter opens an epoch; see
-- force.lua.
local function forced_csn(csn)
  local next_epoch = {0, '', 0}
  for i = #theirs, 2, -1 do
    if theirs[i][3] >= csn then next_epoch = theirs[i] end
  end
  local number, promoter, first_csn = unpack(next_epoch)
  local line = lines[first_csn - before_csn]
  if not line or first_csn - before_csn > commit_count or promoter == Log.id then return 0 end
  local write = is_whole(line) and Log.decode(line) or Log.is_tentative(line) and Log.write(line)
  local opens = write and Membership.is_membership(write) and write.op == 'primary' and write.args.epoch == number
    and write.args.to == promoter and write.origin == promoter and Order.number[write.prev] == 0
  return opens and first_csn or 0
end

local function take_commit(csn, line)
  if csn > Log.csn + 1 then return 'hole' end
  if csn == Log.csn + 1 and before_id ~= Log.last then return 'diverged' end
  local write = is_whole(line) and Log.decode(line)
  local id = write and write.id or line
  before_id = id
  if csn <= Log.csn then
    local known = redis.call('ZRANGEBYSCORE', K.committed, csn, csn)[1]
    return known and known ~= id and 'diverged' or nil
  end
  if not is_known_to_follow then
    if not is_beginning() then return 'diverged' end
    is_known_to_follow = true
  end
  if Log.is_primary() and csn > forced then
    forced = forced_csn(csn)
    if forced == 0 then return 'foreign_commit' end
  end
  local is_tentative = Log.is_tentative(id)
  if is_tentative then
    local own = Log.write(id)
    if write and write.body ~= own.body then return 'fork' end
    write = own
  elseif not write then
    return 'unknown'
  else
    local status = misfit(write)
    if status == 'fork' then status = give_way(write) end
    if status then return status end
    Log.enter(write)
    added = added + 1
  end
  Replay.commit(write, is_tentative)
  new, pages = new + 1, pages + #write.pages
end

local function take_tentative(line)
  local write = Log.decode(line)
  if write.at <= Held.stamp(write.origin) then return end
  local status = misfit(write)
  if status then return status end
  if Membership.opens_later_epoch(write, Log.epochs()) then return 'early_promotion' end
  Log.enter(write)
  added = added + 1
  if commits_itself and Log.is_primary() then -- a commit of this batch may have named another primary
    Replay.commit(write, false)
  else
    Replay.arrive(write)
  end
  new, pages = new + 1, pages + #write.pages
end

local notified, from = {}, 1
while from <= #text do
  local stop = text:find('\n', from, true) or #text + 1
  local line = text:sub(from, stop - 1)
  lines[#lines + 1] = line
  if #lines <= commit_count and not is_whole(line) then notified[#notified + 1] = line end
  from = stop + 1
end
Log.fetch(notified)

local status = 'taken'
for i = 1, #lines do
  if pages > PAGES_BUDGET or Replay.rolled_back > ROLL_BACK_BUDGET then
    status = 'more'
    break
  end
  local problem
  if i <= commit_count then problem = take_commit(before_csn + i, lines[i]) else problem = take_tentative(lines[i]) end
  if problem then
    status = problem
    break
  end
  taken = taken + 1
end

if new > 0 then
  Replay.finish()
  Log.store('received', source, Replay.rolled_back, Replay.replayed, Replay.undone())
end
return cjson.encode({taken = taken, new = new, added = added, status = status, csn = Log.csn,
  rolled_back = Replay.rolled_back, replayed = Replay.replayed})
