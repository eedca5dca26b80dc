-- A write in wishes: each is what the write asks about one reservation. A write of a series has one for each occurrence.
--
-- A wish: op reserve|move|cancel; owner, request, page of the reservation; args as those of a write about it alone (room, slots,
-- ...); ends of its slots, false of a cancel; member where it is part of a series.

local PARTS = { reserve_series = "reserve", move_series = "move", cancel_series = "cancel" }

-- The owner and the request that made the reservation or series `USER/REQUEST`.
local function split(id)
  return match(id, "^([^/]+)/(.+)$")
end

local function wish_of(op, owner, request, args, member)
  local page = "reservation:" .. owner .. "/" .. request
  local ends = op ~= "cancel" and ends_of(args.slots)
  return { op = op, owner = owner, request = request, page = page, args = args, ends = ends, member = member }
end

-- Of a wish that takes the nearest free time: from when to when that is looked for, as numbers.
local function window_of(wish)
  local args, ends = wish.args, wish.ends
  local low, high = args.day_start, args.day_end
  assert(0 <= low and high <= MINUTE_MAX and low % 1 == 0 and high % 1 == 0 and args.window_min % 1 == 0, "no minutes")
  return max(low, tonumber(ends[1]) - args.window_min), min(high, tonumber(ends[2]) + args.window_min)
end

local last, its_wish -- a write and its wish: check, update and merge of one play ask for the same

-- What a write asks about its one reservation.
local function single(write)
  if last == write then
    return its_wish
  end
  local owner, request = write.user, write.request
  if write.op ~= "reserve" then
    owner, request = split(write.args.reservation)
  end
  last, its_wish = write, wish_of(write.op, owner, request, write.args)
  return its_wish
end

-- Owner and request of the series that a write is about.
local function series_of(write)
  if write.op == "reserve_series" then
    return write.user, write.request
  end
  return split(write.args.series)
end

-- The wishes of a write about a series, in the order in which it wants them tried.
local function wishes_of(write)
  local common, wishes = write.args, {}
  local owner, request = series_of(write)
  for number, occurrence in ipairs(common.occurrences) do
    assert(match(occurrence.date, "^%d%d%d%d%-%d%d%-%d%d$"), "not a date")
    wishes[number] = wish_of(PARTS[write.op], owner, request .. "~" .. occurrence.date, {
      room = occurrence.room or common.room,
      slots = occurrence.slots,
      day_start = occurrence.day_start,
      day_end = occurrence.day_end,
      window_min = common.window_min,
      rooms = occurrence.rooms or common.rooms,
      purpose = common.purpose,
      reason = common.reason,
      series = request,
    }, true)
  end
  return wishes
end
