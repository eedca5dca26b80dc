-- What a play changes: the entries of a room, the owner's page, and the page of the reservation.

local REQUESTS_MAX = 8

local function leave(pages, own)
  if own then
    any_page(own.room, function(page)
      pages.delete(page, own.start8)
    end, days_of(own.start8, own.stop8))
  end
end

local function enter(pages, wish, room, start8, stop8)
  local value = stop8 .. "\t" .. wish.owner .. "\t" .. wish.request .. "\t" .. purpose_of(pages, wish)
  local first_day, last_day = days_of(start8, stop8)
  for day = first_day, last_day do
    pages.set(room_page(room, day), start8, value)
  end
  count(pages, wish, stop8)
end

-- Takes a place that was tested free, in place of the own one; the page of the reservation is settled later.
local function claim(pages, wish, own, room, start8, stop8)
  leave(pages, own)
  enter(pages, wish, room, start8, stop8)
end

-- Takes a claim back. The last claim goes first.
local function unclaim(pages, wish, own, room, start8, stop8, counted)
  leave(pages, { room = room, start8 = start8, stop8 = stop8 })
  if own then
    enter(pages, wish, own.room, own.start8, own.stop8)
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
  local ends = wish.ends
  for at = 1, #ends, 2 do
    any_page(args.room, skip, days_of(ends[at], ends[at + 1]))
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
    local room, slots = asked_of(pages, wish.page)
    local before = ends_of(slots)
    for at = 1, #before, 2 do
      any_page(room, add, days_of(before[at], before[at + 1]))
    end
  end
  for page in gmatch(pages.get(wish.page, "pages") or "", "[^\n]+") do
    add(page)
  end
  if args.window_min then
    local low, high = window_of(wish)
    any_page(args.room, add, floor(low / DAY_MIN), floor((high - 1) / DAY_MIN))
  end
  for _, other in ipairs(args.rooms or {}) do
    any_page(other, add, days_of(ends[1], ends[2]))
  end
  return found
end

-- Notes what was asked, and with it the state that the reservation has now.
local function settle_as(pages, write, wish, state)
  local args, page = wish.args, wish.page
  -- A write about it alone with two pages declares its own and that of its slots, as most do.
  local beyond = (wish.member or #write.pages > 2) and pages_beyond(pages, write, wish)
  if beyond and #beyond > 0 then
    pages.set(page, "pages", table.concat(beyond, "\n"))
  elseif wish.op ~= "reserve" then -- which finds an empty page
    pages.delete(page, "pages")
  end
  pages.set(page, "asked", args.room .. "\t" .. args.slots .. "\t" .. purpose_of(pages, wish))
  pages.set(page, "state", state)
  if wish.op == "reserve" and args.series then
    pages.set(page, "series", args.series)
  end
  sign(pages, write, wish)
end

-- The page of a reservation says where it stands, once that is claimed; returns the detail of the outcome.
local function settle(pages, write, wish, room, start8, stop8)
  local detail = detail_of(room, start8, stop8)
  settle_as(pages, write, wish, "reserved " .. detail)
  return detail
end

-- A wish that gets no place: a new reservation is rejected, one that was to move stays. Returns status and detail.
local function refuse(pages, write, wish, own, code)
  if wish.op == "move" then
    if code == "open_reservations" then
      return code
    end
    return code == "series" and "kept" or "unmoved", own and detail_of(own.room, own.start8, own.stop8)
  end
  settle_as(pages, write, wish, "rejected " .. code)
  return "rejected", code
end

-- The reservation ends. Who ended it is kept where a reason was given.
local function cancel(pages, write, wish, own)
  local reason = wish.args.reason
  leave(pages, own)
  count(pages, wish, nil)
  pages.set(wish.page, "state", reason and "cancelled " .. write.user .. "\t" .. reason or "cancelled")
  sign(pages, write, wish)
end
