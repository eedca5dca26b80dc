-- Days and times: whole minutes since 1970 (UTC), as numbers in writes, as 8 digits on pages so that they compare as text.

local floor, min, max, abs, huge = math.floor, math.min, math.max, math.abs, math.huge
local format, sub, match, find, gsub, gmatch = string.format, string.sub, string.match, string.find, string.gsub, string.gmatch

local DAY_MIN = 1440
local MINUTE_MAX = 99999999 -- eight digits

-- A batch asks for the same few again and again.
local dates = {} -- day -> YYYY-MM-DD
local pages_of_rooms = {} -- room -> day -> its page
local digits = {} -- minute -> as 8 digits

-- YYYY-MM-DD of a day counted from 1970-01-01: the Gregorian calendar in cycles of 400 years that begin on 1 March.
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

-- The page of a room on a day.
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

-- Calls visit(page) for each day that [start, stop) touches, in order, until one call returns true; returns whether one did.
-- Its cost is bounded by the pages declared: to touch one more is an error.
local function any_day(room, start, stop, visit)
  for day = floor(start / DAY_MIN), floor((stop - 1) / DAY_MIN) do
    if visit(room_page(room, day)) then
      return true
    end
  end
  return false
end

local function digits_of(minute)
  assert(0 <= minute and minute <= MINUTE_MAX and minute % 1 == 0, "not a minute")
  digits[minute] = format("%08d", minute)
  return digits[minute]
end

-- Both ends as 8 digits; refuses what is no slot, for an empty one would overlap nothing.
local function ends8(start, stop)
  if not (start < stop) then
    error("not a slot")
  end
  return digits[start] or digits_of(start), digits[stop] or digits_of(stop)
end
