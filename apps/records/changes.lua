-- What the update of a step changes. All its statements hold, or none is done.
--
-- A statement is {op = 'insert' | 'replace' | 'delete', relation, values = {attribute = operand, ...}}. `values` holds the
-- whole key and, besides, all other attributes for insert, and those that change for replace.

--- @include "query"
--- @include "values"

local Changes = {}

local PAGE_BYTES_MAX = 256 * 1024 -- of the records of a page, so that a full state can send it
local NONE = {}

-- The pages as the statements so far leave them. `changed` lists {page, field, value; false for a deleted one}.
local function overlay(pages)
  local new, changed = {}, {}
  return changed, function(page, field)
    local value = new[page] and new[page][field]
    if value == nil then return pages.get(page, field) end
    return value or nil
  end, function(page, field, value)
    new[page] = new[page] or {}
    new[page][field] = value
    changed[#changed + 1] = {page, field, value}
  end
end

-- Returns the changes of these statements, for Changes.make. Where a statement does not hold, returns nil and why:
--   'exists'   and the record that has the key already
--   'missing'  and the key of the record that is not there
--   'full'     the page would hold too much
function Changes.of(pages, relations, statements, alternative)
  local changed, get, set = overlay(pages)
  for i = 1, #statements do
    local statement, values = statements[i], {}
    local relation, operands = relations(statement.relation), statement.values
    for _, name in ipairs(relation.attributes) do values[name] = Query.value(operands[name], alternative) end
    local page, field = Values.page(relation, values), Values.field(relation, values)
    local old, new = get(page, field), false
    if statement.op == 'insert' then
      if old then return nil, {why = 'exists', relation = relation, record = Values.decode(relation, old)} end
    elseif not old then
      local missing = {}
      for _, name in ipairs(relation.key) do missing[name] = values[name] end
      return nil, {why = 'missing', relation = relation, record = missing}
    end
    if statement.op == 'replace' then
      local before = Values.decode(relation, old)
      for _, name in ipairs(relation.attributes) do
        if values[name] == nil then values[name] = before[name] end
      end
    end
    if statement.op ~= 'delete' then new = Values.encode(relation, values) end
    local size = tonumber(get(page, 'bytes') or 0) + (new and #new + #field or 0) - (old and #old + #field or 0)
    if size > PAGE_BYTES_MAX then return nil, {why = 'full', relation = relation, record = NONE} end
    set(page, field, new)
    set(page, 'bytes', size > 0 and string.format('%d', size))
  end
  return changed
end

function Changes.make(pages, changed)
  for _, change in ipairs(changed) do
    if change[3] then pages.set(change[1], change[2], change[3]) else pages.delete(change[1], change[2]) end
  end
end

return Changes
