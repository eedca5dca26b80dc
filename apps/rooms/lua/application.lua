--[[
What a write of the meeting rooms means: dependency checks, updates and merge procedures (Terry 1995, section 4).

Contract. Returns {check, update, merge, lists, notes, needs, forbidden}. They are pure functions, which the engine runs
inside Redis at every replica each time a write is played: check first, then update where it returned true, else merge.
They see the pages that the write declares, and the write itself: no clock, no randomness, no configuration. So the
values of policies travel in write.args. The second value that check returns is handed to update and merge; they share
nothing else. An error makes the outcome `failed`, and nothing changes.

Writes. Times are whole minutes since 1970 (UTC); a slot is START8/END8, each time in eight digits. Arguments after `;`
are optional. A `room` is one room, or several that are reserved together, joined by `+`: 6.12+6.14. Then it is granted,
moved and freed in all of them or in none; each entry of `rooms` is one room.
  reserve  check first_choice_free   args room, slots = START8/END8 ... by preference, purpose; series, limit, owner
  move     check first_choice_free   args reservation = "USER/REQUEST", room, slots; limit, purpose
  cancel   check reservation_stands  args reservation, room (for people only); reason
  edit     check reservation_stands  args reservation, room (for people only); purpose, owner, limit: gives it this
                                     purpose, this owner, or both
  reserve_series  check every_first_choice_free   args room, purpose, rule, except (dates, separated by blanks), zone,
                  occurrences_wanted, limit, occurrences = {{date, slots; room, purpose, day_start, day_end}, ...};
                  closed (those dates of except that a policy left out), owner
  move_series     check every_first_choice_free   args series = "USER/REQUEST", occurrences_wanted,
                  occurrences = {{date, room, slots; ...}, ...}; limit
  cancel_series   check every_reservation_stands  args series, room, occurrences = {{date}, ...}; reason
  extend_series   check every_first_choice_free   args series, room, purpose, occurrences_wanted,
                  occurrences = {{date, slots; room, purpose, ...}, ...}; rule, limit: adds these occurrences, or
                  brings them back. One that has a slot keeps it.
  edit_series     check every_reservation_stands  args series, room, occurrences = {{date}, ...}; purpose, owner, limit
  owner is who is to own it; without it, what is made belongs to the user of the write, and an edit leaves the owner.
  by_manager is true if only a manager may ask for that: to make something for somebody else, or to hand over what
  somebody else owns.
  occurrences_wanted is all_or_nothing or best_effort; limit = {open, at}: see Occupancy.limit_reached.

Merge procedures of the writes that want a slot; a series uses its procedure for every occurrence. All but give_up first
try the other slots in args.room, in the order of preference. Then:
  first_free_alternative  nothing more
  nearest_free_time       args window_min, day_start, day_end: the time nearest to the first choice, of the same length
                          and in the same room, inside both the window around it and the open hours of its local day;
                          of two equally near, the earlier
  another_room            args rooms: the time of the first choice, in the first of these rooms that is free. Of several
                          rooms, those that are free stay, and each of the others is replaced.
  give_up                 only the first choice will do

Pages (apps/rooms/pages.py reads the same format).
  room:ROOM/YYYY-MM-DD      one for each room and UTC day. Field: start, eight digits. Value: END8 \t USER \t REQUEST \t
                            PURPOSE, and \t ROOM if it has several rooms. If somebody else owns it, USER is
                            followed by a blank and OWNER. A slot over midnight stands on the page of each day that it
                            touches, same field, same value.
  reservation:USER/REQUEST  of a reservation:
                              state     reserved START8/END8 ROOM, rejected CODE, cancelled, or cancelled USER \t REASON
                              asked     what was asked for last: ROOM \t START8/END8 ... \t PURPOSE
                              first     what the request that made it asked for, once a move or an edit has replaced `asked`
                              series    the request of the series that it belongs to
                              pages     the room pages that may hold it beyond those of the slots, separated by newlines
                              owner     who owns it, if that is not USER
                              made_for  the first owner, once it was handed over
                              write     the id of the last move, edit or cancel that changed it
                              requests  the last moves, edits and cancels, as REQUEST=WHAT or USER/REQUEST=WHAT
                                        (Requests.remembered_as and Requests.what), separated by blanks
                            The request of an occurrence is SERIES~DATE.
                            Of a series: state series; rule, zone, except, wanted, dates (of its occurrences, separated
                            by blanks), write, requests, owner, made_for; first, the rule before it was extended. So one
                            request is one reservation or one series.
  user:USER                 the open reservations that a user owns, kept only under that policy. Field: request, or
                            USER/REQUEST if somebody else made it. Value: END8.
  Notes, on the page of a reservation: WRITE ID \t OP (empty for reserve) \t OUTCOME \t USER (empty for who made it) \t
  ACCEPTED_AT (empty if the stamp of the write is its time) \t OWNER (empty if the write gives none). Empty values
  at the end are left out.

Statuses.
  updated, merged    done; the detail is START8/END8 ROOM, none for a cancel and for an edit of what has no slot
  rejected           no slot; the detail is no_alternative, open_reservations, or series: another occurrence got none
                     (the state of a reservation may also be `rejected forbidden`)
  duplicate          this request was taken before; it has its effect. Of an occurrence: it has a slot already
  differs            a request with this id was taken before, and asked for something else
  unknown            no such reservation
  forbidden          the user is not its owner; with a detail: the user was revoked, or has too low a role, where the
                     write is committed (apps/people/people.lua)
  cancelled          it is cancelled already
  moved_meanwhile    it stands on a page that the write did not declare
  unmoved            nothing is free; it stays in the slot of the detail
  kept               it stays, because another occurrence got no slot
  open_reservations  the move, or the new owner, would make one open reservation too many

Invariants kept: 8 (no two reservations of a room overlap: every entry was tested free in the play that sets it), 13
(one request of a user makes at most one reservation: the page of the reservation is its identity).
]]

