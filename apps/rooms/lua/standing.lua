-- Where a reservation stands, whether a place is free, and what stands in the way of a wish.

-- The field at which a reservation that moves stands in this room's pages itself; false where it does not.
local function own_field(own, room)
  return own and own.room == room and own.start8
end

-- A room's entries do not overlap. So of those that begin before `stop`, only the last can be in the way; where that one is
-- the own, the one before it.
local function free(pages, room, start8, stop8, own)
  local skipped = own and own_field(own, room)
  local first_day, last_day = days_of(start8, stop8)
  for day = first_day, last_day do
    local page = room_page(room, day)
    local last, entry = pages.below(page, stop8)
    if last and last == skipped then
      last, entry = pages.below(page, last)
    end
    if last and sub(entry, 1, 8) > start8 then
      return false
    end
  end
  return true
end

-- What was asked for last: room, slots, purpose.
local function asked_of(pages, page)
  return match(pages.get(page, "asked"), "^([^\t]*)\t([^\t]*)\t(.*)$")
end

-- The purpose of the reservation that a wish is about: that which it was made for.
local function purpose_of(pages, wish)
  return wish.op == "reserve" and wish.args.purpose or select(3, asked_of(pages, wish.page))
end

-- Where the reservation stands now, or nil: also for a wish to make it, since one that is there makes that a duplicate.
local function place_of(pages, wish)
  local state = wish.op ~= "reserve" and pages.get(wish.page, "state")
  if not state then
    return nil
  end
  local start8, stop8, room = match(state, "^reserved (%d+)/(%d+) (.*)$")
  return start8 and { room = room, start8 = start8, stop8 = stop8 }
end

local function detail_of(room, start8, stop8)
  return start8 .. "/" .. stop8 .. " " .. room
end

-- The owner may; and who is a manager where the write has its place in the order may cancel, for a reason that is kept. Such a
-- write declares the manager's page (apps/people/people.lua).
local function may_change(pages, write, owner)
  if write.user == owner then
    return true
  end
  local person = "person:" .. write.user
  local cancels = write.op == "cancel" or write.op == "cancel_series"
  return cancels and write.args.reason and pages.declares(person) and pages.get(person, "role") == "manager"
end

local function was_asked(pages, page, request)
  return find(" " .. (pages.get(page, "requests") or "") .. " ", " " .. request .. " ", 1, true)
end

-- What stands in the way of a wish, whatever is free: a status, or nil.
local function obstacle(pages, write, wish, own)
  local page = wish.page
  local state = pages.get(page, "state")
  if wish.op == "reserve" then
    return state and "duplicate"
  end
  if not state or state == "series" then
    return "unknown"
  end
  if not may_change(pages, write, wish.owner) then
    return "forbidden"
  end
  if not wish.member and was_asked(pages, page, write.request) then
    return "duplicate"
  end
  if sub(state, 1, 9) == "cancelled" then
    return "cancelled"
  end
  local function undeclared(room_page)
    return not pages.declares(room_page)
  end
  if own and any_page(own.room, undeclared, days_of(own.start8, own.stop8)) then
    return "moved_meanwhile"
  end
  return nil
end

-- How many open reservations a user may hold. A write that was accepted under that policy carries args.limit = {open = how many,
-- at = the minute of its acceptance}, and declares the owner's page, `user:OWNER`; open are those on it that end after `at`. So
-- without the policy nothing couples a user's writes. What was reserved without it is on no such page and is not counted, but
-- from the move on that gives it another time; what was cancelled while there was none counts until its time is over.
local function holds_enough(pages, write, wish, own)
  local limit = write.args.limit
  if not limit or (own and tonumber(own.stop8) > limit.at) then
    return false -- where it holds this one already, a move takes nothing more
  end
  local count = 0
  pages.any("user:" .. wish.owner, function(request, stop8)
    if tonumber(stop8) > limit.at and request ~= wish.request then
      count = count + 1
    end
  end)
  return count >= limit.open
end

-- Keeps the owner's page: until when this reservation is open, nil where it is not.
local function count(pages, wish, stop8)
  local page = "user:" .. wish.owner
  if not pages.declares(page) then
    return
  end
  if stop8 then
    pages.set(page, wish.request, stop8)
  else
    pages.delete(page, wish.request)
  end
end

-- What is over leaves the owner's page, so that it stays as small as the policy.
local function forget_ended(pages, write, owner)
  local limit = write.args.limit
  if limit then
    local page, ended = "user:" .. owner, {}
    for _, request in ipairs(pages.fields(page)) do
      if tonumber(pages.get(page, request)) <= limit.at then
        ended[#ended + 1] = request
      end
    end
    for _, request in ipairs(ended) do
      pages.delete(page, request)
    end
  end
end
