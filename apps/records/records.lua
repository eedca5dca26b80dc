--[[
What a write about records means: the dependency check and the merge procedure that the write itself carries
(Terry 1995, sections 4.1 and 4.2).

Contract. Returns {check, update, merge, lists, notes, needs}: see docs/write-an-application.md.

Writes.
  define  check name_is_free    args name, hash, content: JSON of the relation (apps/records/relation.py)
  drop    check relation_stands args name, hash
  write   check carried         args
            digest     of all other arguments, a few characters: tells two requests with one id apart
            relations  NAME~HASH -> {attributes = {name, type, ...}, key, page_by}, of all relations that it names
            update     statements (changes.lua)
            check      optional: {query (query.lua), expect = {{operand, ...}, ...}}
            merge      steps in order: {update, check; for = {{parameter = value, ...}, ...}}
The first step whose check holds, and whose statements all hold, is done. A step with `for` is tried with each
alternative in turn. Nothing depends on the definition's page, so writes of a relation share no page but that of their
records.

Pages.
  records:NAME~HASH/VALUE...  the records with these values of page_by. Field: `=` and the key. Value: see values.lua.
                              requests: the last requests that changed the page, as USER/REQUEST=STEP:DIGEST,
                              separated by blanks
  relation:NAME               the definitions of this name. owner: the hash of the one that the bare name means.
                              HASH: its content
  conflicts:NAME~HASH         only notes, one for each committed conflict: WRITE ID FIELD USER FIELD REQUEST FIELD
                              ACCEPTED_AT FIELD what it wanted (OP RELATION SEPARATOR NAME=VALUE ..., LINE ...) FIELD
                              what stood in the way, as in the outcome

Statuses.
  updated    the update of the write was done
  merged     a step of the merge procedure was done. The detail is its number, or NUMBER.ALTERNATIVE
  conflict   no step was done. The detail lists what stood in the way: MARK RELATION SEPARATOR NAME=VALUE ..., one after another,
             separated by LINE. MARK is + for a record that is there, - for one that is missing
  duplicate  this request was done before; the detail is that of its outcome
  differs    a request with this id was done before, with other arguments; the detail is that of its outcome
  rejected   the detail is too_many_records if the queries looked at too many, or page_full (see changes.lua)
]]

--- @include "changes"
--- @include "query"
--- @include "values"

local app = {}

local LOOKED_AT_MAX = 20000 -- records, in one play
local IN_THE_WAY_MAX = 5 -- records in the detail of a conflict
local VALUE_BYTES_MAX = 200 -- of a value there
local REQUESTS_BYTES_MAX = 440 -- three with the longest names, some fourteen as usual
local LINE, FIELD = '\30', '\29'
local NO_PARAMETERS, NOTHING = {}, {} -- empty tables, never changed

-- User names and request ids contain neither blanks nor slashes.
local function signature(write) return write.user .. '/' .. write.request .. '=' end

-- The outcome detail and the digest of the request if it was done before: a client may send it again at another
-- replica.
local function done_before(pages, write)
  local requests = pages.get(write.pages[1], 'requests')
  if not requests then return nil end
  local _, stop = string.find(' ' .. requests, ' ' .. signature(write), 1, true)
  if stop then return string.match(requests, '^([^ :]*):(%S*)', stop) end
end

local function sign(pages, write, detail)
  local page = write.pages[1]
  local requests = pages.get(page, 'requests')
  requests = (requests and requests .. ' ' or '') .. signature(write) .. detail .. ':' .. write.args.digest
  while #requests > REQUESTS_BYTES_MAX do requests = string.match(requests, '^%S* (.*)$') end
  pages.set(page, 'requests', requests)
end

-- Returns a function that returns a relation of the write by its full name.
local function relations_of(write)
  -- Each relation is prepared when a step first names it.
  local prepared = {}
  return function(name)
    if not prepared[name] then prepared[name] = Values.relation(name, write.args.relations[name]) end
    return prepared[name]
  end
end

-- The beginning of a text, cut between two characters of UTF-8.
local function shortened(text)
  if #text <= VALUE_BYTES_MAX then return text end
  local stop = VALUE_BYTES_MAX
  while string.find(text, '^[\128-\191]', stop + 1) do stop = stop - 1 end
  return string.sub(text, 1, stop) .. '…'
end

