-- Values, records and pages of relations.
--
-- A value is text, or a whole number up to 2^53 on either side of zero (types `integer` and `time`, the latter in
-- minutes since 1970 UTC). A record is stored as the texts of its values in the order of the attributes, separated by
-- SEPARATOR. apps/records/relation.py reads and writes the same format.

local Values = {SEPARATOR = '\31'}

local SEPARATOR = Values.SEPARATOR
local WHOLE_MAX = 2 ^ 53
local abs, floor = math.abs, math.floor
local byte, find, format, gsub = string.byte, string.find, string.format, string.gsub
local concat = table.concat

-- The text of a value. An error if the value is not of this type.
local function text_of(value, kind)
  if kind == 'text' then
    if find(value, SEPARATOR, 1, true) then error('a text holds the separator') end
    return value
  end
  if value ~= floor(value) or abs(value) > WHOLE_MAX then error('not a whole number') end
  return format('%.0f', value + 0)
end

-- The relation that a write carries, prepared for use: `name`, `attributes` (list of names), `kinds` (name -> type),
-- `form` (the names and types as one text), `key` and `page_by` (lists of names).
function Values.relation(name, carried)
  local attributes, kinds = {}, {}
  local flat = carried.attributes
  for i = 1, #flat, 2 do
    attributes[(i + 1) / 2], kinds[flat[i]] = flat[i], flat[i + 1]
  end
  return {
    name = name, key = carried.key, page_by = carried.page_by, attributes = attributes, kinds = kinds,
    form = table.concat(flat, ','),
  }
end

-- The texts of these attributes, joined. `values` maps names to values.
local function joined(relation, names, values)
  local texts, kinds = {}, relation.kinds
  for i = 1, #names do texts[i] = text_of(values[names[i]], kinds[names[i]]) end
  return concat(texts, SEPARATOR)
end

-- The record with these values, as it is stored.
function Values.encode(relation, values) return joined(relation, relation.attributes, values) end

-- The field of a page that holds the record with this key.
function Values.field(relation, values) return '=' .. joined(relation, relation.key, values) end

local function escaped(character) return format('%%%02X', byte(character)) end

-- The page of the records with these values of `page_by`.
function Values.page(relation, values)
  local texts, kinds, names = {'records:' .. relation.name}, relation.kinds, relation.page_by
  for i = 1, #names do
    local text = text_of(values[names[i]], kinds[names[i]])
    texts[i + 1] = find(text, '[%%/%c]') and gsub(text, '[%%/%c]', escaped) or text
  end
  return concat(texts, '/')
end

local decoded = {} -- form of a relation -> text of a record -> its values; a page is read by many writes in a row

local function decode(relation, text)
  local record, place = {}, 0
  for value in string.gmatch(text .. SEPARATOR, '([^' .. SEPARATOR .. ']*)' .. SEPARATOR) do
    place = place + 1
    local name = relation.attributes[place]
    record[name] = relation.kinds[name] == 'text' and value or tonumber(value)
  end
  return record
end

-- The values of a stored record, by the name of the attribute. The caller does not change the table.
function Values.decode(relation, text)
  local of_form = decoded[relation.form]
  if not of_form then
    of_form = {}
    decoded[relation.form] = of_form
  end
  local record = of_form[text]
  if not record then
    record = decode(relation, text)
    of_form[text] = record
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
