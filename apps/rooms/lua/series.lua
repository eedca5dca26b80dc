-- A series: one write, and a reservation for each occurrence, checked and merged one by one.

-- What stands in the way of the write as a whole: a status, or nil.
local function series_obstacle(pages, write, page, owner)
  local state = pages.get(page, "state")
  if write.op == "reserve_series" then
    return state and "duplicate"
  end
  if state ~= "series" then
    return "unknown"
  end
  if not may_change(pages, write, owner) then
    return "forbidden"
  end
  return was_asked(pages, page, write.request) and "duplicate" or nil
end

-- Does each first choice end before the next begins, or all the other way round? Then none of them is in another's way.
local function are_apart(wishes)
  local forward, backward = true, true
  for number = 2, #wishes do
    local before, after = wishes[number - 1].ends, wishes[number].ends
    forward = forward and before[2] <= after[1]
    backward = backward and after[2] <= before[1]
  end
  return forward or backward
end

-- The dependency check of a series: all its occurrences are as it expects. Where open reservations are counted, each occurrence
-- counts for the next, so the merge procedure takes them one by one.
local function series_is_free(pages, write)
  local owner, request = series_of(write)
  if series_obstacle(pages, write, "reservation:" .. owner .. "/" .. request, owner) or write.args.limit then
    return false
  end
  local wishes = wishes_of(write)
  for _, wish in ipairs(wishes) do
    local own = place_of(pages, wish)
    if obstacle(pages, write, wish, own) then
      return false
    end
    local ends = wish.ends
    if ends and not free(pages, wish.args.room, ends[1], ends[2], own) then
      return false
    end
  end
  return PARTS[write.op] == "cancel" or are_apart(wishes)
end

-- Tries one wish: claims a place, or says with `code` why there is none, or with `status` what stands in its way.
local function try(pages, write, wish, first_is_free)
  local own, args = place_of(pages, wish), wish.args
  local status = obstacle(pages, write, wish, own)
  local tried = { wish = wish, own = own, status = status }
  if status or wish.op == "cancel" then
    return tried
  end
  if holds_enough(pages, write, wish, own) then
    tried.code = "open_reservations"
    return tried
  end
  local ends, room, start8, stop8 = wish.ends, nil, nil, nil
  if first_is_free or free(pages, args.room, ends[1], ends[2], own) then
    tried.how, room, start8, stop8 = "updated", args.room, ends[1], ends[2]
  else
    tried.how = "merged"
    room, start8, stop8 = merges[write.merge](pages, wish, own)
  end
  if not room then
    tried.code = "no_alternative"
    return tried
  end
  tried.counted = pages.declares("user:" .. wish.owner) and pages.get("user:" .. wish.owner, wish.request) or nil
  tried.room, tried.start8, tried.stop8 = room, start8, stop8
  claim(pages, wish, own, room, start8, stop8)
  return tried
end

-- What became of a wish that was tried; status and detail.
local function finish(pages, write, tried)
  local wish = tried.wish
  if tried.status then
    return tried.status
  end
  if wish.op == "cancel" then
    cancel(pages, write, wish, tried.own)
    return "updated"
  end
  if tried.room then
    return tried.how, settle(pages, write, wish, tried.room, tried.start8, tried.stop8)
  end
  return refuse(pages, write, wish, tried.own, tried.code)
end

-- Tries all wishes. Where all of them or none is wanted, one that finds no place undoes the others.
local function try_all(pages, write, first_is_free)
  local all, whole = {}, true
  for number, wish in ipairs(wishes_of(write)) do
    all[number] = try(pages, write, wish, first_is_free)
    whole = whole and not all[number].status and not all[number].code
  end
  if write.args.occurrences_wanted == "all_or_nothing" and not whole then
    for number = #all, 1, -1 do
      local tried = all[number]
      if tried.room then
        unclaim(pages, tried.wish, tried.own, tried.room, tried.start8, tried.stop8, tried.counted)
        tried.room, tried.code = nil, "series"
      end
    end
  end
  return all
end

-- Notes the series on a page of its own.
local function note_series(pages, write, page)
  local args, dates = write.args, {}
  pages.set(page, "write", write.id)
  if write.op ~= "reserve_series" then
    remember(pages, page, write.request)
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
end

-- Plays a series; `first_is_free` where the check has found every first choice free. The outcome has the status `updated` where
-- all became as first wanted, `merged` where some did or otherwise, else that of the first; its detail holds the outcome of
-- each occurrence, between tabs.
local function play_series(pages, write, first_is_free)
  local owner, request = series_of(write)
  local page = "reservation:" .. owner .. "/" .. request
  local status = series_obstacle(pages, write, page, owner)
  if status then
    return status
  end
  forget_ended(pages, write, owner)
  note_series(pages, write, page)
  local outcomes, done, first, updated = {}, 0, nil, 0
  for number, tried in ipairs(try_all(pages, write, first_is_free)) do
    local how, detail = finish(pages, write, tried)
    outcomes[number] = detail and how .. " " .. detail or how
    first = first or how
    updated = updated + (how == "updated" and 1 or 0)
    done = done + ((how == "updated" or how == "merged") and 1 or 0)
  end
  status = done == 0 and first or updated == #outcomes and "updated" or "merged"
  return status, table.concat(outcomes, "\t")
end
