-- A series: one write with a request for each occurrence. The requests are checked and merged one by one.

--- @include "changes"
--- @include "merges"
--- @include "occupancy"
--- @include "requests"

local gmatch = string.gmatch

-- Whether the series on the page was made by a request that asked for the same.
local function is_same(pages, write, page, state)
  if state ~= "series" or pages.get(page, "wanted") ~= write.args.occurrences_wanted then
    return false
  end
  for _, request in ipairs(Requests.requests_of(write)) do
    if not Occupancy.was_made_by(pages, request) then
      return false
    end
  end
  return true
end

-- The status that stands in the way of the write as a whole; nil if nothing does.
local function obstacle_of(pages, write, page, user)
  local state = pages.get(page, "state")
  if write.op == "reserve_series" then
    return state and (is_same(pages, write, page, state) and "duplicate" or "differs")
  end
  if state ~= "series" then
    return "unknown"
  end
  local asked_before = Occupancy.was_asked(pages, page, write)
  local may_change = Occupancy.may_change(pages, write, Occupancy.owner_of(pages, page, user))
  if not may_change and not Occupancy.was_handed_over(write, asked_before) then
    return "forbidden"
  end
  return asked_before
end

-- Whether the first choices follow each other, forward or backward in time; then no two overlap.
local function are_apart(requests)
  local forward, backward = true, true
  for number = 2, #requests do
    local before, after = requests[number - 1].ends, requests[number].ends
    forward = forward and before[2] <= after[1]
    backward = backward and after[2] <= before[1]
  end
  return forward or backward
end

-- The dependency check of a series: every occurrence is as the write expects. If open reservations are counted, each
-- occurrence counts for the next one; then the check is false, and the merge procedure takes them one by one.
local function is_free(pages, write)
  local user, id = Requests.target_of(write)
  if obstacle_of(pages, write, Requests.page_of(user, id), user) or write.args.limit then
    return false
  end
  local requests = Requests.requests_of(write)
  for _, request in ipairs(requests) do
    Occupancy.inspect(pages, write, request)
    if request.obstacle then
      return false
    end
    local ends = request.ends
    if ends and not Occupancy.is_free(pages, request.args.room, ends[1], ends[2], request.current_slot) then
      return false
    end
  end
  return not requests[1].ends or are_apart(requests)
end

-- Tries one request. Sets `claimed` to the slot that it got, or `code` to the reason why it got none. Sets neither if
-- an obstacle stands in its way, or if the request wants no slot.
local function try(pages, write, request, first_is_free)
  Occupancy.inspect(pages, write, request)
  if request.obstacle or not request.ends then
    return
  end
  if Occupancy.limit_reached(pages, write, request) then
    request.code = "open_reservations"
    return
  end
  local room, start8, stop8 = request.args.room, request.ends[1], request.ends[2]
  request.status = "updated"
  if not first_is_free and not Occupancy.is_free(pages, room, start8, stop8, request.current_slot) then
    request.status = "merged"
    room, start8, stop8 = Merges[write.merge](pages, request)
  end
  if not room then
    request.code = "no_alternative"
    return
  end
  request.was_open = Occupancy.open_until(pages, request)
  request.claimed = { room = room, start8 = start8, stop8 = stop8 }
  Changes.claim(pages, request, room, start8, stop8)
end

-- Tries all requests. If the write wants all or nothing, one that gets no slot takes back the claims of the others.
local function try_all(pages, write, requests, first_is_free)
  local is_whole = true
  for _, request in ipairs(requests) do
    try(pages, write, request, first_is_free)
    is_whole = is_whole and not request.obstacle and not request.code
  end
  if write.args.occurrences_wanted == "all_or_nothing" and not is_whole then
    for number = #requests, 1, -1 do
      local request = requests[number]
      if request.claimed then
        Changes.unclaim(pages, request, request.claimed, request.was_open)
        request.claimed, request.code = nil, "series"
      end
    end
  end
end

