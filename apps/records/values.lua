-- Values, records and pages of relations.
--
-- A value is text, or a whole number up to 2^53 on either side of zero (types `integer` and `time`, the latter in
-- minutes since 1970 UTC). A record is stored as the texts of its values in the order of the attributes, separated by
-- SEPARATOR. apps/records/relation.py reads and writes the same format.

local Values = {SEPARATOR = '\31'}

local SEPARATOR = Values.SEPARATOR
local WHOLE_MAX = 2 ^ 53
local byte = string.byte

-- The text of a value. An error where the value is not of this type.
local function text_of(value, kind)
  if kind == 'text' then
    assert(not string.find(value, SEPARATOR, 1, true), 'a text holds the separator')
    return value
  end
  assert(value == math.floor(value) and math.abs(value) <= WHOLE_MAX, 'not a whole number')
  return string.format('%.0f', value + 0)
end

-- The relation that a write carries, prepared for use: `name`, `attributes` (list of names), `kinds` (name -> type),
-- `position` (name -> its place in a record), `key` and `page_by` (lists of names).
function Values.relation(name, carried)
  local relation = {name = name, key = carried.key, page_by = carried.page_by, attributes = {}, kinds = {}, position = {}}
  for i, attribute in ipairs(carried.attributes) do
    relation.attributes[i], relation.kinds[attribute[1]], relation.position[attribute[1]] = attribute[1], attribute[2], i
  end
  return relation
end

-- The texts of these attributes, joined. `value_of(name)` returns a value.
local function joined(relation, names, value_of)
  local texts = {}
  for i, name in ipairs(names) do texts[i] = text_of(value_of(name), relation.kinds[name]) end
  return table.concat(texts, SEPARATOR)
end

-- The record whose values `value_of` returns, as it is stored.
function Values.encode(relation, value_of) return joined(relation, relation.attributes, value_of) end

-- The field of a page that holds the record with this key.
function Values.field(relation, value_of) return '=' .. joined(relation, relation.key, value_of) end

local function escaped(character) return string.format('%%%02X', byte(character)) end

-- The page of the records with these values of `page_by`.
function Values.page(relation, value_of)
  local texts = {'records:' .. relation.name}
  for i, name in ipairs(relation.page_by) do
    texts[i + 1] = string.gsub(text_of(value_of(name), relation.kinds[name]), '[%%/%c]', escaped)
  end
  return table.concat(texts, '/')
end

-- The values of a stored record, by the name of the attribute.
function Values.decode(relation, text)
  local record, place = {}, 0
  for value in string.gmatch(text .. SEPARATOR, '([^' .. SEPARATOR .. ']*)' .. SEPARATOR) do
    place = place + 1
    local name = relation.attributes[place]
    record[name] = relation.kinds[name] == 'text' and value or tonumber(value)
  end
  return record
end

-- Whether the value `a` comes before `b`: numbers by size, texts by their bytes.
function Values.less(a, b)
  if a == b then return false end
  if type(a) == 'number' then return a < b end
  for i = 1, math.min(#a, #b) do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

return Values
