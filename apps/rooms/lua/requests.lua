-- A write as requests. A request is what the write asks about one reservation: a write about a series holds one request
-- for each occurrence, any other write holds one.
--
-- The fields of a request:
--   op             reserve | move | extend | cancel | edit
--   user, id       the reservation is USER/ID: who made it, and the id of the request that made it
--   owner          who owns it; of a move, an edit and a cancel Occupancy.inspect finds it on the page
--   page           the page of the reservation
--   args           the arguments of a write about this reservation alone: room, slots, ...
--   ends           the ends of its slots: start8, stop8, start8, ...; false for a cancel and an edit
--   is_occurrence  true if it is part of a series
-- Occupancy.inspect adds what it finds on the pages: current_slot, obstacle.

--- @include "slots"

local match, max, min = string.match, math.max, math.min

-- The op of a series -> the op of each of its requests.
local PART_OPS = {
  reserve_series = "reserve",
  move_series = "move",
  extend_series = "extend",
  cancel_series = "cancel",
  edit_series = "edit",
}
local WANTS_SLOT = { reserve = true, move = true, extend = true }

-- The user and the id of the reservation or series that the write is about: who made it, by which request.
local function target_of(write)
  local op, args = write.op, write.args
  if op == "reserve" or op == "reserve_series" then
    return write.user, write.request
  end
  return match(PART_OPS[op] and args.series or args.reservation, "^([^/]+)/(.+)$")
end

-- The page of a reservation or series.
local function page_of(user, id)
  return "reservation:" .. user .. "/" .. id
end

-- Who owns what the write makes. Only the owner of a series extends it.
local function new_owner(write)
  return write.op ~= "extend_series" and write.args.owner or write.user
end

-- How lists and pages of an owner name a reservation: by its request, or as USER/REQUEST if somebody else made it.
local function name_for(owner, user, id)
  return owner == user and id or user .. "/" .. id
end

local function new_request(op, user, id, args, is_occurrence, owner)
  local ends = WANTS_SLOT[op] and Slots.ends_of(args.slots)
  return {
    op = op,
    user = user,
    id = id,
    owner = owner,
    page = page_of(user, id),
    args = args,
    ends = ends,
    is_occurrence = is_occurrence,
  }
end

-- The request of a write about one reservation.
local function request_of(write)
  local user, id = target_of(write)
  return new_request(write.op, user, id, write.args, false, new_owner(write))
end

-- The requests of a write about a series, in the order in which they are tried.
local function requests_of(write)
  local common, requests = write.args, {}
  local user, series = target_of(write)
  local owner = new_owner(write)
  for number, occurrence in ipairs(common.occurrences) do
    assert(match(occurrence.date, "^%d%d%d%d%-%d%d%-%d%d$"), "not a date")
    requests[number] = new_request(PART_OPS[write.op], user, series .. "~" .. occurrence.date, {
      room = occurrence.room or common.room,
      slots = occurrence.slots,
      day_start = occurrence.day_start,
      day_end = occurrence.day_end,
      window_min = common.window_min,
      rooms = occurrence.rooms or common.rooms,
      purpose = occurrence.purpose or common.purpose,
      reason = common.reason,
      owner = common.owner,
      series = series,
    }, true, owner)
  end
  return requests
end

-- How the page of a reservation names a request about it: by its id, or as USER/REQUEST if another user made it than
-- the one who made the reservation. Each user chooses ids, so two users may choose the same one.
local function remembered_as(write)
  return name_for((target_of(write)), write.user, write.request)
end

-- What a move, an edit or a cancel asks for, as a text without blanks: tells two requests with one id apart. Of a move of a
-- series, its first occurrence counts.
local function what(write)
  local args = write.args
  local first = args.occurrences and args.occurrences[1] or args
  local asked = "cancel"
  if first.slots then
    asked = match(first.slots, "^%S+") .. "@" .. first.room .. (args.purpose and "/" .. args.purpose or "")
  elseif args.owner then
    asked = "owner/" .. args.owner .. (args.purpose and "/" .. args.purpose or "")
  elseif args.purpose then
    asked = "edit/" .. args.purpose
  end
  if write.op == "extend_series" then
    asked = "extend/" .. first.date
  end
  return (string.gsub(asked, " ", "\t"))
end

-- For a request that takes the nearest free time: the first and the last minute of the search, as numbers.
local function search_window(request)
  local args, ends = request.args, request.ends
  local low, high = args.day_start, args.day_end
  assert(0 <= low and high <= Slots.MINUTE_MAX and low % 1 == 0 and high % 1 == 0, "not minutes")
  assert(args.window_min % 1 == 0, "not minutes")
  return max(low, tonumber(ends[1]) - args.window_min), min(high, tonumber(ends[2]) + args.window_min)
end

return {
  PART_OPS = PART_OPS,
  target_of = target_of,
  page_of = page_of,
  new_owner = new_owner,
  name_for = name_for,
  request_of = request_of,
  requests_of = requests_of,
  remembered_as = remembered_as,
  what = what,
  search_window = search_window,
}