-- Writes the page of the reservation after its request was tried. Returns the status and the detail of the occurrence.
local function finish(pages, write, request)
  if request.obstacle then
    return request.obstacle
  end
  if not request.ends then
    return Changes.change(pages, write, request)
  end
  local slot = request.claimed
  if slot then
    return request.status, Changes.reserve(pages, write, request, slot.room, slot.start8, slot.stop8)
  end
  return Changes.refuse(pages, write, request, request.code)
end

-- Adds the occurrences of the write to the dates of the series, and takes them out of those that it leaves out.
local function add_dates(pages, write, page)
  local args, added, dates, except = write.args, {}, {}, {}
  for number, occurrence in ipairs(args.occurrences) do
    added[occurrence.date] = true
    dates[number] = occurrence.date
  end
  for date in gmatch(pages.get(page, "dates"), "%S+") do
    dates[#dates + 1] = not added[date] and date or nil
  end
  for date in gmatch(pages.get(page, "except"), "%S+") do
    except[#except + 1] = not added[date] and date or nil
  end
  table.sort(dates)
  pages.set(page, "dates", table.concat(dates, " "))
  pages.set(page, "except", table.concat(except, " "))
  if args.rule then
    if not pages.get(page, "first") then
      pages.set(page, "first", pages.get(page, "rule"))
    end
    pages.set(page, "rule", args.rule)
  end
end

-- Writes the page of the series itself.
local function write_page(pages, write, page)
  local args, dates = write.args, {}
  pages.set(page, "write", write.id)
  if write.op ~= "reserve_series" then
    Changes.remember(pages, page, write)
    if write.op == "extend_series" then
      add_dates(pages, write, page)
    end
    return
  end
  for number, occurrence in ipairs(args.occurrences) do
    dates[number] = occurrence.date
  end
  pages.set(page, "state", "series")
  pages.set(page, "rule", args.rule)
  pages.set(page, "zone", args.zone)
  pages.set(page, "except", args.except)
  pages.set(page, "wanted", args.occurrences_wanted)
  pages.set(page, "dates", table.concat(dates, " "))
  if args.owner and args.owner ~= write.user then
    pages.set(page, "owner", args.owner)
  end
end

-- The update and the merge procedure of a series. `first_is_free` is true if the check found every first choice free.
-- The status of the outcome is `updated` if every occurrence got its first choice, and `merged` if at least one was
-- done; otherwise it is that of the first occurrence. The detail holds the outcome of each occurrence, separated by
-- tabs.
local function play(pages, write, first_is_free)
  local user, id = Requests.target_of(write)
  local page = Requests.page_of(user, id)
  local obstacle = obstacle_of(pages, write, page, user)
  if obstacle then
    return obstacle
  end
  Occupancy.forget_ended(pages, write, Requests.new_owner(write))
  write_page(pages, write, page)
  local requests, outcomes, done, first, updated = Requests.requests_of(write), {}, 0, nil, 0
  try_all(pages, write, requests, first_is_free)
  for number, request in ipairs(requests) do
    local status, detail = finish(pages, write, request)
    outcomes[number] = detail and status .. " " .. detail or status
    first = first or status
    updated = updated + (status == "updated" and 1 or 0)
    done = done + ((status == "updated" or status == "merged") and 1 or 0)
  end
  if done > 0 and write.op == "edit_series" and write.args.owner then
    Occupancy.give(pages, page, user, write.args.owner)
  end
  local status = done == 0 and first or updated == #outcomes and "updated" or "merged"
  if status == "forbidden" then
    return status -- with a detail it would look like a write that may not be committed
  end
  return status, table.concat(outcomes, "\t")
end

-- Notes a new series whose occurrences are all rejected, for the reason `code`. One that was there already stays.
local function reject(pages, write, code)
  local page = Requests.page_of(Requests.target_of(write))
  if pages.get(page, "state") then
    return
  end
  write_page(pages, write, page)
  for _, request in ipairs(Requests.requests_of(write)) do
    if not pages.get(request.page, "state") then
      Changes.refuse(pages, write, request, code)
    end
  end
end

return {
  is_free = is_free,
  play = play,
  reject = reject,
}
