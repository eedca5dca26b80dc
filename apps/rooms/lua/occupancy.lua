-- Which slot a reservation holds, whether a slot is free, what stands in the way of a request, and how many open
-- reservations a user has.

--- @include "requests"
--- @include "slots"

local any_page, days_of, room_page, rooms_of = Slots.any_page, Slots.days_of, Slots.room_page, Slots.rooms_of
local find, match, sub = string.find, string.match, string.sub

-- The field in which the pages of this one room hold a moving reservation itself; nil if it is not in this room.
local function own_field(current_slot, room)
  for _, own in ipairs(current_slot and rooms_of(current_slot.room) or {}) do
    if own == room then
      return current_slot.start8
    end
  end
  return nil
end

-- Whether the slot is free in each of its rooms, apart from the current slot of a reservation that moves. The entries
-- of a room do not overlap. So of those that begin before `stop8` only the last can overlap the slot or, if the last is
-- the current slot, the one before it.
local function is_free(pages, room, start8, stop8, current_slot)
  local first_day, last_day = days_of(start8, stop8)
  for _, one in ipairs(rooms_of(room)) do
    local skipped = current_slot and own_field(current_slot, one)
    for day = first_day, last_day do
      local page = room_page(one, day)
      local last, entry = pages.below(page, stop8)
      if last and last == skipped then
        last, entry = pages.below(page, last)
      end
      if last and sub(entry, 1, 8) > start8 then
        return false
      end
    end
  end
  return true
end

-- What was asked for last: room, slots, purpose.
local function asked_of(pages, page)
  return match(pages.get(page, "asked"), "^([^\t]*)\t([^\t]*)\t(.*)$")
end

-- The purpose of the reservation: the one that the request gives it or, if a move gives none, the present one.
local function purpose_of(pages, request)
  return request.args.purpose or select(3, asked_of(pages, request.page))
end

-- The detail of an outcome that grants this slot.
local function detail_of(room, start8, stop8)
  return start8 .. "/" .. stop8 .. " " .. room
end

-- The owner of the reservation or series on this page, which `user` made.
local function owner_of(pages, page, user)
  return pages.get(page, "owner") or user
end

-- Makes somebody the owner of the reservation or series on this page, which `user` made. The page keeps for whom it was
-- made.
local function give(pages, page, user, owner)
  local before = owner_of(pages, page, user)
  if before == owner then
    return
  end
  if not pages.get(page, "made_for") then
    pages.set(page, "made_for", before)
  end
  if owner == user then
    pages.delete(page, "owner")
  else
    pages.set(page, "owner", owner)
  end
end

-- Whether the user of the write may change a reservation of this owner. The owner may. A manager may give it another
-- owner; `needs` of the application makes sure that the user is one. A manager may cancel for a reason, which is kept;
-- what counts is the role that the user has where the write stands in the order. Such a cancel declares the page of the
-- manager (apps/people/people.lua).
local function may_change(pages, write, owner)
  if write.user == owner then
    return true
  end
  if write.op == "edit" or write.op == "edit_series" then
    return write.args.by_manager and write.args.owner and not write.args.purpose
  end
  local person = "person:" .. write.user
  local cancels = write.op == "cancel" or write.op == "cancel_series"
  return cancels and write.args.reason and pages.declares(person) and pages.get(person, "role") == "manager"
end

-- The status of a move or a cancel whose request the page of the reservation or series remembers: `duplicate`, or
-- `differs` if that request asked for something else; nil if the page does not remember it.
local function was_asked(pages, page, write)
  local requests = " " .. (pages.get(page, "requests") or "") .. " "
  local _, stop = find(requests, " " .. Requests.remembered_as(write) .. "=", 1, true)
  if not stop then
    return nil
  end
  return match(requests, "^[^ ]*", stop + 1) == Requests.what(write) and "duplicate" or "differs"
end

-- Whether a request to hand over comes again. Its user may no longer be the owner, because of that request itself.
local function was_handed_over(write, asked_before)
  return asked_before == "duplicate" and write.args.owner
end

-- Whether the reservation on the page of the request was made by a request that asked for the same.
local function was_made_by(pages, request)
  local args = request.args
  local made = pages.get(request.page, "first") or pages.get(request.page, "asked")
  local made_for = pages.get(request.page, "made_for") or owner_of(pages, request.page, request.user)
  return made == args.room .. "\t" .. args.slots .. "\t" .. args.purpose and made_for == request.owner
end

-- The slot that a reservation in this state holds, {room, start8, stop8}; nil if it holds none.
local function slot_of(state)
  local start8, stop8, room = match(state or "", "^reserved (%d+)/(%d+) (.*)$")
  return start8 and { room = room, start8 = start8, stop8 = stop8 }
