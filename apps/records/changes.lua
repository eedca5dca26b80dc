-- What the update of a step changes. All its statements hold, or none is done.
--
-- A statement is {op = 'insert' | 'replace' | 'delete', relation, values = {attribute = operand, ...}}. `values` holds the
-- whole key; for insert also all other attributes, for replace also those that change.

--- @include "query"
--- @include "values"

local Changes = {}

local PAGE_BYTES_MAX = 256 * 1024 -- of the records of a page, so that a full state can send it

-- The value of a field after the changes so far: page, field, value (false for a deleted field), ...
local function value_after(changed, pages, page, field)
  for i = #changed - 2, 1, -3 do
    if changed[i] == page and changed[i + 1] == field then return changed[i + 2] or nil end
  end
  return pages.get(page, field)
end

-- Whether the page has no room for so many bytes more.
local function is_full(changed, pages, page, bytes)
  local size = bytes
  pages.any(page, function(field, value)
    size = size + #field + #value
    return false
  end)
  for i = 1, #changed, 3 do
    if changed[i] == page and changed[i + 2] then size = size + #changed[i + 1] + #changed[i + 2] end
  end
  return size > PAGE_BYTES_MAX
end

-- The values of a statement, by attribute.
local function bound(relation, operands, alternative)
  local values, names = {}, relation.attributes
  for i = 1, #names do
    local operand = operands[names[i]]
    if operand ~= nil then values[names[i]] = Query.value(operand, alternative) end
  end
  return values
end

-- The values of these attributes.
local function only(names, values)
  local found = {}
  for _, name in ipairs(names) do found[name] = values[name] end
  return found
end

-- Returns the changes of these statements, for Changes.make. If a statement does not hold, returns nil and why:
--   'exists'   and the record that has the key already
--   'missing'  and the key of the record that is not there
--   'full'     the page would hold too much
function Changes.of(pages, relations, statements, alternative)
  local changed = {}
  for i = 1, #statements do
    local statement = statements[i]
    local op, relation = statement.op, relations(statement.relation)
    local values = bound(relation, statement.values, alternative)
    local page, field = Values.page(relation, values), Values.field(relation, values)
    local old = value_after(changed, pages, page, field)
    if op == 'insert' then
      if old then return nil, {why = 'exists', relation = relation, record = Values.decode(relation, old)} end
    elseif not old then
      return nil, {why = 'missing', relation = relation, record = only(relation.key, values)}
    elseif op == 'replace' then
      local before = Values.decode(relation, old)
      for _, name in ipairs(relation.attributes) do
        if values[name] == nil then values[name] = before[name] end
      end
    end
    local new = op ~= 'delete' and Values.encode(relation, values)
    if new and is_full(changed, pages, page, #field + #new) then return nil, {why = 'full'} end
    local last = #changed
    changed[last + 1], changed[last + 2], changed[last + 3] = page, field, new
  end
  return changed
end

function Changes.make(pages, changed)
  for i = 1, #changed, 3 do
    if changed[i + 2] then
      pages.set(changed[i], changed[i + 1], changed[i + 2])
    else
      pages.delete(changed[i], changed[i + 1])
    end
  end
end

return Changes