--- @include "changes"
--- @include "merges"
--- @include "occupancy"
--- @include "requests"
--- @include "series"
--- @include "slots"

local PART_OPS = Requests.PART_OPS
local find, gmatch, match, sub = string.find, string.gmatch, string.match, string.sub
local abs, floor = math.abs, math.floor
local STAMP_OFF_S_MAX = 60 -- a stamp that is further from the time of the write does not count as its time

local CHECKS = {
  reserve = "first_choice_free",
  move = "first_choice_free",
  cancel = "reservation_stands",
  edit = "reservation_stands",
  reserve_series = "every_first_choice_free",
  move_series = "every_first_choice_free",
  extend_series = "every_first_choice_free",
  cancel_series = "every_reservation_stands",
  edit_series = "every_reservation_stands",
}
local MAKES = { reserve = true, reserve_series = true }
local FORBIDDEN = "forbidden"
-- Outcomes that are no part of the history of the reservation. They have no detail.
local NOT_IN_HISTORY = { duplicate = true, differs = true, unknown = true, forbidden = true }

local app = {}

-- The second value, for update and merge, is the request of a write about one reservation, with what the check found.
function app.check(pages, write)
  -- The op decides what is tested: a write that names a laxer check than that of its op is an error.
  assert(write.check == CHECKS[write.op], "not the check of this op")
  local owner = write.args.owner
  assert(not owner or find(owner, "^[%w._@+-]+$"), "not a name")
  if MAKES[write.op] then
    assert(write.args.by_manager or Requests.new_owner(write) == write.user, "only a manager makes it for others")
  end
  if PART_OPS[write.op] then
    return Series.is_free(pages, write)
  end
  local request = Requests.request_of(write)
  Occupancy.inspect(pages, write, request)
  if request.obstacle or not request.ends then
    return not request.obstacle, request
  end
  if Occupancy.limit_reached(pages, write, request) then
    request.limit_reached = true
    return false, request
  end
  local ends = request.ends
  return Occupancy.is_free(pages, request.args.room, ends[1], ends[2], request.current_slot), request
end

local function reserve(pages, write, request, room, start8, stop8)
  Occupancy.forget_ended(pages, write, request.owner)
  Changes.claim(pages, request, room, start8, stop8)
  return Changes.reserve(pages, write, request, room, start8, stop8)
end

-- The user of the write and, if it needs more than a user, the role that it needs.
function app.needs(write)
  return write.user, write.args.by_manager and "manager" or nil
end

function app.update(pages, write, request)
  if PART_OPS[write.op] then
    return Series.play(pages, write, true)
  end
  if not request.ends then
    return Changes.change(pages, write, request)
  end
  return "updated", reserve(pages, write, request, request.args.room, request.ends[1], request.ends[2])
end

function app.merge(pages, write, request)
  if PART_OPS[write.op] then
    return Series.play(pages, write, false)
  end
  if request.obstacle then
    return request.obstacle
  end
  if request.limit_reached then
    return Changes.refuse(pages, write, request, "open_reservations")
  end
  local room, start8, stop8 = Merges[write.merge](pages, request)
  if room then
    return "merged", reserve(pages, write, request, room, start8, stop8)
  end
  return Changes.refuse(pages, write, request, "no_alternative")
