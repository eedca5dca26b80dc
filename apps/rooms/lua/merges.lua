-- The merge procedures: (pages, request) -> room, start8, stop8 of a free slot; nil if there is none. The caller
-- knows that the first choice is taken.

--- @include "occupancy"
--- @include "requests"
--- @include "slots"

local Merges = {}

local abs, floor, huge, max, min = math.abs, math.floor, math.huge, math.max, math.min
local concat, format, sort, sub = table.concat, string.format, table.sort, string.sub

-- The start nearest to `wanted` of a time of this duration inside [low, high) that is free in each room of the slot; nil
-- if no gap is long enough. Each gap between two entries offers its nearest point. Gaps come in the order of time, so
-- of two equally near the earlier one wins.
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
  local taken, cursor = {}, low -- START8END8 of the entries of all rooms
  Slots.any_page(room, function(page, one)
    local skipped = Occupancy.own_field(current_slot, one)
    for _, field in ipairs(pages.fields(page)) do
      if field ~= skipped then
        taken[#taken + 1] = field .. sub(pages.get(page, field), 1, 8)
      end
    end
  end, floor(low / Slots.DAY_MIN), floor((high - 1) / Slots.DAY_MIN))
  sort(taken)
  for _, entry in ipairs(taken) do
    consider(cursor, min(tonumber(sub(entry, 1, 8)), high))
    cursor = max(cursor, tonumber(sub(entry, 9)))
  end
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
  local rooms, used = {}, {}
  for _, wanted in ipairs(Slots.rooms_of(request.args.room)) do
    used[wanted] = true
  end
  local function is_free(one)
    return Occupancy.is_free(pages, one, start8, stop8, request.current_slot)
  end
  local function other_room()
    for _, other in ipairs(request.args.rooms) do
      if not used[other] and is_free(other) then
        used[other] = true
        return other
      end
    end
    return nil
  end
  for number, wanted in ipairs(Slots.rooms_of(request.args.room)) do
    rooms[number] = is_free(wanted) and wanted or other_room()
    if not rooms[number] then
      return nil
    end
  end
  return concat(rooms, "+"), start8, stop8
end

return Merges
