--[[
Version 2 of the meeting rooms: version 1 (application.lua), and the local time at which each reservation was asked for.

A page holds minutes since 1970 (UTC). People say local times, and the rules of a time zone may change afterwards, or the
`timezone` of the configuration may be corrected. So the page also keeps by how much local time was ahead of UTC for the
slot that was granted: minutes + offset is what clocks showed by the rules of the time of the request. There is no time
zone database here, so a write brings the offsets of all times that a play of it may grant.

Arguments of a write that wants a slot, beyond those of version 1:
  zone      the time zone of its local times
  own_zone  true if the request named this zone; without it, the zone is the building's
  offsets   by how many minutes local time is ahead of UTC: OFFSET, then MINUTE:OFFSET for each change, in order,
            separated by blanks. They hold for the slots that the write may get, and for no other time.
  back      of a move that takes a reservation back to its local time: {by = who asked for it, from = the detail of the
            slot that it was to leave}. The write is in the name of the owner.

The page of a reservation has one more field:
  local     START8 OFFSET, for the slot that begins at START8. OFFSET is START_OFFSET/END_OFFSET if the two differ.
            ` ZONE` follows if the request named the zone; the building's is not kept, since the present one counts.
            If START8 is not the start of the slot, a write of version 1 has moved the reservation since, and no
            local time is known.

The list `local_days` has an entry `YYYY-MM-DD OFFSET` for each UTC day on which a slot may begin or end, followed by
` ZONE` if the request named the zone. So whether any reservation can be affected is known without reading all pages.

A move with `back` has the outcome moved_meanwhile if the reservation no longer has the slot that it was to leave: its
owner has moved it.
]]

--- @include "application"
--- @include "requests"
--- @include "slots"

local find, floor, gmatch, match, min, sub = string.find, math.floor, string.gmatch, string.match, math.min, string.sub
local max = math.max

local DAY_MIN = Slots.DAY_MIN
local PART_OPS = Requests.PART_OPS

local app = {}

local parsed = {} -- offsets as text -> {offset, minute, offset from then on, ...}; most writes have the same text

local function parse(offsets)
  local first = assert(match(offsets, "^%-?%d+"), "not offsets")
  local found = { first }
  for from, next_offset in gmatch(offsets, " (%d+):(%-?%d+)") do
    found[#found + 1] = tonumber(from)
    found[#found + 1] = next_offset
  end
  parsed[offsets] = found
  return found
end

-- The offset at a minute, as text.
local function offset_at(offsets, minute)
  local known = parsed[offsets] or parse(offsets)
  local offset = known[1]
  for at = 2, #known, 2 do
    if known[at] > minute then
      break
    end
    offset = known[at + 1]
  end
  return offset
end

local dates = {} -- day -> its date

local function date_of(day)
  local date = dates[day]
  if not date then
    date = sub(Slots.room_page("", day), -10)
    dates[day] = date
  end
  return date
end

-- Keeps the local time of a reservation, if this outcome grants a slot.
local function keep(pages, args, page, status, detail)
  if status ~= "updated" and status ~= "merged" then
    return
  end
  local start8, stop8 = match(detail, "^(%d+)/(%d+) ")
  if not start8 then
    return
  end
  local offset, at_stop = offset_at(args.offsets, tonumber(start8)), offset_at(args.offsets, tonumber(stop8))
  if at_stop ~= offset then
    offset = offset .. "/" .. at_stop
  end
  pages.set(page, "local", start8 .. " " .. offset .. (args.own_zone and " " .. args.zone or ""))
end

-- Keeps the local times that follow from the outcome of a play, and returns this outcome.
local function with_local_times(pages, write, status, detail)
  local args = write.args
  if not args.offsets or not detail then
    return status, detail
  end
  assert(find(args.zone, "^[%w/_+-]+$"), "not a time zone")
  if not PART_OPS[write.op] then
    keep(pages, args, Requests.page_of(Requests.target_of(write)), status, detail)
    return status, detail
  end
  local requests, number = Requests.requests_of(write), 0
  for of_occurrence in gmatch(detail, "[^\t]+") do
    number = number + 1
    keep(pages, args, requests[number].page, match(of_occurrence, "^(%a+) (.*)$"))
  end
  return status, detail
end

function app.check(pages, write)
  local back = write.args.back
  if back then
    local page = Requests.page_of(Requests.target_of(write))
    if pages.get(page, "state") ~= "reserved " .. back.from then
      return false, { obstacle = "moved_meanwhile" }
    end
  end
  return Application.check(pages, write)
end

function app.update(pages, write, found)
  return with_local_times(pages, write, Application.update(pages, write, found))
end

function app.merge(pages, write, found)
  return with_local_times(pages, write, Application.merge(pages, write, found))
end

app.forbidden = Application.forbidden

-- A move back is in the name of the owner, but the manager who asked for it must be allowed to.
function app.needs(write)
  local back = write.args.back
  if back and back.by then
    return back.by, "manager"
  end
  return Application.needs(write)
end

function app.lists(write)
  local entries, args = Application.lists(write), write.args
  if not args.offsets then
    return entries
  end
  local zone, seen = args.own_zone and " " .. args.zone or "", {}
  local added_day, added_offset
  local function add(day, minute)
    local offset = offset_at(args.offsets, minute)
    if day == added_day and offset == added_offset then
      return
    end
    added_day, added_offset = day, offset
    local entry = date_of(day) .. " " .. offset .. zone
    if not seen[entry] then
      seen[entry] = true
      local count = #entries
      entries[count + 1], entries[count + 2] = "local_days", entry
    end
  end
  local requests = PART_OPS[write.op] and Requests.requests_of(write) or { Requests.request_of(write) }
  for _, request in ipairs(requests) do
    local ends = request.ends
    for at = 1, #ends, 2 do
      local first_day, last_day = Slots.days_of(ends[at], ends[at + 1])
      add(first_day, tonumber(ends[at]))
      add(last_day, tonumber(ends[at + 1]))
    end
    if request.args.window_min then
      local low, high = Requests.search_window(request)
      for day = floor(low / DAY_MIN), floor((high - 1) / DAY_MIN) do
        add(day, max(low, day * DAY_MIN))
        add(day, min(high, (day + 1) * DAY_MIN))
      end
    end
  end
  return entries
end

function app.notes(write, outcome)
  local back = write.args.back
  if not back then
    return Application.notes(write, outcome)
  end
  -- The history says who asked for the move. Nothing else of a write is read there.
  return Application.notes({
    id = write.id,
    op = write.op,
    args = write.args,
    user = back.by,
    request = write.request,
    accepted_at = write.accepted_at,
  }, outcome)
end

return app
