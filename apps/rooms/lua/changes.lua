-- What a play changes: the entries on the pages of a room, the page of the owner, and the page of the reservation.

--- @include "occupancy"
--- @include "requests"
--- @include "slots"

local purpose_of, set_open = Occupancy.purpose_of, Occupancy.set_open
local any_page, days_of, room_page, rooms_of = Slots.any_page, Slots.days_of, Slots.room_page, Slots.rooms_of
local floor, gmatch, gsub, match, sub = math.floor, string.gmatch, string.gsub, string.match, string.sub

local REQUEST_IDS_MAX = 8 -- that a page remembers

local function leave(pages, slot)
  any_page(slot.room, function(page)
    pages.delete(page, slot.start8)
  end, days_of(slot.start8, slot.stop8))
end

local function enter(pages, request, room, start8, stop8)
  local user = request.owner == request.user and request.user or request.user .. " " .. request.owner
  local value = stop8 .. "\t" .. user .. "\t" .. request.id .. "\t" .. purpose_of(pages, request)
  local rooms, first_day, last_day = rooms_of(room), days_of(start8, stop8)
  if rooms[2] then
    value = value .. "\t" .. room
  end
  for _, one in ipairs(rooms) do
    for day = first_day, last_day do
      pages.set(room_page(one, day), start8, value)
    end
  end
  set_open(pages, request, stop8)
end

-- Takes a slot that was found free, in exchange for the current one. The page of the reservation is written later.
local function claim(pages, request, room, start8, stop8)
  if request.current_slot then
    leave(pages, request.current_slot)
  end
  enter(pages, request, room, start8, stop8)
end

-- Takes a claim back. `was_open` is what the page of the owner said before the claim. Take the last claim back first.
local function unclaim(pages, request, slot, was_open)
  leave(pages, slot)
  local before = request.current_slot
  if before then
    enter(pages, request, before.room, before.start8, before.stop8)
  end
  set_open(pages, request, was_open)
end

-- Notes on a page that this request was taken. The page keeps the last few.
local function remember(pages, page, write)
  local requests, own = pages.get(page, "requests"), Requests.remembered_as(write) .. "=" .. Requests.what(write)
  requests = requests and requests .. " " .. own or own
  local _, blanks = gsub(requests, " ", " ")
  if blanks >= REQUEST_IDS_MAX then
    requests = match(requests, "^[^ ]* (.*)$")
  end
  pages.set(page, "requests", requests)
end

-- Notes on the page of the reservation which move, edit or cancel changed it last and, unless that is about a series, its
-- request id. A reserve needs no note: the page itself identifies it.
local function sign(pages, write, request)
  if request.op == "reserve" then
    return
  end
  pages.set(request.page, "write", write.id)
  if not request.is_occurrence then
    remember(pages, request.page, write)
  end
end

