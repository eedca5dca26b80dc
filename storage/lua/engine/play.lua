-- Playing one write: its dependency check, then its update or its merge procedure (Terry 1995, section 4.2).
--
-- The application sees the pages that the write declares, and nothing else. What it changed is returned as effects,
-- {page number, field, old, new, page number, ...}, false for absent, so that the play can be undone, or done again without
-- the application. An error in the application makes the outcome `failed` and changes nothing; an error of Redis aborts.

--- @include "engine/pages"

local Play = {}

-- Of the play that is under way: the write, its view, and the effects so far, in the order in which they came; where one of
-- them took the place of something, there may be several of a field. Nobody needs those of a committed play but to take them
-- back when it fails, so all of these share one list.
local of_committed = {}
local playing, view, effects, count, some_replaced
local play = 0 -- how many there were, with this one: a page's record notes its last play by it, for a write would be kept alive

local known, load, replace = Pages.known, Pages.load, Pages.replace

local function undeclared(name) error('the write does not declare the page ' .. tostring(name)) end

-- A page that the write which is played declares.
local function page_of(name)
  local page = known[name]
  if not page or page.play ~= play then undeclared(name) end
  return page
end

-- The same as page_of, then the change: this is what applications do most often.
local function change(name, field, value)
  local page = known[name]
  if not page or page.play ~= play then undeclared(name) end
  local fields = page[view] or load(page, view)
  local old = fields[field]
  if old == value then return end
  local all, last = effects, count
  all[last + 1], all[last + 2], all[last + 3], all[last + 4] = page.number, field, old or false, value or false
  count = last + 4
  if old then some_replaced = true end
  replace(page, view, fields, field, value)
end

local NOTHING = {} -- never changed
local api = {}

function api.get(name, field)
  local page = known[name]
  if not page or page.play ~= play then undeclared(name) end
  return (page[view] or load(page, view))[field]
end

local fields_that_may_be = {} -- field -> true: what was looked at once

local function look_at(field)
  local _ = field < '' -- as in `set`
  if Pages.is_note(field) then error('a field does not begin with #') end
  fields_that_may_be[field] = true
end

function api.set(name, field, value)
  if not fields_that_may_be[field] then look_at(field) end
  local _ = value < '' -- an error where it is no text, for a fraction of what type() costs
  change(name, field, value)
end

function api.delete(name, field) change(name, field, nil) end

-- A list of its own: the application may change the page while it goes through it.
function api.fields(name)
  local sorted, names = Pages.sorted(page_of(name), view), {}
  for i = 1, #sorted do names[i] = sorted[i] end
  return names
end

function api.below(name, text)
  local page = page_of(name)
  local field = Pages.below(page, view, text)
  return field, field and page[view][field]
end

function api.any(name, test)
  local page = page_of(name)
  for field, value in pairs(page[view] or load(page, view)) do
    if test(field, value) then return true end
  end
  return false
end

function api.declares(name)
  local page = known[name]
  return page ~= nil and page.play == play
end

-- What the application makes of the write: its outcome. An error where that is no text.
local function steps(application, write)
  local is_met, found = application.check(api, write)
  local step = is_met and application.update or application.merge
  local status, detail = step(api, write, found)
  local _ = status < '', detail == nil or detail < '' -- as in `set`
  return detail and status .. ' ' .. detail or status
end

-- Undoes the last play, in the same transaction.
function Play.take_back()
  for i = count - 3, 1, -4 do
    Pages.put(Pages.open(playing.pages[effects[i]]), view, effects[i + 1], effects[i + 2] or nil)
  end
end

-- The effects so far with one entry for each field that is changed in the end.
local function summed_up()
  local summed, first = {}, {} -- first: page number -> field -> where its entry begins in `summed`
  for i = 1, count, 4 do
    local number, field, new = effects[i], effects[i + 1], effects[i + 3]
    local of_page = first[number] or {}
    first[number] = of_page
    local at = of_page[field]
    if at then
      summed[at + 3] = new
    else
      at = #summed + 1
      of_page[field] = at
      summed[at], summed[at + 1], summed[at + 2], summed[at + 3] = number, field, effects[i + 2], new
    end
  end
  local changed = {}
  for i = 1, #summed, 4 do
    if summed[i + 2] ~= summed[i + 3] then
      local next_one = #changed + 1
      changed[next_one], changed[next_one + 1], changed[next_one + 2], changed[next_one + 3] = unpack(summed, i, i + 3)
    end
  end
  return changed
end

-- Plays the write in a view ('committed' or 'tentative'); returns its outcome and, for the tentative view, its effects.
function Play.write(write, in_view)
  local application = Apps[write.app]
  if not application then error('no application ' .. tostring(write.app) .. ' here') end
  local is_tentative = in_view == 'tentative'
  play, playing, view, effects, count, some_replaced = play + 1, write, in_view, is_tentative and {} or of_committed, 0, false
  local names = write.pages
  for number = 1, #names do
    local page = Pages.open(names[number])
    page.play, page.number = play, number
  end
  local ok, outcome = pcall(steps, application, write)
  if Pages.broken then error(Pages.broken) end
  if not ok then
    Play.take_back()
    return 'failed', {}
  end
  if is_tentative then return outcome, some_replaced and summed_up() or effects end
  return outcome
end

-- What a function of the application says of a write: texts in pairs, as one flat list. An error where it says anything else.
local function pairs_of(asked, write, outcome)
  local texts = asked(write, outcome)
  for i = 1, #texts, 2 do
    local _ = texts[i] < '', texts[i + 1] < '' -- as in `set`
  end
  return texts
end

-- The lists that the write adds to, and the member for each: list, member, ... Nothing where the application fails: an error would
-- refuse the whole batch.
function Play.lists(write)
  local ok, texts = pcall(pairs_of, Apps[write.app].lists, write)
  return ok and texts or NOTHING
end

-- What the application notes of a commit: page, text, ... Nothing where it fails.
function Play.notes(write, outcome)
  local asked = Apps[write.app].notes
  if not asked or outcome == 'failed' then return NOTHING end
  local ok, texts = pcall(pairs_of, asked, write, outcome)
  return ok and texts or NOTHING
end

-- Puts a write's effects into the committed pages, without playing it.
function Play.redo(write, effects)
  for i = 1, #effects, 4 do
    Pages.put(Pages.open(write.pages[effects[i]]), 'committed', effects[i + 1], effects[i + 3] or nil)
  end
end

-- Takes a write's effects back, but on pages whose tentative copy is thrown away as a whole.
function Play.undo(write, effects)
  for i = #effects - 3, 1, -4 do
    local page = Pages.open(write.pages[effects[i]])
    if not page.rebased then Pages.put(page, 'tentative', effects[i + 1], effects[i + 2] or nil) end
  end
end

return Play
