-- Merge procedures: (pages, args, own) -> room, start, stop of a free place, or nil. The first choice is known to be taken.

-- The start nearest to `wanted` of a free time of this duration inside [low, high): of each gap between entries, the one nearest
-- point; gaps come in time order, so the earlier of two equally near stays. nil when no gap is long enough.
local function nearest_start(pages, room, wanted, duration, low, high, own)
  local best, best_distance = nil, huge
  local function consider(gap_start, gap_stop)
    if gap_stop - gap_start >= duration then
      local start = min(max(wanted, gap_start), gap_stop - duration)
      if abs(start - wanted) < best_distance then
        best, best_distance = start, abs(start - wanted)
      end
    end
  end
  local skipped, cursor = own_field(own, room), low
  any_day(room, low, high, function(page)
    for _, field in ipairs(pages.fields(page)) do
      if field ~= skipped then
        consider(cursor, min(tonumber(field), high))
        cursor = max(cursor, tonumber(sub(pages.get(page, field), 1, 8)))
      end
    end
  end)
  consider(cursor, high)
  return best
end

local merges = {}

function merges.give_up()
  return nil
end

function merges.first_free_alternative(pages, args, own)
  for preference = 2, #args.slots do
    local slot = args.slots[preference]
    if free(pages, args.room, slot[1], slot[2], own) then
      return args.room, slot[1], slot[2]
    end
  end
  return nil
end

function merges.nearest_free_time(pages, args, own)
  local room, start, stop = merges.first_free_alternative(pages, args, own)
  if room then
    return room, start, stop
  end
  local wanted, duration = args.slots[1][1], args.slots[1][2] - args.slots[1][1]
  local low = max(args.day_start, wanted - args.window_min)
  local high = min(args.day_end, wanted + duration + args.window_min)
  start = nearest_start(pages, args.room, wanted, duration, low, high, own)
  if start then
    return args.room, start, start + duration
  end
  return nil
end

function merges.another_room(pages, args, own)
  local room, start, stop = merges.first_free_alternative(pages, args, own)
  if room then
    return room, start, stop
  end
  local first = args.slots[1]
  for _, other in ipairs(args.rooms) do
    if free(pages, other, first[1], first[2], own) then
      return other, first[1], first[2]
    end
  end
  return nil
end
