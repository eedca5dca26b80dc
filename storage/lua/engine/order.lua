-- The order of tentative writes: by stamp, then by origin, bytewise (Terry 1995, section 4.3).
-- Lua's `<` on strings follows the server's locale, so bytes are compared here by hand.

local Order = {BEGINNING = '0000000000000000@'}

local byte = string.byte
local numbers = {} -- text -> what it says, of eight digits, else false: what is compared most often are times

local function number_of(text)
  local number = #text == 8 and text:find('^%d+$') and tonumber(text) or false
  numbers[text] = number
  return number
end

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

-- A stamp's text as a number, read once: a write's stamp is in its id, too, and is the next one's `prev`.
Order.number = setmetatable({}, {__index = function(known, text)
  local number = tonumber(text)
  known[text] = number
  return number
end})

function Order.stamp(id) return Order.number[id:sub(1, 16)] end

-- Is the write `a` before the write `b`? Both are ids, STAMP16@SERVER.
function Order.before(a, b)
  local x, y = Order.stamp(a), Order.stamp(b)
  if x ~= y then return x < y end
  return Order.bytewise(a, b)
end

function Order.origin(id) return id:sub(18) end

-- A stamp as text: 16 digits, since tostring would write 1e+15.
function Order.text(stamp) return string.format('%016.0f', stamp) end

return Order
