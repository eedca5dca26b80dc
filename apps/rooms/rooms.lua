--[[
What a write of the meeting rooms means: dependency checks, updates and merge procedures (Terry 1995, section 4).

Contract. Returns {check, update, merge, lists}, pure functions over (pages, write) that the engine runs inside Redis at every
replica, each time the write is played: check first, then update where it returned true, else merge. They see the pages that
the write declares and the write itself; no clock, no randomness, no configuration. So the values of policies travel in
write.args. An error() here makes the outcome `failed`, with no change.

Writes. Times are whole minutes since 1970 (UTC). `;` separates what stands in every write of that op from what may stand.
  reserve  check first_choice_free   args room, slots = {{start, end}, ...} by preference, purpose; series
  move     check first_choice_free   args reservation = "USER/REQUEST", room, slots
  cancel   check reservation_stands  args reservation, room (for people only)
Merge procedures of reserve and move. All but give_up first try the other slots in order of preference, in args.room.
  first_free_alternative  nothing more
  nearest_free_time       args window_min, day_start, day_end: the time nearest to the first choice, of its length and in its
                          room, inside both the window around it and its local day; of two equally near, the earlier
  another_room            args rooms: the time of the first choice, in the first of these rooms that is free
  give_up                 only the first choice will do

Pages (apps/rooms/pages.py reads the same format).
  room:ROOM/YYYY-MM-DD      one per room and UTC day. Field: start, 8 digits. Value: END8 \t USER \t REQUEST \t PURPOSE.
                            A slot over midnight stands in the page of each day that it touches, same field, same value.
  reservation:USER/REQUEST  state reserved|rejected|cancelled; room, start, end (while it has a place); reason (while
                            rejected); purpose; series; write (id of the last that changed it); asked = ROOM \t START8/END8 ...;
                            pages = room pages where it may be, by newlines; requests = the last moves and cancels, by blanks

Statuses. `updated`, `merged` (detail START8/END8 ROOM, but none for a cancel) · `rejected no_alternative` · `duplicate` (this
request was taken before) · `unknown` (no such reservation) · `forbidden` (not its owner) · `cancelled` (it is, already) ·
`moved_meanwhile` (it stands on a page that the write did not declare) · `unmoved` (nothing free; it stays at the detail's place).

Invariants kept: 8 (no two reservations overlap in a room: every entry that is set was tested free in the same play),
13 (one request of a user, at most one reservation: the reservation's page is its identity).
]]

local floor, min, max, abs, huge = math.floor, math.min, math.max, math.abs, math.huge
local format, sub, match, find, gsub = string.format, string.sub, string.match, string.find, string.gsub

local DAY_MIN = 1440
local MINUTE_MAX = 99999999 -- eight digits
local REQUESTS_MAX = 8
local CHECKS = { reserve = "first_choice_free", move = "first_choice_free", cancel = "reservation_stands" }

-- YYYY-MM-DD of a day counted from 1970-01-01: the Gregorian calendar in cycles of 400 years that begin on 1 March.
local function date_of(day)
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
  return format("%04d-%02d-%02d", year, month, day_of_month)
end

-- Calls visit(page) for each day that [start, stop) touches, in order, until one call returns true; returns whether one did.
-- Its cost is bounded by the pages declared: to touch one more is an error.
local function any_day(room, start, stop, visit)
  for day = floor(start / DAY_MIN), floor((stop - 1) / DAY_MIN) do
    if visit("room:" .. room .. "/" .. date_of(day)) then
      return true
    end
  end
  return false
end

-- Both ends as 8 digits, so that times compare as text; refuses what is no slot, for an empty one would overlap nothing.
local function ends8(start, stop)
  assert(0 <= start and start < stop and stop <= MINUTE_MAX and start % 1 == 0 and stop % 1 == 0, "not a slot")
  return format("%08d", start), format("%08d", stop)
end

-- The field at which a reservation that moves stands in this room's pages itself; false where it does not.
local function own_field(own, room)
  return own and own.room == room and own.start8
end

local function free(pages, room, start, stop, own)
  local start8, stop8 = ends8(start, stop)
  local skipped = own_field(own, room)
  local function taken(field, value)
    return field < stop8 and sub(value, 1, 8) > start8 and field ~= skipped
  end
  return not any_day(room, start, stop, function(page)
    return pages.any(page, taken)
  end)
end

-- The reservation that a write is about: its page, its owner, and the request that made it.
local function subject(write)
  if write.op == "reserve" then
    return "reservation:" .. write.user .. "/" .. write.request, write.user, write.request
  end
  local owner, request = match(write.args.reservation, "^([^/]+)/(.+)$")
  return "reservation:" .. write.args.reservation, owner, request
end

-- Where the reservation stands now, or nil.
local function place_of(pages, page)
  if pages.get(page, "state") ~= "reserved" then
    return nil
  end
  local start8, stop8 = pages.get(page, "start"), pages.get(page, "end")
  return {
    room = pages.get(page, "room"),
    start8 = start8,
    stop8 = stop8,
    start = tonumber(start8),
    stop = tonumber(stop8),
  }
end

-- What stands in the way of this write, whatever is free: a status, or nil.
local function obstacle(pages, write, own)
  local page, owner = subject(write)
  local state = pages.get(page, "state")
  if write.op == "reserve" then
    return state and "duplicate"
  end
  if not state then
    return "unknown"
  end
  if write.user ~= owner then
    return "forbidden"
  end
  if find(" " .. (pages.get(page, "requests") or "") .. " ", " " .. write.request .. " ", 1, true) then
    return "duplicate"
  end
  if state == "cancelled" then
    return "cancelled"
  end
  local function undeclared(room_page)
    return not pages.declares(room_page)
  end
  if own and any_day(own.room, own.start, own.stop, undeclared) then
    return "moved_meanwhile"
  end
  return nil
end

local function leave(pages, own)
  if own then
    any_day(own.room, own.start, own.stop, function(page)
      pages.delete(page, own.start8)
    end)
  end
end

-- Notes on the reservation's page which write changed it last, and for a move or cancel its request.
local function sign(pages, page, write)
  pages.set(page, "write", write.id)
  if write.op == "reserve" then
    return
  end
  local requests = pages.get(page, "requests")
  requests = requests and requests .. " " .. write.request or write.request
  local _, blanks = gsub(requests, " ", " ")
  if blanks >= REQUESTS_MAX then
    requests = match(requests, "^[^ ]* (.*)$")
  end
  pages.set(page, "requests", requests)
end

-- Notes what was asked, and the room pages where the reservation may be from now on.
local function ask(pages, page, write)
  local args, slots, room_pages = write.args, {}, {}
  for _, slot in ipairs(args.slots) do
    local start8, stop8 = ends8(slot[1], slot[2])
    slots[#slots + 1] = start8 .. "/" .. stop8
  end
  for _, declared in ipairs(write.pages) do
    if sub(declared, 1, 5) == "room:" then
      room_pages[#room_pages + 1] = declared
    end
  end
  pages.set(page, "asked", args.room .. "\t" .. table.concat(slots, " "))
  pages.set(page, "pages", table.concat(room_pages, "\n"))
  if write.op == "reserve" then
    pages.set(page, "purpose", args.purpose)
    if args.series then
      pages.set(page, "series", args.series)
    end
  end
end

-- Gives the reservation a place that was tested free; returns the detail of the outcome.
local function place(pages, write, own, room, start, stop)
  local page, owner, request = subject(write)
  leave(pages, own)
  ask(pages, page, write)
  sign(pages, page, write)
  local start8, stop8 = ends8(start, stop)
  local value = stop8 .. "\t" .. owner .. "\t" .. request .. "\t" .. pages.get(page, "purpose")
  any_day(room, start, stop, function(room_page)
    pages.set(room_page, start8, value)
  end)
  pages.set(page, "state", "reserved")
  pages.set(page, "room", room)
  pages.set(page, "start", start8)
  pages.set(page, "end", stop8)
  pages.delete(page, "reason")
  return start8 .. "/" .. stop8 .. " " .. room
end

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

-- Merge procedures: (pages, write, own) -> room, start, stop of a free place, or nil. The first choice is known to be taken.
local merges = {}

function merges.give_up()
  return nil
end

function merges.first_free_alternative(pages, write, own)
  local args = write.args
  for preference = 2, #args.slots do
    local slot = args.slots[preference]
    if free(pages, args.room, slot[1], slot[2], own) then
      return args.room, slot[1], slot[2]
    end
  end
  return nil
end

function merges.nearest_free_time(pages, write, own)
  local room, start, stop = merges.first_free_alternative(pages, write, own)
  if room then
    return room, start, stop
  end
  local args = write.args
  local wanted, duration = args.slots[1][1], args.slots[1][2] - args.slots[1][1]
  local low = max(args.day_start, wanted - args.window_min)
  local high = min(args.day_end, wanted + duration + args.window_min)
  start = nearest_start(pages, args.room, wanted, duration, low, high, own)
  if start then
    return args.room, start, start + duration
  end
  return nil
end

function merges.another_room(pages, write, own)
  local room, start, stop = merges.first_free_alternative(pages, write, own)
  if room then
    return room, start, stop
  end
  local first = write.args.slots[1]
  for _, other in ipairs(write.args.rooms) do
    if free(pages, other, first[1], first[2], own) then
      return other, first[1], first[2]
    end
  end
  return nil
end

local app = {}

function app.check(pages, write)
  -- The op decides what is tested: a write that names a laxer check than its op's must not slip by.
  assert(write.check == CHECKS[write.op], "not the check of this op")
  local own = place_of(pages, (subject(write)))
  if obstacle(pages, write, own) then
    return false
  end
  if write.op == "cancel" then
    return true
  end
  local first = write.args.slots[1]
  return free(pages, write.args.room, first[1], first[2], own)
end

function app.update(pages, write)
  local page = subject(write)
  local own = place_of(pages, page)
  if write.op ~= "cancel" then
    local first = write.args.slots[1]
    return "updated", place(pages, write, own, write.args.room, first[1], first[2])
  end
  leave(pages, own)
  for _, field in ipairs({ "room", "start", "end", "reason" }) do
    pages.delete(page, field)
  end
  pages.set(page, "state", "cancelled")
  sign(pages, page, write)
  return "updated"
end

function app.merge(pages, write)
  local page = subject(write)
  local own = place_of(pages, page)
  local status = obstacle(pages, write, own)
  if status then
    return status
  end
  local room, start, stop = merges[write.merge](pages, write, own)
  if room then
    return "merged", place(pages, write, own, room, start, stop)
  end
  if write.op == "move" then
    return "unmoved", own and own.start8 .. "/" .. own.stop8 .. " " .. own.room
  end
  ask(pages, page, write)
  sign(pages, page, write)
  pages.set(page, "state", "rejected")
  pages.set(page, "reason", "no_alternative")
  return "rejected", "no_alternative"
end

-- {list, member} of each append-only list that this write adds to, whatever its outcome.
function app.lists(write)
  if write.op == "cancel" then
    return {}
  end
  local entries = { { "rooms", write.args.room } }
  if write.op == "reserve" then
    entries[2] = { "user:" .. write.user, write.request }
  end
  for _, room in ipairs(write.args.rooms or {}) do
    entries[#entries + 1] = { "rooms", room }
  end
  return entries
end

return app
