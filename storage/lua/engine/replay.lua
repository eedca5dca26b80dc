-- Roll back and replay: puts the commits and arrivals of a transaction into the one order (Petersen 1997, section 4.1).
--
-- First the commits are played on the committed pages, in CSN order. Then tentative writes are undone: those that come
-- after the place of a change and share a page with it, and in turn those that come after them and share a page with
-- them. Finally these writes are played again, together with the arrivals. Required cost: a write that lands after
-- everything on its pages rolls nothing back; one that lands before k writes which share its pages costs O(k); a commit
-- that is the first on each of its pages replays nothing. The length of the log never matters. Keeps invariants 3, 4
-- and 9.

--- @include "engine/log"
--- @include "engine/order"
--- @include "engine/pages"
--- @include "engine/play"

local UNDONE_NAMED = 20
local NOT_AGAIN = {false, false}

local Replay = {rolled_back = 0, replayed = 0}

local undone = {} -- id -> true: to undo and, unless it is committed, to replay
local all_undone = {} -- those writes, in the order in which they were found
local scanned = {} -- record of a page -> id: the writes of its index after that id were collected
local departed = {} -- id -> true: tentative writes that this transaction commits or sets aside
local arrivals = {} -- new tentative writes
local again = {} -- id -> {CSN as text or false, outcome}: of the writes that were undone and played again

-- Counts the write as taken off each of its pages.
local function take_off(write)
  for _, name in ipairs(write.pages) do
    local page = Pages.open(name)
    page.taken_off = (page.taken_off or 0) + 1
  end
end

