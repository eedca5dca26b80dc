--[[
What a write of the meeting rooms means: dependency checks, updates and merge procedures (Terry 1995, section 4). The files of
this folder are one chunk, in the order in which apps/rooms/__init__.py names them; this is the last of them.

Contract. Returns {check, update, merge, lists, notes}, pure functions that the engine runs inside Redis at every replica, each
time the write is played: check first, then update where it returned true, else merge. They see the pages that the write declares
and the write itself; no clock, no randomness, no configuration. So the values of policies travel in write.args. An error() here
makes the outcome `failed`, with no change.

Writes. Times are whole minutes since 1970 (UTC); a slot is START8/END8, each in 8 digits. `;` separates what stands in every write
of that op from what may stand.
  reserve  check first_choice_free   args room, slots = START8/END8 ... by preference, purpose; series, limit
  move     check first_choice_free   args reservation = "USER/REQUEST", room, slots; limit
  cancel   check reservation_stands  args reservation, room (for people only); reason
  reserve_series  check every_first_choice_free   args room, purpose, rule, except (dates by blanks), zone, occurrences_wanted,
                  occurrences = {{date, slots; day_start, day_end}, ...}; limit
  move_series     check every_first_choice_free   args series = "USER/REQUEST", occurrences = {{date, room, slots; ...}, ...},
                  occurrences_wanted; limit
  cancel_series   check every_reservation_stands  args series, room, occurrences = {{date}, ...}; reason
  occurrences_wanted is all_or_nothing or best_effort; limit = {open, at}: see standing.lua.
Merge procedures of all that look for places; they are those of every occurrence. All but give_up first try the other slots in
order of preference, in args.room.
  first_free_alternative  nothing more
  nearest_free_time       args window_min, day_start, day_end: the time nearest to the first choice, of its length and in its
                          room, inside both the window around it and the open hours of its local day; of two equally near, the
                          earlier
  another_room            args rooms: the time of the first choice, in the first of these rooms that is free
  give_up                 only the first choice will do

Pages (apps/rooms/pages.py reads the same format).
  room:ROOM/YYYY-MM-DD      one per room and UTC day. Field: start, 8 digits. Value: END8 \t USER \t REQUEST \t PURPOSE.
                            A slot over midnight stands in the page of each day that it touches, same field, same value.
  reservation:USER/REQUEST  state = reserved START8/END8 ROOM, rejected CODE, cancelled, or cancelled USER \t REASON where one was
                            given; asked (last) = ROOM \t START8/END8 ... \t PURPOSE; series; pages = room pages where it may be
                            beyond those of the slots, by newlines; write (id of the last move or cancel that changed it);
                            requests = the last moves and cancels, by blanks. An occurrence's request is SERIES~DATE.
                            Of a series: state series; rule, zone, except, wanted, dates (of its occurrences, by blanks), write,
                            requests. So one request is one reservation, or one series.
  user:USER                 open reservations of a user. Field: request. Value: END8. Kept only under that policy.
  Notes, on a reservation's page: WRITE ID \t OP (none for reserve) \t OUTCOME, and \t USER where it is not the owner.

Statuses. `updated`, `merged` (detail START8/END8 ROOM, but none for a cancel) · `rejected` (no_alternative, open_reservations,
series: another occurrence found nothing) · `duplicate` (this request was taken before) · `unknown` (no such reservation) ·
`forbidden` (not its owner) · `cancelled` (it is, already) · `moved_meanwhile` (it stands on a page that the write did not
declare) · `unmoved` (nothing free; it stays at the detail's place) · `kept` (it stays, since another occurrence found nothing) · `open_reservations` (a move would make one too many).

Invariants kept: 8 (no two reservations overlap in a room: every entry that is set was tested free in the same play),
13 (one request of a user, at most one reservation: the reservation's page is its identity).
]]

local CHECKS = {
  reserve = "first_choice_free",
  move = "first_choice_free",
  cancel = "reservation_stands",
  reserve_series = "every_first_choice_free",
  move_series = "every_first_choice_free",
  cancel_series = "every_reservation_stands",
}
-- Statuses that say nothing of the reservation; where they are of one, they have no detail.
local OF_NOBODY = { duplicate = true, unknown = true, forbidden = true }

-- What the check of the write that is played found: update and merge go on from there. Where its reservation stands; the status that
-- stands in its way; where there is none, and it looks for a place, whether its owner holds enough.
local own, in_its_way, is_enough

local app = {}

function app.check(pages, write)
  -- The op decides what is tested: a write that names a laxer check than its op's must not slip by.
  assert(write.check == CHECKS[write.op], "not the check of this op")
  if PARTS[write.op] then
    return series_is_free(pages, write)
  end
  local wish = single(write)
  own = place_of(pages, wish)
  in_its_way = obstacle(pages, write, wish, own)
  if in_its_way then
    return false
  end
  if wish.op == "cancel" then
    return true
  end
  is_enough = holds_enough(pages, write, wish, own)
  return not is_enough and free(pages, wish.args.room, wish.ends[1], wish.ends[2], own)
end

local function put(pages, write, wish, room, start8, stop8)
  forget_ended(pages, write, wish.owner)
  claim(pages, wish, own, room, start8, stop8)
  return settle(pages, write, wish, room, start8, stop8)
end

function app.update(pages, write)
  if PARTS[write.op] then
    return play_series(pages, write, true)
  end
  local wish = single(write)
  if wish.op == "cancel" then
    cancel(pages, write, wish, own)
    return "updated"
  end
  return "updated", put(pages, write, wish, wish.args.room, wish.ends[1], wish.ends[2])
end

function app.merge(pages, write)
  if PARTS[write.op] then
    return play_series(pages, write, false)
  end
  if in_its_way then
    return in_its_way
  end
  local wish = single(write)
  if is_enough then
    return refuse(pages, write, wish, own, "open_reservations")
  end
  local room, start8, stop8 = merges[write.merge](pages, wish, own)
  if room then
    return "merged", put(pages, write, wish, room, start8, stop8)
  end
  return refuse(pages, write, wish, own, "no_alternative")
end

-- The append-only lists that this write adds to, whatever its outcome: list, member, ...
function app.lists(write)
  local op, args = write.op, write.args
  if op == "cancel" or op == "cancel_series" then
    return {}
  end
  local user = "user:" .. write.user
  if op == "reserve" and not args.rooms then
    return { "rooms", args.room, user, write.request } -- as most are
  end
  local entries = {}
  local function add(list, member)
    entries[#entries + 1] = list
    entries[#entries + 1] = member
  end
  local function add_rooms(first, others)
    if first then
      add("rooms", first)
    end
    for _, room in ipairs(others or {}) do
      add("rooms", room)
    end
  end
  add_rooms(args.room, args.rooms)
  if op == "reserve" then
    add(user, write.request)
  end
  for _, occurrence in ipairs(args.occurrences or {}) do
    if op == "reserve_series" then
      add(user, write.request .. "~" .. occurrence.date)
    end
    add_rooms(occurrence.room, occurrence.rooms)
  end
  return entries
end

local function note(write, owner, op, became)
  local text = write.id .. "\t" .. (op == "reserve" and "" or op) .. "\t" .. became
  return write.user == owner and text or text .. "\t" .. write.user
end

-- The reservations whose history a commit of this write with this outcome is part of: page, text, ...
function app.notes(write, outcome)
  if not PARTS[write.op] then
    if OF_NOBODY[outcome] then
      return {}
    end
    local wish = single(write)
    return { wish.page, note(write, wish.owner, wish.op, outcome) }
  end
  local status = match(outcome, "^%S+")
  if OF_NOBODY[status] then
    return {}
  end
  local owner, request = series_of(write)
  local notes = { "reservation:" .. owner .. "/" .. request, note(write, owner, PARTS[write.op], status) }
  local wishes, number = wishes_of(write), 0
  for became in gmatch(sub(outcome, #status + 2), "[^\t]+") do
    number = number + 1
    if not OF_NOBODY[match(became, "^%S+")] then
      notes[#notes + 1] = wishes[number].page
      notes[#notes + 1] = note(write, owner, PARTS[write.op], became)
    end
  end
  return notes
end

return app