-- The room pages that may hold the reservation from now on, apart from the pages of the slots that the request asks
-- for. For a write about this reservation alone, these are all room pages that the write declares. For an occurrence of
-- a series, they are the declared pages that may have held it before, and those where this request may put it.
local function pages_beyond(pages, write, request)
  local args, found, listed = request.args, {}, {}
  local function skip(page)
    listed[page] = true
  end
  local function add(page)
    if not listed[page] and pages.declares(page) then
      listed[page] = true
      found[#found + 1] = page
    end
  end
  local ends = request.ends
  for at = 1, #ends, 2 do
    any_page(args.room, skip, days_of(ends[at], ends[at + 1]))
  end
  if not request.is_occurrence then
    for _, declared in ipairs(write.pages) do
      if sub(declared, 1, 5) == "room:" then
        add(declared)
      end
    end
    return found
  end
  if request.op ~= "reserve" and pages.get(request.page, "asked") then
    local room, slots = Occupancy.asked_of(pages, request.page)
    local before = Slots.ends_of(slots)
    for at = 1, #before, 2 do
      any_page(room, add, days_of(before[at], before[at + 1]))
    end
  end
  for page in gmatch(pages.get(request.page, "pages") or "", "[^\n]+") do
    add(page)
  end
  if args.window_min then
    local low, high = Requests.search_window(request)
    any_page(args.room, add, floor(low / Slots.DAY_MIN), floor((high - 1) / Slots.DAY_MIN))
  end
  for _, other in ipairs(args.rooms or {}) do
    any_page(other, add, days_of(ends[1], ends[2]))
  end
  return found
end

-- Keeps what the request that made the reservation asked for, before something else replaces it.
local function keep_first(pages, page)
  if not pages.get(page, "first") then
    pages.set(page, "first", pages.get(page, "asked"))
  end
end

-- Writes the page of the reservation: what was asked, and the state that follows from it.
local function write_page(pages, write, request, state)
  local args, page = request.args, request.page
  -- Most writes about one reservation declare only its page and the page of its slots.
  local beyond = (request.is_occurrence or #write.pages > 2) and pages_beyond(pages, write, request)
  if beyond and #beyond > 0 then
    pages.set(page, "pages", table.concat(beyond, "\n"))
  elseif request.op ~= "reserve" then -- the page of a new reservation is empty
    pages.delete(page, "pages")
  end
  if request.op ~= "reserve" and pages.get(page, "asked") then
    keep_first(pages, page)
  end
  pages.set(page, "asked", args.room .. "\t" .. args.slots .. "\t" .. purpose_of(pages, request))
  pages.set(page, "state", state)
  if request.op ~= "move" and args.series then
    pages.set(page, "series", args.series)
  end
  if request.op == "extend" then
    Occupancy.give(pages, page, request.user, request.owner)
  elseif request.op == "reserve" and request.owner ~= request.user then
    pages.set(page, "owner", request.owner)
  end
  sign(pages, write, request)
end

-- Notes on the page of the reservation that it holds the slot that was claimed. Returns the detail of the outcome.
local function reserve(pages, write, request, room, start8, stop8)
  local detail = Occupancy.detail_of(room, start8, stop8)
  write_page(pages, write, request, "reserved " .. detail)
  return detail
end

-- A request that gets no slot, for the reason `code`: a new reservation is rejected, one that was to move or to come back
-- stays as it is. Returns the status and the detail of the outcome.
local function refuse(pages, write, request, code)
  if request.op == "move" or (request.op == "extend" and pages.get(request.page, "state")) then
    if code == "open_reservations" then
      return code
    end
    local slot = request.current_slot
    return code == "series" and "kept" or "unmoved", slot and Occupancy.detail_of(slot.room, slot.start8, slot.stop8)
  end
  write_page(pages, write, request, "rejected " .. code)
  return "rejected", code
end

-- Gives the reservation another owner, unless the policy of open reservations forbids it. Returns whether it did.
local function hand_over(pages, write, request)
  local before, owner = request.owner, request.args.owner
  request.owner = owner
  if before ~= owner and Occupancy.hand_over_reaches_limit(pages, write, request) then
    return false
  end
  Occupancy.forget_ended(pages, write, owner)
  request.owner = before
  set_open(pages, request, nil)
  request.owner = owner
  Occupancy.give(pages, request.page, request.user, owner)
  return true
end

-- Gives the reservation another purpose or another owner, on its own page and on those of its room. Returns the status
-- and the detail of the outcome.
local function edit(pages, write, request)
  local slot, page, args = request.current_slot, request.page, request.args
  assert(args.owner or args.purpose, "an edit that changes nothing")
  if args.owner and not hand_over(pages, write, request) then
    return "open_reservations"
  end
  if args.purpose then
    local room, slots = Occupancy.asked_of(pages, page)
    keep_first(pages, page)
    pages.set(page, "asked", room .. "\t" .. slots .. "\t" .. args.purpose)
  end
  if slot then
    enter(pages, request, slot.room, slot.start8, slot.stop8)
  end
  sign(pages, write, request)
  return "updated", slot and Occupancy.detail_of(slot.room, slot.start8, slot.stop8)
end

-- Ends the reservation. If a reason was given, the page keeps who ended it.
local function cancel(pages, write, request)
  local reason = request.args.reason
  if request.current_slot then
    leave(pages, request.current_slot)
  end
  set_open(pages, request, nil)
  pages.set(request.page, "state", reason and "cancelled " .. write.user .. "\t" .. reason or "cancelled")
  sign(pages, write, request)
end

-- Does what a request asks for that wants no slot. Returns the status and the detail of the outcome.
local function change(pages, write, request)
  if request.op == "edit" then
    return edit(pages, write, request)
  end
  cancel(pages, write, request)
  return "updated"
end

return {
  claim = claim,
  unclaim = unclaim,
  remember = remember,
  reserve = reserve,
  refuse = refuse,
  change = change,
}
