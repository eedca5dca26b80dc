-- Days and times: whole minutes since 1970 (UTC) as 8 digits, so that they compare as text. A slot is START8/END8.

local floor, min, max, abs, huge = math.floor, math.min, math.max, math.abs, math.huge
local format, sub, match, find, gsub, gmatch = string.format, string.sub, string.match, string.find, string.gsub, string.gmatch

local DAY_MIN = 1440
local SLOT = "^(%d%d%d%d%d%d%d%d)/(%d%d%d%d%d%d%d%d)%f[ %z]" -- up to a blank or the end

-- A batch asks for the same few again and again.
local dates = {} -- day -> YYYY-MM-DD
local pages_of_rooms = {} -- room -> day -> its page
local first_days, last_days = {}, {} -- a slot's start8, stop8 -> the day on which it begins, ends

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

-- Calls visit(page) for the room's page of each of these days, in order, until one call returns true; returns whether one did.
-- Its cost is bounded by the pages declared: to touch one more is an error.
local function any_page(room, visit, first_day, last_day)
  for day = first_day, last_day do
    if visit(room_page(room, day)) then
      return true
    end
  end
  return false
end

-- The ends of the slots that stand in a text, between blanks: start8, stop8, start8, ... Refuses what is no slot, for an empty one
-- would overlap nothing.
local function ends_of(slots)
  local ends, count = {}, 0
  for at = 1, #slots + 1, 18 do
    local start8, stop8 = match(slots, SLOT, at)
    if not start8 or start8 >= stop8 then
      error("not a slot")
    end
    ends[count + 1], ends[count + 2] = start8, stop8
    count = count + 2
  end
  return ends
end
