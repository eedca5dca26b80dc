-- Merge procedures: (pages, wish, own) -> room, start8, stop8 of a free place, or nil. The first choice is known to be taken.

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
  any_page(room, function(page)
    for _, field in ipairs(pages.fields(page)) do
      if field ~= skipped then
        consider(cursor, min(tonumber(field), high))
        cursor = max(cursor, tonumber(sub(pages.get(page, field), 1, 8)))
      end
    end
  end, floor(low / DAY_MIN), floor((high - 1) / DAY_MIN))
  consider(cursor, high)
  return best
end

local merges = {}

function merges.give_up()
  return nil
end

function merges.first_free_alternative(pages, wish, own)
  local ends, room = wish.ends, wish.args.room
  for at = 3, #ends, 2 do
    if free(pages, room, ends[at], ends[at + 1], own) then
      return room, ends[at], ends[at + 1]
    end
  end
  return nil
end

function merges.nearest_free_time(pages, wish, own)
  local room, start8, stop8 = merges.first_free_alternative(pages, wish, own)
  if room then
    return room, start8, stop8
  end
  local wanted = tonumber(wish.ends[1])
  local duration = tonumber(wish.ends[2]) - wanted
  local low, high = window_of(wish)
  local start = nearest_start(pages, wish.args.room, wanted, duration, low, high, own)
  if start then
    return wish.args.room, format("%08d", start), format("%08d", start + duration)
  end
  return nil
end

function merges.another_room(pages, wish, own)
  local room, start8, stop8 = merges.first_free_alternative(pages, wish, own)
  if room then
    return room, start8, stop8
  end
  for _, other in ipairs(wish.args.rooms) do
    if free(pages, other, wish.ends[1], wish.ends[2], own) then
      return other, wish.ends[1], wish.ends[2]
    end
  end
  return nil
end
