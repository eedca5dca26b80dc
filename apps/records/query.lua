-- Queries over one page of a relation, and the comparison of their result with what a check expects.
--
-- A query is {relation, where = {attribute, operator, operand, ...}, select = {attribute, ...}, order = {attribute,
-- direction, ...}, limit}; order and limit are optional. An operand is a value, or the text :NAME, which stands for a
-- value of the alternative. A value that is a text and begins with a colon is written with two colons.
-- `where` fixes every attribute of page_by with `=`; the replica that accepts the write refuses a query that does not.

--- @include "values"

local Query = {}

local KEY_MARK = ('='):byte()
local COLON = (':'):byte()
local NONE = {}
local byte, sub = string.byte, string.sub

local less = Values.less
local NUMBERS = {
  ['='] = function(a, b) return a == b end,
  ['<>'] = function(a, b) return a ~= b end,
  ['<'] = function(a, b) return a < b end,
  ['<='] = function(a, b) return a <= b end,
  ['>'] = function(a, b) return a > b end,
  ['>='] = function(a, b) return a >= b end,
}
local TEXTS = {
  ['='] = NUMBERS['='],
  ['<>'] = NUMBERS['<>'],
  ['<'] = less,
  ['<='] = function(a, b) return not less(b, a) end,
  ['>'] = function(a, b) return less(b, a) end,
  ['>='] = function(a, b) return not less(a, b) end,
}

local function is_of(name, names)
  for i = 1, #names do
    if names[i] == name then return true end
  end
  return false
end

-- The value of an operand; `alternative` maps parameters to values.
function Query.value(operand, alternative)
  if type(operand) ~= 'string' or byte(operand) ~= COLON then return operand end
  if byte(operand, 2) == COLON then return sub(operand, 2) end
  local value = alternative[sub(operand, 2)]
  if value == nil then error('the alternative lacks a parameter') end
  return value
end

-- The conditions with their operands replaced by values, as a flat list {attribute, comparison, value, ...}, and the page
-- that they pick. An equality that only picks the page holds for all of its records, so it is left out.
local function bound(relation, query, alternative)
  local conditions, fixed = {}, {}
  local where = query.where
  for i = 1, #where, 3 do
    local name, operator, value = where[i], where[i + 1], Query.value(where[i + 2], alternative)
    if operator == '=' and fixed[name] == nil and is_of(name, relation.page_by) then
      fixed[name] = value
    else
      local last, of_kind = #conditions, type(value) == 'number' and NUMBERS or TEXTS
      conditions[last + 1], conditions[last + 2], conditions[last + 3] = name, of_kind[operator], value
    end
  end
  return conditions, Values.page(relation, fixed)
end

-- Sorts records by {attribute, direction, ...}, and those that are equal there by their key.
local function sort(records, order, key)
  table.sort(records, function(a, b)
    for i = 1, #order, 2 do
      local x, y = a[order[i]], b[order[i]]
      if x ~= y then return less(x, y) == (order[i + 1] == 'ascending') end
    end
    for i = 1, #key do
      local x, y = a[key[i]], b[key[i]]
      if x ~= y then return less(x, y) end
    end
    return false
  end)
end

-- The records that the query selects, whole and in its order (ascending by key if it has none or a tie), and how
-- many records were looked at.
function Query.records(pages, relation, query, alternative)
  local conditions, page = bound(relation, query, alternative)
  local found, looked_at = {}, 0
  pages.any(page, function(field, text)
    if byte(field) == KEY_MARK then
      looked_at = looked_at + 1
      local record = Values.decode(relation, text)
      for i = 1, #conditions, 3 do
        if not conditions[i + 1](record[conditions[i]], conditions[i + 2]) then return false end
      end
      found[#found + 1] = record
    end
    return false
  end)
  if #found > 1 then sort(found, query.order or NONE, relation.key) end
  for i = #found, (query.limit or #found) + 1, -1 do found[i] = nil end
  return found, looked_at
end

-- The texts of rows, sorted unless the query has an order. `value_of(row, i)` returns the i-th value of a row.
local function row_texts(rows, query, value_of)
  local texts = {}
  for i, row in ipairs(rows) do
    local values = {}
    for place = 1, #query.select do
      local value = value_of(row, place)
      values[place] = type(value) == 'number' and string.format('%.0f', value) or value
    end
    texts[i] = table.concat(values, Values.SEPARATOR)
  end
  if not query.order then table.sort(texts, Values.less) end
  return texts
end

-- Whether the records are what the check expects: the same rows, in the same order if the query has one.
function Query.is_expected(records, check, alternative)
  if #records ~= #check.expect then return false end
  if #records == 0 then return true end
  local query = check.query
  local found = row_texts(records, query, function(record, place) return record[query.select[place]] end)
  local expected = row_texts(check.expect, query, function(row, place) return Query.value(row[place], alternative) end)
  for i = 1, #found do
    if found[i] ~= expected[i] then return false end
  end
  return true
end

return Query
