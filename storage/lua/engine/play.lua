-- Plays one write: its dependency check, then its update or its merge procedure (Terry 1995, section 4.2).
--
-- The application sees the pages that the write declares, and nothing else. The changes are recorded as effects, {page
-- number, field, old, new, page number, ...}, false for an absent value. With them the play can be undone, or done
-- again without the application. An error in the application makes the outcome `failed` and changes nothing; an error
-- of Redis aborts the transaction.
--
-- Before a play on the committed pages, applications that are judges say whether its user may do it (Terry 1995, section
-- 6). They read the committed pages of that moment, and the write declares none of them: a tentative play is not judged,
-- so its outcome still depends on nothing but its own pages.
--
-- A script that includes this file begins with the applications: Apps, tag -> {check, update, merge, lists, notes, needs,
-- forbidden, authority}, and Judges, {tag, ...} (storage/scripts.py).

--- @include "engine/pages"

local Play = {}

-- The play in progress: the write, its view, and its effects so far, `count` values in the order in which they came.
-- There can be several effects for one field only if one of them replaced a value.
local playing, view, effects, count, some_replaced
-- The effects of a committed play are needed only to take it back when it fails, so all committed plays share one list.
local committed_effects = {}
-- The number of the play in progress. The record of a page holds the number of its last play. If it held the write
-- itself, the write would stay in memory.
local play = 0

-- The calls of `pages` that the play in progress may still make. They are counted instead of the time, so that every
-- replica stops at the same call (Terry 1995, section 4.2).
local PAGE_CALLS_MAX = 1000000
local calls_left

local function too_many_calls() error('more than ' .. PAGE_CALLS_MAX .. ' calls of pages in one play') end

-- The writes whose play ran for ever and was ended, as a set: they are not played again (storage/script_runner.py).
local hung_before = {}
for _, id in ipairs(redis.call('HKEYS', K.hung)) do hung_before[id] = true end

-- Ends the script with the error HUNG if the write is known not to end.
function Play.check_hung(write)
  if not hung_before[write.id] then return end
  Hung = write.id .. ' ' .. write.app
  error('this write is known not to end')
end
local check_hung = Play.check_hung

local known, load, replace = Pages.known, Pages.load, Pages.replace

local function undeclared(name) error('the write does not declare the page ' .. tostring(name)) end

-- The record of a page that the write in play declares.
local function page_of(name)
  calls_left = calls_left - 1
  if calls_left < 0 then too_many_calls() end
  local page = known[name]
  if not page or page.play ~= play then undeclared(name) end
  return page
end

-- Sets or deletes a field. It repeats page_of, because applications do this most often.
local function change(name, field, value)
  calls_left = calls_left - 1
  if calls_left < 0 then too_many_calls() end
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

local NOTHING = {} -- an empty table, never changed
local api = {} -- what an application sees as `pages`; docs/write-an-application.md describes each function

function api.get(name, field)
  calls_left = calls_left - 1
  if calls_left < 0 then too_many_calls() end
  local page = known[name]
  if not page or page.play ~= play then undeclared(name) end
  return (page[view] or load(page, view))[field]
end

local valid_fields = {} -- field -> true: those that were validated

-- A comparison with a string is an error if the value is no string, and costs a fraction of type().
local function validate(field)
  local _ = field < ''
  if Pages.is_note(field) then error('a field must not begin with #') end
  valid_fields[field] = true
end

function api.set(name, field, value)
  if not valid_fields[field] then validate(field) end
  local _ = value < '' -- as in validate
  change(name, field, value)
end

function api.delete(name, field) change(name, field, nil) end

-- A copy, because the application may change the page while it goes through the list.
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

local is_judge = {} -- tag -> true
for _, tag in ipairs(Judges) do is_judge[tag] = true end
-- role -> user -> what the judges said, false if nothing forbids it. It holds until the next commit of a write of a
-- judge, because only such writes change the pages that judges read.
local verdicts = {}

local function verdict_on(user, role)
  for i = 1, #Judges do
    local refusal = Apps[Judges[i]].authority(Pages.committed_field, user, role)
    if refusal then return refusal end
  end
  return false
end

-- Why the committed pages forbid the write, as a judge says it; false if they do not.
local function refusal_of(application, write)
  local user, role = write.user, nil
  if application.needs then user, role = application.needs(write) end
  if not user then return false end
  if is_judge[write.app] then
    verdicts = {}
    return verdict_on(user, role)
  end
  local of_role = verdicts[role or '']
  if not of_role then
    of_role = {}
    verdicts[role or ''] = of_role
  end
  local verdict = of_role[user]
  if verdict == nil then
    verdict = verdict_on(user, role)
    of_role[user] = verdict
  end
  return verdict
