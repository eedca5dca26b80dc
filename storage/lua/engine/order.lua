-- The order of tentative writes: by stamp, then by origin, bytewise (Terry 1995, section 4.3).
-- Lua's `<` on strings follows the locale of the server, so bytes are compared by hand here.

local Order = {BEGINNING = '0000000000000000@'} -- an id before that of any write

local byte = string.byte
local numbers = {} -- text -> its number where it has eight digits, else false; most texts that are compared are times

local function number_of(text)
  local number = #text == 8 and text:find('^%d+$') and tonumber(text) or false
  numbers[text] = number
  return number
end

-- Whether the text `a` comes before the text `b`, bytewise.
function Order.bytewise(a, b)
  local first, second = numbers[a], numbers[b]
  if first == nil then first = number_of(a) end
  if second == nil then second = number_of(b) end
  if first and second then return first < second end
  for i = 1, math.min(#a, #b) do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- stamp text -> stamp. Each text is read once: it is also part of a write's id, and the next write's `prev`.
Order.number = setmetatable({}, {__index = function(known, text)
  local number = tonumber(text)
  known[text] = number
  return number
end})

-- The stamp of a write id, STAMP16@SERVER.
function Order.stamp(id) return Order.number[id:sub(1, 16)] end

-- The server of a write id.
function Order.origin(id) return id:sub(18) end

-- Whether the write with the id `a` comes before the write with the id `b`.
function Order.before(a, b)
  local x, y = Order.stamp(a), Order.stamp(b)
  if x ~= y then return x < y end
  return Order.bytewise(a, b)
end

-- A stamp as text of 16 digits; tostring would write 1e+15.
function Order.text(stamp) return string.format('%016.0f', stamp) end

return Order
