-- The pages that one transaction works on, loaded when first touched, in both views; stored at the end as differences.
--
-- A page has a committed state, and a tentative copy that stands while its index (the tentative writes that declare it)
-- is not empty, and only then. Nothing is written to Redis before Pages.store(), so that a script can still refuse.
-- Within a transaction all commits are played before any tentative state is touched: a tentative page without a copy of
-- its own starts from the committed one.
--
-- Beside its fields, a committed page holds notes: what each commit that its application noted there did, for people. A note
-- is a field `#CSN`. Applications neither see nor set notes, no tentative copy has any, and nothing is played again for one;
-- they travel with the page in a full state, whose pages take the place of all that were here.

--- @include "engine/order"
--- @include "engine/redis"

local Pages = {broken = nil} -- broken: an error of Redis itself, which aborts the transaction

local COMMITTED, TENTATIVE = 'committed', 'tentative'
local CHANGES = {committed = 'committed_changes', tentative = 'tentative_changes'} -- view -> the member of a record that holds them
local DELETED = {} -- stands for a deleted field among the changes
local NOTES_MAX = 100 -- of a page; the newest are kept, so that a page stays one that can be sent
local NOTE = ('#'):byte()
local NONE = {} -- stands for a table that was never needed; never changed
local records = {}
Pages.known = records -- name -> record, of the pages that were opened
local byte = string.byte

-- Log.start calls it. Where nothing was tentative when the transaction began, no index holds anything.
function Pages.start() Pages.was_any_tentative = redis.call('ZCARD', K.tentative) > 0 end

-- All fields of a hash. Applications touch pages while they are played, where an error of Redis would count as theirs.
local function read(key)
  local reply = redis.pcall('HGETALL', key)
  if reply.err then
    Pages.broken = reply.err
    error(reply.err)
  end
  return reply
end

local function pairwise(flat)
  local fields = {}
  for i = 1, #flat, 2 do
    local field = flat[i]
    if byte(field) ~= NOTE then fields[field] = flat[i + 1] end
  end
  return fields
end

function Pages.is_note(field) return byte(field) == NOTE end

-- The page's record, which the functions below take.
function Pages.open(name)
  local page = records[name]
  if not page then
    page = {
      name = name,
      -- tentative writes that declared it when the transaction began
      size = Pages.was_any_tentative and redis.call('ZCARD', K.index .. name) or 0,
      length = false, -- how many fields and notes the committed page had, once that was loaded
      notes = false, -- (field, text, ...)
      committed = false, -- its fields, once they are loaded
      committed_changes = false, -- field -> value or DELETED
      play = 0, number = 0, -- the last play on it, and the page's number among those that its write declares
    }
    -- Eight, which Lua keeps in half the memory of nine. What only some pages need comes to these later:
    --   tentative, tentative_changes  as those of the committed state
    --   sorted                        by view: the names of its fields
    --   joined, left                  writes that enter (stamp, id, ...) and leave the index
    --   taken_off                     how many of those in the index are undone, or committed as they stood
    --   rebased                       the tentative copy starts anew from the committed state
    records[name] = page
  end
  return page
end

local function overlay(fields, changes)
  for field, value in pairs(changes) do
    if value == DELETED then fields[field] = nil else fields[field] = value end
  end
  return fields
end

-- The fields of a page in a view, loaded at the first touch; the same table as long as the page is not rebased.
-- What is stored as a whole in the end, since there is nothing yet, has its fields for changes.
function Pages.load(page, view)
  local fields, changes, is_there = page[view], page[CHANGES[view]], true
  if fields then return fields end
  if view == COMMITTED then
    local flat = read(K.committed_page .. page.name)
    page.length = #flat / 2
    is_there = #flat > 0
    fields = is_there and pairwise(flat) or {}
  elseif page.size > 0 and not page.rebased then
    fields = pairwise(read(K.tentative_page .. page.name))
  else
    fields, is_there = overlay({}, Pages.load(page, COMMITTED)), false
  end
  if changes then overlay(fields, changes) end
  if not is_there then page[CHANGES[view]] = fields end
  page[view] = fields
  return fields
end

-- Where the first name stands that is not below `text`, bytewise.
local function place_of(sorted, text)
  local low, high = 1, #sorted + 1
  if high == 1 or Order.bytewise(sorted[high - 1], text) then return high end -- as in most cases
  while low < high do
    local middle = math.floor((low + high) / 2)
    if Order.bytewise(sorted[middle], text) then low = middle + 1 else high = middle end
  end
  return low
end

local function note_change(page, view, field, value)
  local changes = page[CHANGES[view]]
  if not changes then
    changes = {}
    page[CHANGES[view]] = changes
  end
  if value == nil then changes[field] = DELETED else changes[field] = value end
end

-- Gives a field of a page whose fields are loaded another value, or deletes it when that is nil.
function Pages.replace(page, view, fields, field, value)
  local sorted = page.sorted and page.sorted[view]
  if sorted and fields[field] == nil and value ~= nil then
    table.insert(sorted, place_of(sorted, field), field)
  elseif sorted and fields[field] ~= nil and value == nil then
    table.remove(sorted, place_of(sorted, field))
  end
  fields[field] = value
  if page[CHANGES[view]] ~= fields then note_change(page, view, field, value) end
