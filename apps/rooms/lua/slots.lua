-- Slots, days and the pages of rooms.
--
-- The room of a slot is one room, or several that are reserved together, joined by `+`: 6.12+6.14.
--
-- A time is a count of whole minutes since 1970 (UTC), written with eight digits so that times compare as text. A slot
-- is START8/END8. A day is a count of days since 1970 (UTC).

local floor, format, gmatch, match = math.floor, string.format, string.gmatch, string.match
local rep, sub = string.rep, string.sub

local DAY_MIN = 1440
local MINUTE_MAX = 99999999 -- the last time that fits into eight digits
local SLOTS_MAX = 10 -- of one request

-- The functions below are pure. They remember their results, because the writes of a batch ask for the same few again
-- and again.
local dates = {} -- day -> YYYY-MM-DD
local pages_of_rooms = {} -- room -> day -> page
local rooms_of_names = {} -- the room of a slot -> the list of its rooms
local first_days, last_days = {}, {} -- start8 -> the day a slot begins on; stop8 -> the day a slot ends on
local patterns = {} -- count -> the pattern that matches that many slots, separated by blanks

-- YYYY-MM-DD of a day: the Gregorian calendar in cycles of 400 years that begin on 1 March.
local function date_of(day)
  if dates[day] then
    return dates[day]
  end
  local shifted = day + 719468
  local cycle = floor(shifted / 146097)
  local day_of_cycle = shifted - cycle * 146097
  local year = floor(
    (day_of_cycle - floor(day_of_cycle / 1460) + floor(day_of_cycle / 36524) - floor(day_of_cycle / 146096)) / 365
  )
  local day_of_year = day_of_cycle - (365 * year + floor(year / 4) - floor(year / 100))
  local month = floor((5 * day_of_year + 2) / 153) -- 0 is March
  local day_of_month = day_of_year - floor((153 * month + 2) / 5) + 1
  year = year + cycle * 400
  if month < 10 then
    month = month + 3
  else
    month, year = month - 9, year + 1
  end
  dates[day] = format("%04d-%02d-%02d", year, month, day_of_month)
  return dates[day]
end

-- The rooms of a slot, each by its own name.
local function rooms_of(room)
  local rooms = rooms_of_names[room]
  if not rooms then
    rooms = {}
    for one in gmatch(room, "[^+]+") do
      rooms[#rooms + 1] = one
    end
    assert(rooms[1], "not a room")
    rooms_of_names[room] = rooms
  end
  return rooms
end

-- The page of one room on a day.
local function room_page(room, day)
  local pages = pages_of_rooms[room]
  if not pages then
    pages = {}
    pages_of_rooms[room] = pages
  end
  local page = pages[day]
  if not page then
    page = "room:" .. room .. "/" .. date_of(day)
    pages[day] = page
  end
  return page
end

-- The first and the last day that a slot touches.
local function days_of(start8, stop8)
  local first, last = first_days[start8], last_days[stop8]
  if not first then
    first = floor(tonumber(start8) / DAY_MIN)
    first_days[start8] = first
  end
  if not last then
    last = floor((tonumber(stop8) - 1) / DAY_MIN)
    last_days[stop8] = last
  end
  return first, last
end

-- Calls visit(page, room) for the page of each room of a slot on each of these days, room by room and in order, until a
-- call returns true. Returns whether one did. The pages that the write declares bound the cost: to touch one more is an
-- error.
local function any_page(room, visit, first_day, last_day)
  for _, one in ipairs(rooms_of(room)) do
    for day = first_day, last_day do
      if visit(room_page(one, day), one) then
        return true
      end
    end
  end
  return false
end

local function pattern_of(count)
  assert(count % 1 == 0 and 1 <= count and count <= SLOTS_MAX, "not slots")
  patterns[count] = "^" .. sub(rep(" (%d+)/(%d+)", count), 2) .. "$"
  return patterns[count]
end

-- The ends of slots that are separated by blanks: start8, stop8, start8, ... An error if one is no slot; an empty
-- one would overlap nothing.
local function ends_of(slots)
  local count = (#slots + 1) / 18
  local ends = { match(slots, patterns[count] or pattern_of(count)) }
  for at = 1, 2 * count, 2 do
    local start8, stop8 = ends[at], ends[at + 1]
    if not start8 or #start8 ~= 8 or #stop8 ~= 8 or start8 >= stop8 then
      error("not a slot")
    end
  end
  return ends
end

return {
  DAY_MIN = DAY_MIN,
  MINUTE_MAX = MINUTE_MAX,
  rooms_of = rooms_of,
  room_page = room_page,
  days_of = days_of,
  any_page = any_page,
  ends_of = ends_of,
}
