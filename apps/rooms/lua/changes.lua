-- What a play changes: the entries of a room, the owner's page, and the page of the reservation.

local REQUESTS_MAX = 8

local function leave(pages, own)
  if own then
    any_day(own.room, own.start, own.stop, function(page)
      pages.delete(page, own.start8)
    end)
  end
end

local function enter(pages, wish, room, start, stop)
  local start8, stop8 = ends8(start, stop)
  local purpose = wish.op == "reserve" and wish.args.purpose or pages.get(wish.page, "purpose")
  local value = stop8 .. "\t" .. wish.owner .. "\t" .. wish.request .. "\t" .. purpose
  for day = floor(start / DAY_MIN), floor((stop - 1) / DAY_MIN) do
    pages.set(room_page(room, day), start8, value)
  end
  count(pages, wish, stop8)
end

-- Takes a place that was tested free, in place of the own one; the page of the reservation is settled later.
local function claim(pages, wish, own, room, start, stop)
  leave(pages, own)
  enter(pages, wish, room, start, stop)
end

-- Takes a claim back. The last claim goes first.
local function unclaim(pages, wish, own, room, start, stop, counted)
  leave(pages, { room = room, start = start, stop = stop, start8 = (ends8(start, stop)) })
  if own then
    enter(pages, wish, own.room, own.start, own.stop)
  end
  count(pages, wish, counted)
end

-- Notes on a page that this request was taken; the last few are kept.
local function remember(pages, page, request)
  local requests = pages.get(page, "requests")
  requests = requests and requests .. " " .. request or request
  local _, blanks = gsub(requests, " ", " ")
  if blanks >= REQUESTS_MAX then
    requests = match(requests, "^[^ ]* (.*)$")
  end
  pages.set(page, "requests", requests)
end

-- Notes on the reservation's page which move or cancel changed it last, and of one of it alone the request. What reserved it
-- is known by the page itself.
local function sign(pages, write, wish)
  if wish.op == "reserve" then
    return
  end
  pages.set(wish.page, "write", write.id)
  if not wish.member then
    remember(pages, wish.page, write.request)
  end
end

-- The room pages where the reservation may be from now on, beyond those of the slots that it asks for: all that a write about it
-- alone declares; for a member of a series its own among them, where it may have been before and where this wish may put it.
local function pages_beyond(pages, write, wish)
  local args, found, listed = wish.args, {}, {}
  local function skip(page)
    listed[page] = true
  end
  local function add(page)
    if not listed[page] and pages.declares(page) then
      listed[page] = true
      found[#found + 1] = page
    end
  end
  for _, slot in ipairs(args.slots) do
    any_day(args.room, slot[1], slot[2], skip)
  end
  if not wish.member then
    for _, declared in ipairs(write.pages) do
      if sub(declared, 1, 5) == "room:" then
        add(declared)
      end
    end
    return found
  end
  if wish.op == "move" then
    local number, room, start8, stop8 = 1, asked_slot(pages, wish.page, 1)
    while room do
      any_day(room, tonumber(start8), tonumber(stop8), add)
      number = number + 1
      room, start8, stop8 = asked_slot(pages, wish.page, number)
    end
  end
  for page in gmatch(pages.get(wish.page, "pages") or "", "[^\n]+") do
    add(page)
  end
  local first = args.slots[1]
  if args.window_min then
    any_day(args.room, max(args.day_start, first[1] - args.window_min), min(args.day_end, first[2] + args.window_min), add)
  end
  for _, other in ipairs(args.rooms or {}) do
    any_day(other, first[1], first[2], add)
  end
  return found
end

-- Notes what was asked.
local function ask(pages, write, wish)
  local args, page = wish.args, wish.page
  local asked, between = args.room, "\t"
  for _, slot in ipairs(args.slots) do
    local start8, stop8 = ends8(slot[1], slot[2])
    asked = asked .. between .. start8 .. "/" .. stop8
    between = " "
  end
  -- A write about it alone with two pages declares its own and that of its slots, as most do.
  local beyond = (wish.member or #write.pages > 2) and pages_beyond(pages, write, wish)
  if beyond and #beyond > 0 then
    pages.set(page, "pages", table.concat(beyond, "\n"))
  elseif wish.op ~= "reserve" then -- which finds an empty page
    pages.delete(page, "pages")
  end
  pages.set(page, "asked", asked)
  if wish.op == "reserve" then
    pages.set(page, "purpose", args.purpose)
    if args.series then
      pages.set(page, "series", args.series)
    end
  end
end

-- The number of a place among the slots that a wish asks for, as text; nil where it is none of them.
local function number_of(args, room, start, stop)
  if room == args.room then
    for number, slot in ipairs(args.slots) do
      if slot[1] == start and slot[2] == stop then
        return format("%d", number)
      end
    end
  end
  return nil
end

-- The page of a reservation says where it stands, once that is claimed; returns the detail of the outcome.
local function settle(pages, write, wish, room, start, stop)
  local page = wish.page
  ask(pages, write, wish)
  sign(pages, write, wish)
  local start8, stop8 = ends8(start, stop)
  local detail = start8 .. "/" .. stop8 .. " " .. room
  pages.set(page, "state", "reserved")
  pages.set(page, "place", number_of(wish.args, room, start, stop) or detail)
  if wish.op ~= "reserve" then
    pages.delete(page, "reason")
  end
  return detail
end

-- A wish that gets no place: a new reservation is rejected, one that was to move stays. Returns status and detail.
local function refuse(pages, write, wish, own, code)
  if wish.op == "move" then
    if code == "open_reservations" then
      return code
    end
    return code == "series" and "kept" or "unmoved", own and own.start8 .. "/" .. own.stop8 .. " " .. own.room
  end
  ask(pages, write, wish)
  sign(pages, write, wish)
  pages.set(wish.page, "state", "rejected")
  pages.set(wish.page, "reason", code)
  return "rejected", code
end

-- The reservation ends. Who ended it is kept where a reason was given.
local function cancel(pages, write, wish, own)
  local page, reason = wish.page, wish.args.reason
  leave(pages, own)
  count(pages, wish, nil)
  for _, field in ipairs({ "place", "reason" }) do
    pages.delete(page, field)
  end
  if reason then
    pages.set(page, "reason", "cancelled")
    pages.set(page, "why", write.user .. "\t" .. reason)
  end
  pages.set(page, "state", "cancelled")
  sign(pages, write, wish)
end
