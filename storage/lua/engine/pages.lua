-- The pages that a transaction works on, in both views. A page is loaded when it is first touched; at the end the
-- differences are stored.
--
-- A page has a committed state. It has a tentative copy exactly while its index, the tentative writes that declare it,
-- is not empty. Nothing is written to Redis before Pages.store(), so a script can refuse until then. Within a
-- transaction all commits are played before any tentative state is touched: a tentative page without a copy of its own
-- starts from the committed one.
--
-- Besides its fields, a committed page holds notes for people: what a commit did, in a field `#CSN`. Applications
-- neither see nor set notes, a tentative copy has none, and nothing is replayed because of one. In a full state they
-- travel with their page.

--- @include "engine/order"
--- @include "engine/redis"

local Pages = {
  broken = nil, -- an error of Redis itself, which aborts the transaction
  known = {}, -- name -> record, of the pages that were opened
  was_any_tentative = nil, -- whether any write was tentative when the transaction began
}

local COMMITTED, TENTATIVE = 'committed', 'tentative'
-- view -> the field of a record that holds its changes
local CHANGES = {committed = 'committed_changes', tentative = 'tentative_changes'}
local DELETED = {} -- the value of a deleted field among the changes
local NOTES_MAX = 100 -- of a page; the newest are kept, so that a page stays small enough to send
local NOTE = ('#'):byte()
local NONE = {} -- an empty table, never changed
local records = Pages.known
local byte = string.byte

-- Begins a transaction; Log.start calls it. If no write is tentative, no index holds anything.
function Pages.start() Pages.was_any_tentative = redis.call('ZCARD', K.tentative) > 0 end

-- The fields of a hash, as a flat list. Applications touch pages while they are played, and an error of Redis must not
-- count as theirs.
local function read(key)
  local reply = redis.pcall('HGETALL', key)
  if reply.err then
    Pages.broken = reply.err
    error(reply.err)
  end
  return reply
end

local function without_notes(flat)
  local fields = {}
  for i = 1, #flat, 2 do
    local field = flat[i]
    if byte(field) ~= NOTE then fields[field] = flat[i + 1] end
  end
  return fields
end

function Pages.is_note(field) return byte(field) == NOTE end

-- The record of a page, which the functions below take as `page`.
function Pages.open(name)
  local page = records[name]
  if not page then
    page = {
      name = name,
      -- how many tentative writes declared it when the transaction began
      size = Pages.was_any_tentative and redis.call('ZCARD', K.index .. name) or 0,
      length = false, -- how many fields and notes the committed page has in Redis, once it is loaded
      notes = false, -- new notes: field, text, ...
      committed = false, -- field -> value, once it is loaded
      committed_changes = false, -- field -> value or DELETED
      play = 0, number = 0, -- the last play on the page, and its number among the pages that the write declares
    }
    -- These are eight fields, which take half the memory of nine. Only some pages get the others:
    --   tentative, tentative_changes  the same for the tentative state
    --   sorted                        view -> the sorted names of its fields
    --   joined, left                  writes that enter (stamp, id, ...) and that leave the index
    --   taken_off                     how many writes of the index are undone, or committed as they stood
    --   rebased                       true if the tentative copy starts again from the committed state
    --   is_torn                       true if a write was set aside, which need not be the first of the index
    records[name] = page
  end
  return page
end

-- A field of a committed page, nil if it is absent. A page that is not open stays closed.
function Pages.committed_field(name, field)
  local page = records[name]
  if page then return Pages.load(page, COMMITTED)[field] end
  local reply = redis.pcall('HGET', K.committed_page .. name, field)
  if type(reply) == 'table' then
    Pages.broken = reply.err
    error(reply.err)
  end
  return reply or nil
end

local function overlay(fields, changes)
  for field, value in pairs(changes) do
    if value == DELETED then fields[field] = nil else fields[field] = value end
  end
  return fields
end

