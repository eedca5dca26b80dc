-- The merge procedures: (pages, request) -> room, start8, stop8 of a free slot; nil where there is none. The caller
-- knows that the first choice is taken.

--- @include "occupancy"
--- @include "requests"
--- @include "slots"

local Merges = {}

local abs, floor, huge, max, min = math.abs, math.floor, math.huge, math.max, math.min
local format, sub = string.format, string.sub

-- The start nearest to `wanted` of a free time of this duration inside [low, high); nil where no gap is long enough.
-- Each gap between two entries offers its nearest point. Gaps come in the order of time, so of two equally near the
-- earlier one wins.
local function nearest_start(pages, room, wanted, duration, low, high, current_slot)
  local best, best_distance = nil, huge
  local function consider(gap_start, gap_stop)
    if gap_stop - gap_start >= duration then
      local start = min(max(wanted, gap_start), gap_stop - duration)
      if abs(start - wanted) < best_distance then
        best, best_distance = start, abs(start - wanted)
      end
    end
  end
  local skipped, cursor = Occupancy.own_field(current_slot, room), low
  Slots.any_page(room, function(page)
    for _, field in ipairs(pages.fields(page)) do
      if field ~= skipped then
        consider(cursor, min(tonumber(field), high))
        cursor = max(cursor, tonumber(sub(pages.get(page, field), 1, 8)))
      end
    end
  end, floor(low / Slots.DAY_MIN), floor((high - 1) / Slots.DAY_MIN))
  consider(cursor, high)
  return best
end

function Merges.give_up()
  return nil
end

function Merges.first_free_alternative(pages, request)
  local ends, room, current_slot = request.ends, request.args.room, request.current_slot
  for at = 3, #ends, 2 do
    if Occupancy.is_free(pages, room, ends[at], ends[at + 1], current_slot) then
      return room, ends[at], ends[at + 1]
    end
  end
  return nil
end

function Merges.nearest_free_time(pages, request)
  local room, start8, stop8 = Merges.first_free_alternative(pages, request)
  if room then
    return room, start8, stop8
  end
  room = request.args.room
  local wanted = tonumber(request.ends[1])
  local duration = tonumber(request.ends[2]) - wanted
  local low, high = Requests.search_window(request)
  local start = nearest_start(pages, room, wanted, duration, low, high, request.current_slot)
  if start then
    return room, format("%08d", start), format("%08d", start + duration)
  end
  return nil
end

function Merges.another_room(pages, request)
  local room, start8, stop8 = Merges.first_free_alternative(pages, request)
  if room then
    return room, start8, stop8
  end
  start8, stop8 = request.ends[1], request.ends[2]
  for _, other in ipairs(request.args.rooms) do
    if Occupancy.is_free(pages, other, start8, stop8, request.current_slot) then
      return other, start8, stop8
    end
  end
  return nil
end

return Merges
