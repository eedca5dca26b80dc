-- The order of tentative writes: by stamp, then by origin, bytewise (Terry 1995, section 4.3).
-- Lua's `<` on strings follows the server's locale, so bytes are compared here by hand.

local Order = {BEGINNING = '0000000000000000@'}

function Order.bytewise(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- Is the write `a` before the write `b`? Both are ids, STAMP16@SERVER.
function Order.before(a, b)
  local x, y = tonumber(a:sub(1, 16)), tonumber(b:sub(1, 16))
  if x ~= y then return x < y end
  return Order.bytewise(a, b)
end

function Order.stamp(id) return tonumber(id:sub(1, 16)) end

function Order.origin(id) return id:sub(18) end

-- A stamp as text: 16 digits, since tostring would write 1e+15.
function Order.text(stamp) return string.format('%016.0f', stamp) end