-- The fields of a page in a view, loaded when it is first touched; the same table until the page is rebased.
-- If Redis holds nothing of it yet, the page is stored as a whole: its fields serve as its changes.
function Pages.load(page, view)
  local fields, changes, is_there = page[view], page[CHANGES[view]], true
  if fields then return fields end
  if view == COMMITTED then
    local flat = read(K.committed_page .. page.name)
    page.length = #flat / 2
    is_there = #flat > 0
    fields = is_there and without_notes(flat) or {}
  elseif page.size > 0 and not page.rebased then
    fields = without_notes(read(K.tentative_page .. page.name))
  else
    fields, is_there = overlay({}, Pages.load(page, COMMITTED)), false
  end
  if changes then overlay(fields, changes) end
  if not is_there then page[CHANGES[view]] = fields end
  page[view] = fields
  return fields
end

-- The position of the first name that is not below `text`, bytewise.
local function position_of(sorted, text)
  local low, high = 1, #sorted + 1
  if high == 1 or Order.bytewise(sorted[high - 1], text) then return high end -- the usual case
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

-- Sets a field of a page whose `fields` in this view are loaded; deletes it if the value is nil.
function Pages.replace(page, view, fields, field, value)
  local sorted = page.sorted and page.sorted[view]
  if sorted and fields[field] == nil and value ~= nil then
    table.insert(sorted, position_of(sorted, field), field)
  elseif sorted and fields[field] ~= nil and value == nil then
    table.remove(sorted, position_of(sorted, field))
  end
  fields[field] = value
  if page[CHANGES[view]] ~= fields then note_change(page, view, field, value) end
end

-- Does the same for any page. A page that nobody has read is not loaded for this.
function Pages.put(page, view, field, value)
  local fields = page[view]
  if fields then Pages.replace(page, view, fields, field, value) else note_change(page, view, field, value) end
end

-- Adds a note to the committed page: what the commit with this CSN, given as text, did.
function Pages.note(page, csn, text)
  local notes = page.notes
  if not notes then
    page.notes = {'#' .. csn, text}
  else
    local count = #notes
    notes[count + 1], notes[count + 2] = '#' .. csn, text
  end
end

-- The names of the fields, sorted bytewise. The list is valid until the page changes.
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

-- The last name below `text`, bytewise; nil if there is none.
function Pages.below(page, view, text)
  local sorted = Pages.sorted(page, view)
  return sorted[position_of(sorted, text) - 1]
end

-- The ids of the tentative writes that declare the page, in order: those after the id `from`, up to and with `upto`
-- (nil: to the end).
function Pages.index(page, from, upto)
  if page.size == 0 then return NONE end
  local ids, is_after = {}, false
  local last = upto and upto:sub(1, 16) or '+inf'
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.index .. page.name, from:sub(1, 16), last)) do
    if upto and Order.before(upto, id) then break end
    is_after = is_after or Order.before(from, id) -- then all that follow are after it, too
    if is_after then ids[#ids + 1] = id end
  end
  return ids
end

-- Whether the write is the first in the index of the page. Writes that have left the index were its first ones, unless
-- a write was set aside (`is_torn`); then no write counts as the first.
function Pages.is_first(page, id)
  if page.is_torn then return false end
  local gone = #(page.left or NONE)
  return redis.call('ZRANGE', K.index .. page.name, gone, gone)[1] == id
end

-- Adds the write to the index of the page.
function Pages.join(page, write)
  local joined = page.joined
  if not joined then
    page.joined = {write.stamp, write.id}
  else
    joined[#joined + 1] = write.stamp
    joined[#joined + 1] = write.id
  end
end

-- Removes the write from the index of the page.
function Pages.leave(page, id)
  if not page.left then page.left = {id} else page.left[#page.left + 1] = id end
end

-- Throws the tentative copy away. What is tentative on the page will be replayed on the committed state.
function Pages.rebase(page)
  page.rebased, page.tentative, page.tentative_changes, page.sorted = true, false, false, false
end

local kept = {} -- the fields and values that a page sets; all pages use this list, and only its first entries count

-- Writes the changed fields and the new notes of a page. Returns how many fields were set.
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

-- Drops the oldest notes of a page beyond the bound. What is kept does not depend on how commits are batched.
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

-- Writes all differences; Log.store calls it. `csn` is that of the last commit. From here on nothing may fail.
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
      if page.size == 0 or page.rebased then -- the whole copy is written again
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
