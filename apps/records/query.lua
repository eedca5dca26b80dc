-- Queries over one page of a relation, and the comparison of their result with what a check expects.
--
-- A query is {relation, where = {{attribute, operator, operand}, ...}, select = {attribute, ...}, order = {{attribute,
-- direction}, ...}, limit}. An operand is a value, or {parameter = NAME}, which stands for a value of the alternative.
-- `where` fixes every attribute of page_by with `=`; the door refuses a query that does not.

--- @include "values"

local Query = {}

local KEY_MARK = ('='):byte()
local byte = string.byte

local COMPARE = {
  ['='] = function(a, b) return a == b end,
  ['<>'] = function(a, b) return a ~= b end,
  ['<'] = function(a, b) return Values.less(a, b) end,
  ['<='] = function(a, b) return not Values.less(b, a) end,
  ['>'] = function(a, b) return Values.less(b, a) end,
  ['>='] = function(a, b) return not Values.less(a, b) end,
}

-- The value of an operand; `alternative` maps parameters to values.
function Query.value(operand, alternative)
  if type(operand) ~= 'table' then return operand end
  local value = alternative[operand.parameter]
  assert(value ~= nil, 'the alternative lacks a parameter')
  return value
end

-- The conditions with their operands replaced by values, and the page that they pick.
local function bound(relation, query, alternative)
  local conditions, fixed = {}, {}
  for i, condition in ipairs(query.where) do
    local name, operator, value = condition[1], condition[2], Query.value(condition[3], alternative)
    conditions[i] = {name, COMPARE[operator], value}
    if operator == '=' then fixed[name] = value end
  end
  return conditions, Values.page(relation, function(name) return fixed[name] end)
end

-- The records that the query selects, whole and in its order (ascending by key where it has none or a tie), and how
-- many records were looked at.
function Query.records(pages, relation, query, alternative)
  local conditions, page = bound(relation, query, alternative)
  local found, looked_at = {}, 0
  pages.any(page, function(field, text)
    if byte(field) == KEY_MARK then
      looked_at = looked_at + 1
      local record = Values.decode(relation, text)
      for i = 1, #conditions do
        local condition = conditions[i]
        if not condition[2](record[condition[1]], condition[3]) then return false end
      end
      found[#found + 1] = {record, field}
    end
    return false
  end)
  table.sort(found, function(a, b)
    for _, order in ipairs(query.order) do
      local x, y = a[1][order[1]], b[1][order[1]]
      if x ~= y then return Values.less(x, y) == (order[2] == 'ascending') end
    end
    return Values.less(a[2], b[2])
  end)
  local records = {}
  for i = 1, math.min(#found, query.limit or #found) do records[i] = found[i][1] end
  return records, looked_at
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
  if #query.order == 0 then table.sort(texts, Values.less) end
  return texts
end

-- Whether the records are what the check expects: the same rows, in the same order where the query has one.
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