-- Collects every tentative write of the page after the id `from`, and forward from each of those on its own pages.
local function collect(page, from)
  local work = {{page, from}}
  while #work > 0 do
    local start
    page, start = unpack(table.remove(work))
    local upto = scanned[page]
    if (page.taken_off or 0) < page.size and (not upto or Order.before(start, upto)) then
      scanned[page] = start
      local ids = {}
      for _, id in ipairs(Pages.index(page, start, upto)) do
        if not undone[id] and not departed[id] then ids[#ids + 1] = id end
      end
      Log.fetch(ids)
      for _, id in ipairs(ids) do
        local write = Log.write(id)
        undone[id] = true
        all_undone[#all_undone + 1] = write
        Replay.rolled_back = Replay.rolled_back + 1
        take_off(write)
        for _, name in ipairs(write.pages) do
          local other = Pages.open(name)
          if other ~= page and (other.taken_off or 0) < other.size then work[#work + 1] = {other, id} end
        end
      end
    end
  end
end

local function is_first_everywhere(write)
  for _, name in ipairs(write.pages) do
    if not Pages.is_first(Pages.open(name), write.id) then return false end
  end
  return true
end

-- Gives a write that was played as committed its CSN.
local function enter_committed(write, was, now)
  local csn, notes = Log.commit(write), Play.notes(write, now)
  if undone[write.id] then again[write.id] = {csn, now} end
  for i = 1, #notes, 2 do Pages.note(Pages.open(notes[i]), csn, notes[i + 1]) end
  Log.add_change(write, csn, was, now)
end

-- Prepares for a commit: the tentative writes on its pages will be played again after it.
local function clear(write)
  for _, name in ipairs(write.pages) do
    local page = Pages.open(name)
    if page.size > 0 then
      collect(page, Order.BEGINNING)
      Pages.rebase(page)
    end
  end
end

-- Commits the write as the next one. `is_tentative` says whether it was tentative here; else it has just entered the
-- log.
function Replay.commit(write, is_tentative)
  local was, now = write.was, write.was
  if is_tentative and not undone[write.id] and is_first_everywhere(write) and Play.is_allowed(write) then
    Play.redo(write, Log.effects({write.id})[1])
    take_off(write)
  else
    if Pages.was_any_tentative then clear(write) end
    now = Play.write(write, 'committed')
    Log.record(write, now)
    if is_tentative then Replay.replayed = Replay.replayed + 1 end
  end
  if is_tentative then
    departed[write.id] = true
    Log.leave(write)
  end
  enter_committed(write, was, now)
end

-- Takes a tentative write out of the order, and keeps it apart. What comes after it on its pages is played again.
function Replay.set_aside(write)
  if not undone[write.id] then
    undone[write.id] = true
    all_undone[#all_undone + 1] = write
    Replay.rolled_back = Replay.rolled_back + 1
    take_off(write)
  end
  for _, name in ipairs(write.pages) do
    local page = Pages.open(name)
    collect(page, write.id)
    page.is_torn = true
  end
  departed[write.id] = true
  Log.set_aside(write)
end

-- Enters a write that was played at the end of the order into the log.
local function enter_last(write, commits, outcome, effects)
  Log.enter(write)
  Log.record(write, outcome, effects)
  if commits then
    enter_committed(write, nil, outcome)
  else
    Log.join(write)
    Log.add_change(write, nil, nil, outcome)
  end
end

-- Accepts a write of this replica's clients. It lands after everything that is here, so nothing is rolled back and it
-- is played at once: on the committed pages if `commits` is true. It enters the log only if its status is
-- `updated` or `merged`. Returns its outcome, and whether it entered the log.
function Replay.accept(write, commits)
  local outcome, effects = Play.write(write, commits and 'committed' or 'tentative')
  local status = outcome:match('^%S+')
  if status ~= 'updated' and status ~= 'merged' then
    Play.take_back()
    return outcome, false
  end
  enter_last(write, commits, outcome, effects)
  return outcome, true
end

-- Does the same for a write that was set aside. It enters the log with any outcome, unless it is a duplicate.
function Replay.resubmit(write, commits)
  local outcome, effects = Play.write(write, commits and 'committed' or 'tentative')
  if outcome:match('^%S+') == 'duplicate' then return Play.take_back() end
  enter_last(write, commits, outcome, effects)
end

-- Puts a new tentative write in its place in the order.
function Replay.arrive(write)
  for _, name in ipairs(write.pages) do
    local page = Pages.open(name)
    if page.size > 0 then collect(page, write.id) end
  end
  Log.join(write)
  arrivals[#arrivals + 1] = write
end

local function by_order(a, b)
  if a.at ~= b.at then return a.at < b.at end
  return Order.bytewise(a.id, b.id)
end

-- Sorts the writes; most often they are in order already.
local function put_in_order(writes)
  for i = 2, #writes do
    if by_order(writes[i], writes[i - 1]) then return table.sort(writes, by_order) end
  end
end

-- Undoes these writes. If a page has no other tentative write, it starts again from its committed state. So a write
-- that has only such pages need not be undone.
local function undo(writes)
  local partly, ids = {}, {}
  for _, write in ipairs(writes) do
    local is_partly = false
    for _, name in ipairs(write.pages) do
      local page = Pages.open(name)
      if page.taken_off == page.size and not page.rebased then Pages.rebase(page) end
      is_partly = is_partly or not page.rebased
    end
    if is_partly then partly[#partly + 1], ids[#ids + 1] = write, write.id end
  end
  local effects = Log.effects(ids)
  for i = #ids, 1, -1 do Play.undo(partly[i], effects[i]) end
end

-- Undoes what was collected, and plays it again together with the arrivals. Call it once, after the last commit and
-- arrival.
function Replay.finish()
  put_in_order(all_undone)
  undo(all_undone)
  local all = arrivals
  for _, write in ipairs(all_undone) do all[#all + 1] = write end
  put_in_order(all)
  for _, write in ipairs(all) do
    if not departed[write.id] then
      local was = write.was
      local now, effects = Play.write(write, 'tentative')
      Log.record(write, now, effects)
      if now ~= was then Log.add_change(write, nil, was, now) end
      if undone[write.id] then
        Replay.replayed = Replay.replayed + 1
        again[write.id] = {false, now}
      end
    end
  end
end

-- What became of the writes that were undone, for the event: the id of each, its CSN as text if it was played again as
-- committed, its outcome before, its outcome now. The last is false for a write that was set aside. It names the first
-- UNDONE_NAMED in the order of the tentative writes, so an event stays small, however long a replay is.
function Replay.undone()
  local named = {}
  for i = 1, math.min(#all_undone, UNDONE_NAMED) do
    local write, last = all_undone[i], #named
    local csn, now = unpack(again[write.id] or NOT_AGAIN)
    named[last + 1], named[last + 2], named[last + 3], named[last + 4] = write.id, csn, write.was, now
  end
  return named
end

return Replay
