-- Takes a batch of a peer, in the sender's order: commits (as notifications or whole writes), then tentative writes.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  `auto` or `manual`: whether a primary commits by itself
-- ARGV[2]  label of the sender, for screens
-- ARGV[3]  CSN of the commit before the batch's first one, if there is one; ARGV[4] its write id ('' for CSN 0)
-- ARGV[5]  history of the sender's log, JSON
-- ARGV[6]  how many commits come first: those with the next CSNs; the others are tentative
-- ARGV[7]  a line for each: the write's canonical JSON, which holds no newline; its id alone where a notification is enough
-- Returns JSON {taken, new, status, csn, rolled_back, replayed}: `taken` items were dealt with (known ones included), `new`
-- of them changed something; status is
--   taken     all of them
--   more      a bound was reached: send the rest again
--   hole      the next item does not follow what is held here: plan the session anew
--   unknown   a notification of a write that is not here: plan anew
--   fork      two different writes follow the same one of their origin: an identity was used twice
--   diverged  the committed log here is not the sender's
-- Items before the one that stopped the batch are stored. Safe to run twice. Keeps invariants 2, 5, 6, 9 and 10.

--- @include "engine/held"
--- @include "engine/log"
--- @include "engine/order"
--- @include "engine/replay"

Log.start()

local PAGES_BUDGET, ROLL_BACK_BUDGET = 8000, 5000
local BRACE = ('{'):byte()

local commits_itself = ARGV[1] == 'auto' and Log.is_primary() and redis.call('ZCARD', K.tentative) == 0
local before_id = ARGV[4] -- the commit before the present item, in the sender's log
local taken, new, pages = 0, 0, 0
local follows = false -- the batch's commits are known to go on from the log here

local function is_whole(line) return line:byte() == BRACE end

-- Does the write follow what is held of its origin? Returns the status that says why not.
local function misfit(write)
  local held, prev = Held.stamp(write.origin), Order.number[write.prev]
  if prev > held then return 'hole' end
  if prev < held then return 'fork' end
end

-- Is the committed log here the beginning of the sender's? The last commit alone does not tell: two epochs that begin with
-- the same CSN may commit the same write next.
local function is_beginning()
  local ours, theirs = cjson.decode(redis.call('HGET', K.meta, 'history')), cjson.decode(ARGV[5])
  for i, epoch in ipairs(ours) do
    local other = theirs[i]
    if not other or other[1] ~= epoch[1] or other[2] ~= epoch[2] or other[3] ~= epoch[3] then return false end
  end
  local next_epoch = theirs[#ours + 1]
  return not next_epoch or next_epoch[3] > Log.csn
end

local function take_commit(csn, line)
  if csn > Log.csn + 1 then return 'hole' end
  if csn == Log.csn + 1 and before_id ~= Log.last then return 'diverged' end
  local write = is_whole(line) and Log.decode(line)
  local id = write and write.id or line
  before_id = id
  if csn <= Log.csn then return end
  if not follows then
    if not is_beginning() then return 'diverged' end
    follows = true
  end
  local tentative = Log.is_tentative(id)
  if tentative then
    write = Log.write(id)
  elseif not write then
    return 'unknown'
  else
    local status = misfit(write)
    if status then return status end
    Log.enter(write)
  end
  Replay.commit(write, tentative)
  new, pages = new + 1, pages + #write.pages
end

local function take_tentative(line)
  local write = Log.decode(line)
  if write.at <= Held.stamp(write.origin) then return end
  local status = misfit(write)
  if status then return status end
  Log.enter(write)
  if commits_itself and Log.is_primary() then -- a commit of this very batch may have named another primary
    Replay.commit(write, false)
  else
    Replay.arrive(write)
  end
  new, pages = new + 1, pages + #write.pages
end

local commits, text, lines, notified = tonumber(ARGV[6]), ARGV[7], {}, {}
local from = 1
while from <= #text do
  local stop = text:find('\n', from, true) or #text + 1
  local line = text:sub(from, stop - 1)
  lines[#lines + 1] = line
  if #lines <= commits and not is_whole(line) then notified[#notified + 1] = line end
  from = stop + 1
end
Log.fetch(notified)

local status, before_csn = 'taken', tonumber(ARGV[3])
for i = 1, #lines do
  if pages > PAGES_BUDGET or Replay.rolled_back > ROLL_BACK_BUDGET then
    status = 'more'
    break
  end
  local problem
  if i <= commits then problem = take_commit(before_csn + i, lines[i]) else problem = take_tentative(lines[i]) end
  if problem then
    status = problem
    break
  end
  taken = taken + 1
end

if new > 0 then
  Replay.finish()
  Log.store('received', ARGV[2], Replay.rolled_back, Replay.replayed)
end
return cjson.encode({taken = taken, new = new, status = status, csn = Log.csn,
  rolled_back = Replay.rolled_back, replayed = Replay.replayed})
