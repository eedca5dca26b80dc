-- Playing one write: its dependency check, then its update or its merge procedure (Terry 1995, section 4.2).
--
-- The application sees the pages that the write declares, and nothing else. What it changed is returned as effects,
-- {page number, field, old, new}, false for absent, so that the play can be undone, or done again without the
-- application. An error in the application makes the outcome `failed` and changes nothing; an error of Redis aborts.

local Play = {}

local view, numbers, journal, seen -- of the play that is under way

local function declared(page)
  if not numbers[page] then error('the write does not declare the page ' .. tostring(page)) end
end

local function change(page, field, value)
  declared(page)
  local old = Pages.get(view, page, field)
  if old == value then return end
  local key = numbers[page] .. ' ' .. field
  if not seen[key] then
    seen[key] = true
    journal[#journal + 1] = {numbers[page], field, old or false, page}
  end
  Pages.put(view, page, field, value)
end

local api = {}

function api.get(page, field)
  declared(page)
  return Pages.get(view, page, field)
end

function api.set(page, field, value)
  if type(field) ~= 'string' or type(value) ~= 'string' then error('fields and values are strings') end
  change(page, field, value)
end

function api.delete(page, field) change(page, field, nil) end

function api.fields(page)
  declared(page)
  return Pages.fields(view, page)
end

function api.any(page, test)
  declared(page)
  return Pages.any(view, page, test)
end

function api.declares(page) return numbers[page] ~= nil end

local function steps(application, write)
  if application.check(api, write) then return application.update(api, write) end
  return application.merge(api, write)
end

local function undo_journal()
  for i = #journal, 1, -1 do
    local entry = journal[i]
    Pages.put(view, entry[4], entry[2], entry[3] or nil)
  end
end

local function effects_of_journal()
  local effects = {}
  for _, entry in ipairs(journal) do
    local new = Pages.get(view, entry[4], entry[2]) or false
    if new ~= entry[3] then effects[#effects + 1] = {entry[1], entry[2], entry[3], new} end
  end
  return effects
end

-- Plays the write in a view ('committed' or 'tentative'); returns its outcome and its effects.
function Play.write(write, in_view)
  local application = Apps[write.app]
  if not application then error('no application ' .. tostring(write.app) .. ' here') end
  view, numbers, journal, seen = in_view, {}, {}, {}
  for number, page in ipairs(write.pages) do numbers[page] = number end
  local ok, status, detail = pcall(steps, application, write)
  if Pages.broken then error(Pages.broken) end
  if not ok or type(status) ~= 'string' or (detail and type(detail) ~= 'string') then
    undo_journal()
    return 'failed', {}
  end
  return detail and status .. ' ' .. detail or status, effects_of_journal()
end

-- Puts a write's effects in place again, without playing it.
function Play.redo(write, effects, in_view)
  for _, effect in ipairs(effects) do
    Pages.put(in_view, write.pages[effect[1]], effect[2], effect[4] or nil)
  end
end

-- Takes a write's effects back, but on pages whose tentative copy is thrown away as a whole.
function Play.undo(write, effects)
  for i = #effects, 1, -1 do
    local effect = effects[i]
    local page = write.pages[effect[1]]
    if not Pages.is_rebased(page) then Pages.put('tentative', page, effect[2], effect[3] or nil) end
  end
end