-- WORD RELATION SEPARATOR NAME=VALUE ... `value_of(name)` returns a value, or nil for an attribute to leave out.
local function as_text(word, relation, value_of)
  local texts = {word .. relation.name}
  for _, name in ipairs(relation.attributes) do
    local value = value_of(name)
    if type(value) == 'number' then value = string.format('%.0f', value) end
    if value ~= nil then texts[#texts + 1] = name .. '=' .. shortened(value) end
  end
  return table.concat(texts, Values.SEPARATOR)
end

-- Adds what stands in the way to the play: a record that is there ('+'), or that is missing ('-').
local function add_obstacle(play, mark, relation, record)
  local all, last = play.in_the_way, #play.in_the_way
  all[last + 1], all[last + 2], all[last + 3] = mark, relation, record
end

-- What stood in the way, as the detail of a conflict: the first few, each once.
local function obstacles(play)
  local all, texts, is_known = play.in_the_way, {}, {}
  for i = 1, #all, 3 do
    local record = all[i + 2]
    local text = as_text(all[i], all[i + 1], function(name) return record[name] end)
    if not is_known[text] then
      is_known[text] = true
      texts[#texts + 1] = text
      if #texts == IN_THE_WAY_MAX then break end
    end
  end
  return #texts > 0 and table.concat(texts, LINE) or nil
end

-- Whether the check holds.
local function holds(pages, play, check, alternative)
  local relation = play.relations(check.query.relation)
  local records, looked_at = Query.records(pages, relation, check.query, alternative)
  play.looked_at = play.looked_at + looked_at
  if play.looked_at > LOOKED_AT_MAX then
    play.refusal = 'too_many_records'
    return false
  end
  if Query.is_expected(records, check, alternative) then return true end
  for _, record in ipairs(records) do add_obstacle(play, '+', relation, record) end
  if #records == 0 then
    for _, row in ipairs(check.expect) do
      local missing = {}
      for i, name in ipairs(check.query.select) do missing[name] = Query.value(row[i], alternative) end
      add_obstacle(play, '-', relation, missing)
    end
  end
  return false
end

-- The changes of a step, if its check and its statements hold.
local function changes_of(pages, play, step, alternative)
  if step.check and not holds(pages, play, step.check, alternative) then return nil end
  local changed, obstacle = Changes.of(pages, play.relations, step.update, alternative)
  if changed then return changed end
  if obstacle.why == 'full' then
    play.refusal = 'page_full'
  else
    add_obstacle(play, obstacle.why == 'exists' and '+' or '-', obstacle.relation, obstacle.record)
  end
end

local checks, updates, merges = {}, {}, {}

function checks.write(pages, write)
  local detail, digest = done_before(pages, write)
  if detail then return false, {done_before = detail, digest = digest} end
  local play = {relations = relations_of(write), looked_at = 0, in_the_way = {}}
  local changed = changes_of(pages, play, write.args, NO_PARAMETERS)
  if changed then return true, changed end
  return false, play
end

function updates.write(pages, write, changed)
  Changes.make(pages, changed)
  sign(pages, write, '')
  return 'updated'
end

function merges.write(pages, write, play)
  if play.done_before then
    local status = play.digest == write.args.digest and 'duplicate' or 'differs'
    return status, play.done_before ~= '' and play.done_before or nil
  end
  for number, step in ipairs(write.args.merge or NO_PARAMETERS) do
    for place, alternative in ipairs(step['for'] or {NO_PARAMETERS}) do
      if play.refusal then return 'rejected', play.refusal end
      local changed = changes_of(pages, play, step, alternative)
      if changed then
        local detail = string.format(step['for'] and '%d.%d' or '%d', number, place)
        Changes.make(pages, changed)
        sign(pages, write, detail)
        return 'merged', detail
      end
    end
  end
  if play.refusal then return 'rejected', play.refusal end
  return 'conflict', obstacles(play)
end

local function definition_page(write) return 'relation:' .. write.args.name end

function checks.define(pages, write) return not pages.get(definition_page(write), 'owner') end

function updates.define(pages, write)
  local page, args = definition_page(write), write.args
  pages.set(page, 'owner', args.hash)
  pages.set(page, args.hash, args.content)
  return 'updated'
end

-- Two equal definitions are one relation. A different definition with the same name is kept beside the one that owns
-- the name.
function merges.define(pages, write)
  local page, args = definition_page(write), write.args
  if pages.get(page, args.hash) then return 'duplicate' end
  pages.set(page, args.hash, args.content)
  return 'conflict', '+' .. args.name .. '~' .. pages.get(page, 'owner')
end

function checks.drop(pages, write) return pages.get(definition_page(write), write.args.hash) ~= nil end

function updates.drop(pages, write)
  local page, hash = definition_page(write), write.args.hash
  pages.delete(page, hash)
  if pages.get(page, 'owner') == hash then pages.delete(page, 'owner') end
  return 'updated'
end

function merges.drop() return 'unknown' end

function app.check(pages, write) return checks[write.op](pages, write) end

function app.update(pages, write, found) return updates[write.op](pages, write, found) end

function app.merge(pages, write, found) return merges[write.op](pages, write, found) end

function app.needs(write) return write.user, write.op ~= 'write' and 'manager' or nil end

function app.lists(write)
  return write.op == 'define' and {'relations', write.args.name} or NOTHING
end

-- What the update of a write wanted.
local function wanted(write, relations)
  local lines = {}
  for i, statement in ipairs(write.args.update) do
    lines[i] = as_text(statement.op .. ' ', relations(statement.relation), function(name)
      return Query.value(statement.values[name], NO_PARAMETERS)
    end)
  end
  return table.concat(lines, LINE)
end

function app.notes(write, outcome)
  local detail = string.match(outcome, '^conflict ?(.*)$')
  if not detail then return NOTHING end
  local function note(what)
    return table.concat({write.id, write.user, write.request, write.accepted_at, what, detail}, FIELD)
  end
  if write.op == 'define' then
    return {'conflicts:' .. write.args.name .. '~' .. write.args.hash, note('define ' .. write.args.name)}
  end
  local notes, is_noted, text = {}, {}, note(wanted(write, relations_of(write)))
  for _, statement in ipairs(write.args.update) do
    if not is_noted[statement.relation] then
      is_noted[statement.relation] = true
      notes[#notes + 1], notes[#notes + 2] = 'conflicts:' .. statement.relation, text
    end
  end
  return notes
end

return app