end

-- The status that stands in the way of a move or a cancel.
local function obstacle_of(pages, write, request, state)
  if not state or state == "series" then
    return "unknown"
  end
  local asked_before = not request.is_occurrence and was_asked(pages, request.page, write)
  if not may_change(pages, write, request.owner) and not was_handed_over(write, asked_before) then
    return "forbidden"
  end
  if asked_before then
    return asked_before
  end
  if sub(state, 1, 9) == "cancelled" then
    return "cancelled"
  end
  local slot = request.current_slot
  local function is_undeclared(page)
    return not pages.declares(page)
  end
  if slot and any_page(slot.room, is_undeclared, days_of(slot.start8, slot.stop8)) then
    return "moved_meanwhile"
  end
  return nil
end

-- Looks at the page of the reservation, and sets these fields of the request:
--   owner         who owns it; that of `reserve` and `extend` is known
--   current_slot  {room, start8, stop8} that the reservation holds; nil if it holds none, and for `reserve` and `extend`
--   obstacle      the status that stands in the way of the request, whatever is free; nil if nothing does
local function inspect(pages, write, request)
  local state = pages.get(request.page, "state")
  if request.op == "extend" then
    request.obstacle = slot_of(state) and "duplicate"
  elseif request.op ~= "reserve" then
    request.owner = owner_of(pages, request.page, request.user)
    request.current_slot = slot_of(state)
    request.obstacle = obstacle_of(pages, write, request, state)
  elseif state then
    request.obstacle = was_made_by(pages, request) and "duplicate" or "differs"
  end
end

-- The name of the reservation on the page of its owner.
local function name_of(request)
  return Requests.name_for(request.owner, request.user, request.id)
end

-- Whether the owner has as many other open reservations as the limit says.
local function holds_limit(pages, limit, request)
  local own, count = name_of(request), 0
  pages.any("user:" .. request.owner, function(name, stop8)
    if tonumber(stop8) > limit.at and name ~= own then
      count = count + 1
    end
  end)
  return count >= limit.open
end

-- Whether the owner already holds as many open reservations as the policy allows. A write that was accepted under that
-- policy carries args.limit = {open = how many, at = the minute of its acceptance}, and declares the page of the owner,
-- `user:OWNER`. The entries on that page that end after `at` are open. Without the policy nothing couples the writes of
-- a user. A reservation made without it is on no such page, and counts only from a move that gives it another time. A
-- reservation cancelled without it counts until its time is over.
local function limit_reached(pages, write, request)
  local limit, slot = write.args.limit, request.current_slot
  if not limit or (slot and tonumber(slot.stop8) > limit.at) then
    return false -- the reservation is open already, so a move adds nothing
  end
  return holds_limit(pages, limit, request)
end

-- Whether the owner to whom a reservation is handed over holds as many open ones as the policy allows.
local function hand_over_reaches_limit(pages, write, request)
  local limit, slot = write.args.limit, request.current_slot
  return limit and slot and tonumber(slot.stop8) > limit.at and holds_limit(pages, limit, request)
end

-- Until when the page of the owner says that the reservation is open; nil if it does not.
local function open_until(pages, request)
  local page = "user:" .. request.owner
  return pages.declares(page) and pages.get(page, name_of(request)) or nil
end

-- Notes on the page of the owner until when this reservation is open; nil if it no longer is.
local function set_open(pages, request, stop8)
  local page = "user:" .. request.owner
  if not pages.declares(page) then
    return
  end
  if stop8 then
    pages.set(page, name_of(request), stop8)
  else
    pages.delete(page, name_of(request))
  end
end

-- Removes the reservations that are over from the page of the owner, so that the page stays as small as the policy.
local function forget_ended(pages, write, owner)
  local limit = write.args.limit
  if limit then
    local page, ended = "user:" .. owner, {}
    for _, id in ipairs(pages.fields(page)) do
      if tonumber(pages.get(page, id)) <= limit.at then
        ended[#ended + 1] = id
      end
    end
    for _, id in ipairs(ended) do
      pages.delete(page, id)
    end
  end
end

return {
  own_field = own_field,
  is_free = is_free,
  asked_of = asked_of,
  purpose_of = purpose_of,
  detail_of = detail_of,
  owner_of = owner_of,
  give = give,
  may_change = may_change,
  was_asked = was_asked,
  was_handed_over = was_handed_over,
  was_made_by = was_made_by,
  inspect = inspect,
  limit_reached = limit_reached,
  hand_over_reaches_limit = hand_over_reaches_limit,
  open_until = open_until,
  set_open = set_open,
  forget_ended = forget_ended,
}
