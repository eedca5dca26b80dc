-- Days and times: whole minutes since 1970 (UTC) as 8 digits, so that they compare as text. A slot is START8/END8.

local floor, min, max, abs, huge = math.floor, math.min, math.max, math.abs, math.huge
local format, rep, sub = string.format, string.rep, string.sub
local match, find, gsub, gmatch = string.match, string.find, string.gsub, string.gmatch

local DAY_MIN = 1440
local MINUTE_MAX = 99999999 -- eight digits
local SLOTS_MAX = 10 -- of a wish

-- A batch asks for the same few again and again.
local dates = {} -- day -> YYYY-MM-DD
local pages_of_rooms = {} -- room -> day -> its page
local first_days, last_days = {}, {} -- a slot's start8, stop8 -> the day on which it begins, ends
local patterns = {} -- how many slots -> what matches so many, with blanks between them

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

local function pattern_of(count)
  assert(count % 1 == 0 and 1 <= count and count <= SLOTS_MAX, "not slots")
  patterns[count] = "^" .. sub(rep(" (%d+)/(%d+)", count), 2) .. "$"
  return patterns[count]
end

-- The ends of the slots that stand in a text, between blanks: start8, stop8, start8, ... Refuses what is no slot, for an empty one
-- would overlap nothing.
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