end

-- Runs the application; returns the outcome. An error if it is no string.
local function steps(application, write)
  local refusal = view == 'committed' and refusal_of(application, write)
  if refusal then
    if application.forbidden then application.forbidden(api, write) end
    return 'forbidden ' .. refusal
  end
  local is_met, found = application.check(api, write)
  local step = is_met and application.update or application.merge
  local status, detail = step(api, write, found)
  local _ = status < '', detail == nil or detail < '' -- as in validate
  return detail and status .. ' ' .. detail or status
end

-- Undoes the last play. Call it before another one begins.
function Play.take_back()
  for i = count - 3, 1, -4 do
    Pages.put(Pages.open(playing.pages[effects[i]]), view, effects[i + 1], effects[i + 2] or nil)
  end
end

-- The effects of the play in progress, with one entry for each field whose value has changed in the end.
local function net_effects()
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

-- Plays the write in a view, 'committed' or 'tentative'. Returns its outcome and, in the tentative view, its effects.
--
-- If the play runs for ever, SCRIPT KILL raises an error at every line from then on, but not within the line that
-- catches the error. So that line says in `Hung` which write it was, and the next line ends the script.
function Play.write(write, in_view)
  local application = Apps[write.app]
  if not application then error('no application ' .. tostring(write.app) .. ' here') end
  check_hung(write)
  local is_tentative = in_view == 'tentative'
  play, playing, view = play + 1, write, in_view
  calls_left = PAGE_CALLS_MAX
  effects, count, some_replaced = is_tentative and {} or committed_effects, 0, false
  local names = write.pages
  for number = 1, #names do
    local page = Pages.open(names[number])
    page.play, page.number = play, number
  end
  local ok, outcome = pcall(steps, application, write) if not ok then Hung = write.id .. ' ' .. write.app end
  Hung = nil
  if Pages.broken then error(Pages.broken) end
  if not ok then
    Play.take_back()
    return 'failed', {}
  end
  if is_tentative then return outcome, some_replaced and net_effects() or effects end
  return outcome
end

-- Whether the committed pages let the user do the write. A tentative outcome may only be copied then.
function Play.is_allowed(write)
  check_hung(write)
  local ok, refusal = pcall(refusal_of, Apps[write.app], write) if not ok then Hung = write.id .. ' ' .. write.app end
  Hung = nil
  if Pages.broken then error(Pages.broken) end
  return ok and not refusal
end

-- What `lists` or `notes` of an application returns for a write: strings in pairs, as a flat list. An error if it
-- returns anything else.
local function pairs_of(of_application, write, outcome)
  local texts = of_application(write, outcome)
  for i = 1, #texts, 2 do
    local _ = texts[i] < '', texts[i + 1] < '' -- as in validate
  end
  return texts
end

-- The entries that the write adds to lists: list, entry, list, entry, ... Empty if the application fails, because an
-- error would refuse the whole batch.
function Play.lists(write)
  check_hung(write)
  local lists = Apps[write.app].lists
  local ok, texts = pcall(pairs_of, lists, write) if not ok then Hung = write.id .. ' ' .. write.app end
  Hung = nil
  return ok and texts or NOTHING
end

-- What the application notes about a commit: page, text, page, text, ... Empty if it fails.
function Play.notes(write, outcome)
  local notes = Apps[write.app].notes
  if not notes or outcome == 'failed' then return NOTHING end
  check_hung(write)
  local ok, texts = pcall(pairs_of, notes, write, outcome) if not ok then Hung = write.id .. ' ' .. write.app end
  Hung = nil
  return ok and texts or NOTHING
end

-- Applies the effects of a write to the committed pages, without a play.
function Play.redo(write, effects)
  for i = 1, #effects, 4 do
    Pages.put(Pages.open(write.pages[effects[i]]), 'committed', effects[i + 1], effects[i + 3] or nil)
  end
end

-- Takes the effects of a write back from the tentative pages, except from those whose copy is thrown away as a whole.
function Play.undo(write, effects)
  for i = #effects - 3, 1, -4 do
    local page = Pages.open(write.pages[effects[i]])
    if not page.rebased then Pages.put(page, 'tentative', effects[i + 1], effects[i + 2] or nil) end
  end
end

return Play