end

-- The same where they may not be: a page that nobody has read is not loaded.
function Pages.put(page, view, field, value)
  local fields = page[view]
  if fields then Pages.replace(page, view, fields, field, value) else note_change(page, view, field, value) end
end

-- Notes on the committed page what the commit with this CSN, a text, did; the page's fields stay as they are.
function Pages.note(page, csn, text)
  local notes = page.notes
  if not notes then
    page.notes = {'#' .. csn, text}
  else
    local count = #notes
    notes[count + 1], notes[count + 2] = '#' .. csn, text
  end
end

-- The names of the fields, sorted bytewise, as long as the page is not changed.
function Pages.sorted(page, view)
  local sorted = page.sorted and page.sorted[view]
  if not sorted then
    sorted = {}
    for field in pairs(Pages.load(page, view)) do sorted[#sorted + 1] = field end
    table.sort(sorted, Order.bytewise)
    page.sorted = page.sorted or {}
    page.sorted[view] = sorted
  end
  return sorted
end

-- The last name below `text`, bytewise; nil when there is none.
function Pages.below(page, view, text)
  local sorted = Pages.sorted(page, view)
  return sorted[place_of(sorted, text) - 1]
end

-- The tentative writes that declare the page, after the id `from` and not after `upto` (nil: the end), in their order.
function Pages.index(page, from, upto)
  if page.size == 0 then return NONE end
  local ids, is_behind = {}, false
  local last = upto and upto:sub(1, 16) or '+inf'
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.index .. page.name, from:sub(1, 16), last)) do
    if upto and Order.before(upto, id) then break end
    is_behind = is_behind or Order.before(from, id) -- then all that follow are, too
    if is_behind then ids[#ids + 1] = id end
  end
  return ids
end

-- Is the write the first in the page's index? Only asked while all that left the index were its first ones.
function Pages.is_first(page, id)
  local gone = #(page.left or NONE)
  return redis.call('ZRANGE', K.index .. page.name, gone, gone)[1] == id
end

function Pages.join(page, write)
  local joined = page.joined
  if not joined then
    page.joined = {write.stamp, write.id}
  else
    joined[#joined + 1] = write.stamp
    joined[#joined + 1] = write.id
  end
end

function Pages.leave(page, id)
  if not page.left then page.left = {id} else page.left[#page.left + 1] = id end
end

-- The tentative copy is thrown away; what is tentative on the page will be replayed on the committed state.
function Pages.rebase(page)
  page.rebased, page.tentative, page.tentative_changes, page.sorted = true, false, false, false
end

local kept = {} -- what one page sets: one list for all of them, of which the first ones count

-- Writes changed fields, and new notes; returns how many fields were set.
local function store_changes(key, changes, notes)
  local deleted, count = NONE, 0
  for i = 1, notes and #notes or 0 do
    kept[i], count = notes[i], i
  end
  for field, value in pairs(changes or NONE) do
    if value == DELETED then
      if deleted == NONE then deleted = {} end
      deleted[#deleted + 1] = field
    else
      kept[count + 1], kept[count + 2] = field, value
      count = count + 2
    end
  end
  if deleted ~= NONE then Redis.many('HDEL', key, deleted) end
  Redis.many('HSET', key, kept, count)
  return count / 2
end

-- Drops the oldest notes beyond the bound. What is kept does not depend on how commits came in batches.
local function forget_notes(key)
  if redis.call('HLEN', key) <= NOTES_MAX then return end
  local numbers, dropped = {}, {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if byte(field) == NOTE then numbers[#numbers + 1] = tonumber(field:sub(2)) end
  end
  table.sort(numbers)
  for i = 1, #numbers - NOTES_MAX do dropped[i] = string.format('#%d', numbers[i]) end
  Redis.many('HDEL', key, dropped)
end

-- Writes all differences. After the first write only success is possible. `csn` is that of the last commit.
function Pages.store(csn)
  local changed, count, csn_text = {}, 0, string.format('%d', csn)
  for name, page in pairs(records) do
    local changes, notes = page.committed_changes, page.notes
    if notes or changes and next(changes) then
      local key = K.committed_page .. name
      local set = store_changes(key, changes, notes)
      changed[count + 1], changed[count + 2] = csn_text, name
      count = count + 2
      if notes and (page.length or NOTES_MAX) + set > NOTES_MAX then forget_notes(key) end
    end
    local size, joined, left = page.size, page.joined, page.left
    if joined then
      size = size + #joined / 2
      Redis.many('ZADD', K.index .. name, joined)
    end
    if left then
      size = size - #left
      Redis.many('ZREM', K.index .. name, left)
    end
    if size > 0 then
      if page.size == 0 or page.rebased then -- the whole copy is written anew
        if page.size > 0 then redis.call('UNLINK', K.tentative_page .. name) end
        store_changes(K.tentative_page .. name, Pages.load(page, TENTATIVE))
      else
        store_changes(K.tentative_page .. name, page.tentative_changes)
      end
    elseif page.size > 0 then
      redis.call('UNLINK', K.tentative_page .. name)
    end
  end
  Redis.many('ZADD', K.changed, changed)
end

return Pages
