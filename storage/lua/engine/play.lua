-- Playing one write: its dependency check, then its update or its merge procedure (Terry 1995, section 4.2).
--
-- The application sees the pages that the write declares, and nothing else. What it changed is returned as effects,
-- {page number, field, old, new, page number, ...}, false for absent, so that the play can be undone, or done again without
-- the application. An error in the application makes the outcome `failed` and changes nothing; an error of Redis aborts.

local Play = {}

-- Of the play that is under way: its view, its pages by name, {page, number, fields, old}, and what it touched, in order.
-- `fields` is set once the page is loaded; `old` holds the first value of each field that was changed, false for absent.
-- Touched is entry, field, and the change to it that an earlier play of the transaction had made (nil as false).
local view, declared, touched

local function fields_of(entry)
  local fields = entry.fields
  if not fields then
    fields = Pages.load(entry.page, view)
    entry.fields = fields
  end
  return fields
end

local function entry_of(name)
  return declared[name] or error('the write does not declare the page ' .. tostring(name))
end

local function change(name, field, value)
  local entry = entry_of(name)
  local old = fields_of(entry)[field]
  if old == value then return end
  if entry.old[field] == nil then
    entry.old[field] = old or false
    local count = #touched
    touched[count + 1], touched[count + 2], touched[count + 3] = entry, field, Pages.change(entry.page, view, field)
  end
  Pages.put(entry.page, view, field, value)
end

local api = {}

function api.get(name, field) return fields_of(entry_of(name))[field] end

function api.set(name, field, value)
  if type(field) ~= 'string' or type(value) ~= 'string' then error('fields and values are strings') end
  if Pages.is_note(field) then error('a field does not begin with #') end
  change(name, field, value)
end

function api.delete(name, field) change(name, field, nil) end

-- A list of its own: the application may change the page while it goes through it.
function api.fields(name)
  local sorted, names = Pages.sorted(entry_of(name).page, view), {}
  for i = 1, #sorted do names[i] = sorted[i] end
  return names
end

function api.below(name, text) return Pages.below(entry_of(name).page, view, text) end

function api.any(name, test)
  for field, value in pairs(fields_of(entry_of(name))) do
    if test(field, value) then return true end
  end
  return false
end

function api.declares(name) return declared[name] ~= nil end

local function steps(application, write)
  if application.check(api, write) then return application.update(api, write) end
  return application.merge(api, write)
end

-- Undoes the last play, as if it had never been.
function Play.take_back()
  for i = 1, #touched, 3 do
    local entry, field = touched[i], touched[i + 1]
    Pages.put_back(entry.page, view, field, entry.old[field] or nil, touched[i + 2])
  end
end

local function effects_of_play()
  local effects = {}
  for i = 1, #touched, 3 do
    local entry, field = touched[i], touched[i + 1]
    local old, new = entry.old[field], entry.fields[field] or false
    if new ~= old then
      local count = #effects
      effects[count + 1], effects[count + 2], effects[count + 3], effects[count + 4] = entry.number, field, old, new
    end
  end
  return effects
end

-- Plays the write in a view ('committed' or 'tentative'); returns its outcome and, for the tentative view, its effects.
function Play.write(write, in_view)
  local application = Apps[write.app]
  if not application then error('no application ' .. tostring(write.app) .. ' here') end
  view, declared, touched = in_view, {}, {}
  for number, name in ipairs(write.pages) do
    declared[name] = {page = Pages.open(name), number = number, old = {}}
  end
  local ok, status, detail = pcall(steps, application, write)
  if Pages.broken then error(Pages.broken) end
  if not ok or type(status) ~= 'string' or (detail ~= nil and type(detail) ~= 'string') then
    Play.take_back()
    return 'failed', {}
  end
  local outcome = detail and status .. ' ' .. detail or status
  if in_view == 'tentative' then return outcome, effects_of_play() end
  return outcome
end

-- What the application notes of a commit, {page, text} each; nothing where it fails.
function Play.notes(write, outcome)
  local application = Apps[write.app]
  if not application.notes or outcome == 'failed' then return {} end
  local ok, notes = pcall(application.notes, write, outcome)
  if not ok or type(notes) ~= 'table' then return {} end
  for _, note in ipairs(notes) do
    -- Anything but texts would end the transaction half way.
    if type(note) ~= 'table' or type(note[1]) ~= 'string' or type(note[2]) ~= 'string' then return {} end
  end
  return notes
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
