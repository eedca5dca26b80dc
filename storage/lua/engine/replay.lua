-- Roll back and replay: one transaction's commits and arrivals, put into the one order (Petersen 1997, section 4.1).
--
-- First come the commits, played on the committed pages in CSN order. Then every tentative write behind the place of a
-- change, on its pages or on pages that such a write shares in turn, is undone, and replayed together with the arrivals.
-- Required cost: a write that lands behind everything on its pages rolls nothing back; before k writes that share its
-- pages, O(k); a commit that is the first on each of its pages replays nothing. How long the log is never matters.
-- Keeps invariants 3, 4 and 9.

local Replay = {rolled_back = 0, replayed = 0}

local undone = {} -- id -> write: to be undone and, unless committed, replayed
local scanned = {} -- page -> id: its index was collected from behind that id
local committed_now = {} -- id -> true
local arrivals = {}

-- Collects every tentative write behind `from` that shares the page, and forward from each of those on its own pages.
local function collect(page, from)
  local work = {{page, from}}
  while #work > 0 do
    local name, start = unpack(table.remove(work))
    local upto = scanned[name]
    if not upto or Order.before(start, upto) then
      scanned[name] = start
      for _, id in ipairs(Pages.index(Pages.open(name), start, upto)) do
        if not undone[id] and not committed_now[id] then
          local write = Log.write(id)
          undone[id] = write
          Replay.rolled_back = Replay.rolled_back + 1
          for _, other in ipairs(write.pages) do work[#work + 1] = {other, id} end
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

-- The next commit. `tentative`: the write is tentative here; else it has just entered the log.
function Replay.commit(write, tentative)
  local was = tentative and Log.outcome(write.id) or nil
  local now = was
  if tentative and not undone[write.id] and is_first_everywhere(write) then
    Play.redo(write, Log.effects(write.id))
  else
    for _, name in ipairs(write.pages) do
      local page = Pages.open(name)
      if page.size > 0 then
        collect(name, Order.BEGINNING)
        Pages.rebase(page)
      end
    end
    now = Play.write(write, 'committed')
    Log.record(write, now)
    if tentative then Replay.replayed = Replay.replayed + 1 end
  end
  committed_now[write.id] = true
  if tentative then Log.leave(write) end
  local csn = Log.commit(write)
  for _, note in ipairs(Play.notes(write, now)) do Pages.note(Pages.open(note[1]), csn, note[2]) end
  Log.tell(write, {csn = Log.csn, was = was, now = now, new = not tentative or nil})
  return now
end

-- A new tentative write takes its place.
function Replay.arrive(write)
  for _, name in ipairs(write.pages) do
    if Pages.open(name).size > 0 then collect(name, write.id) end
  end
  Log.join(write)
  arrivals[#arrivals + 1] = write
end

local function by_order(a, b)
  if a.at ~= b.at then return a.at < b.at end
  return Order.bytewise(a.id, b.id)
end

-- Undoes what was collected and plays it again, together with the arrivals. Call once, after the last commit and arrival.
function Replay.finish()
  local old, again = {}, {}
  for id, write in pairs(undone) do
    old[#old + 1] = write
    if not committed_now[id] then again[#again + 1] = write end
  end
  table.sort(old, by_order)
  for i = #old, 1, -1 do Play.undo(old[i], Log.effects(old[i].id)) end
  Replay.replayed = Replay.replayed + #again
  for _, write in ipairs(arrivals) do again[#again + 1] = write end
  table.sort(again, by_order)
  for _, write in ipairs(again) do
    local was = write.known and Log.outcome(write.id) or nil
    local now, effects = Play.write(write, 'tentative')
    Log.record(write, now, effects)
    if now ~= was then Log.tell(write, {was = was, now = now, new = not was or nil}) end
    write.outcome = now
  end
end