end

-- What the pages show of a write that a judge forbids where it is committed: a new reservation or series is rejected, and
-- anything else stays as it is.
function app.forbidden(pages, write)
  if write.op == "reserve_series" then
    return Series.reject(pages, write, FORBIDDEN)
  end
  local request = write.op == "reserve" and Requests.request_of(write)
  if request and not pages.get(request.page, "state") then
    Changes.refuse(pages, write, request, FORBIDDEN)
  end
end

-- The append-only lists that this write adds to, whatever its outcome: list, entry, list, entry, ...
function app.lists(write)
  local op, args = write.op, write.args
  local is_edit = match(op, "^edit")
  if match(op, "^cancel") or (is_edit and not args.owner) then
    return {}
  end
  local user, id = Requests.target_of(write)
  local owner = Requests.new_owner(write)
  local list = "user:" .. owner
  if op == "reserve" and not args.rooms and not find(args.room, "+", 1, true) then
    return { "rooms", args.room, list, Requests.name_for(owner, user, id) } -- the usual case, without closures
  end
  local entries = {}
  local function add(to, entry)
    entries[#entries + 1] = to
    entries[#entries + 1] = entry
  end
  local function add_rooms(first, others)
    for _, room in ipairs(first and Slots.rooms_of(first) or {}) do
      add("rooms", room)
    end
    for _, room in ipairs(others or {}) do
      add("rooms", room)
    end
  end
  if not is_edit then
    add_rooms(args.room, args.rooms)
  end
  if op == "reserve" or op == "edit" then
    add(list, Requests.name_for(owner, user, id))
  end
  for _, occurrence in ipairs(args.occurrences or {}) do
    if op ~= "move_series" then
      add(list, Requests.name_for(owner, user, id .. "~" .. occurrence.date))
    end
    add_rooms(occurrence.room, occurrence.rooms)
  end
  return entries
end

-- Seconds since 1970 of a time in ISO 8601 (UTC). Days are counted from March, so that a leap day ends a year.
local function seconds_of(time)
  local year, month, day, hour, minute, second = match(time or "", "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
  if not year then
    return
  end
  local months = year * 12 + month - 3 -- since March of the year 0
  local years = floor(months / 12)
  local days = years * 365 + floor(years / 4) - floor(years / 100) + floor(years / 400)
  days = days + floor((months % 12 * 153 + 2) / 5) + day - 719469
  return ((days * 24 + hour) * 60 + minute) * 60 + second
end

-- Whether the stamp says when the write was accepted. It does not after a clock that was ahead: stamps never fall.
local function is_timely(write)
  local seconds = seconds_of(write.accepted_at)
  return not seconds or abs(match(write.id, "^%d+") / 1000000 - seconds) < STAMP_OFF_S_MAX
end

local function note(write, user, op, outcome)
  local text = write.id .. "\t" .. (op == "reserve" and "" or op) .. "\t" .. outcome
  local by, at, owner = write.user == user and "" or write.user, "", write.args.owner
  if not is_timely(write) then
    at = write.accepted_at
  end
  if owner then
    return text .. "\t" .. by .. "\t" .. at .. "\t" .. owner
  end
  if at ~= "" then
    return text .. "\t" .. by .. "\t" .. at
  end
  return by == "" and text or text .. "\t" .. by
end

-- What the commit of this write with this outcome adds to the history of reservations: page, text, page, text, ...
function app.notes(write, outcome)
  local part_op = PART_OPS[write.op]
  local is_judged = part_op and find(outcome, "^forbidden ")
  local status = part_op and not is_judged and match(outcome, "^%S+") or outcome
  if NOT_IN_HISTORY[status] then
    return {}
  end
  local user, id = Requests.target_of(write)
  local page = Requests.page_of(user, id)
  if not part_op then
    return { page, note(write, user, write.op, outcome) }
  end
  local notes = { page, note(write, user, part_op, status) }
  local requests, number = Requests.requests_of(write), 0
  if is_judged then
    for _, request in ipairs(requests) do
      notes[#notes + 1] = request.page
      notes[#notes + 1] = note(write, user, part_op, outcome)
    end
    return notes
  end
  for of_occurrence in gmatch(sub(outcome, #status + 2), "[^\t]+") do
    number = number + 1
    if not NOT_IN_HISTORY[match(of_occurrence, "^%S+")] then
      notes[#notes + 1] = requests[number].page
      notes[#notes + 1] = note(write, user, part_op, of_occurrence)
    end
  end
  return notes
end

return app
