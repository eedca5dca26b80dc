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

local Pages = {broken = nil} -- broken: an error of Redis itself, which aborts the transaction

local COMMITTED, TENTATIVE = 'committed', 'tentative'
local DELETED = {} -- stands for a deleted field among the changes
local NOTES_MAX = 100 -- of a page; the newest are kept, so that a page stays one that can be sent
local NOTE = ('#'):byte()
local NONE = {} -- stands for a table that was never needed; never changed
local records = {}
-- Where nothing was tentative when the transaction began, no index holds anything.
local anything_tentative = redis.call('ZCARD', K.tentative) > 0
local byte = string.byte

local function read(reader, ...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    Pages.broken = reply.err
    error(reply.err)
  end
  return reader and reader(reply) or reply
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
      size = anything_tentative and read(nil, 'ZCARD', K.index .. name) or 0,
      joined = NONE, left = NONE, -- writes that enter (stamp, id, ...) and leave the index
      rebased = false, -- the tentative copy starts anew from the committed state
      changes = {}, -- by view: field -> value or DELETED
      sorted = NONE, -- by view: names of fields
    }
    records[name] = page
  end
  return page
end

local function overlay(fields, changes)
  for field, value in pairs(changes or NONE) do
    if value == DELETED then fields[field] = nil else fields[field] = value end
  end
  return fields
end

-- The fields of a page in a view, loaded at the first touch; the same table as long as the page is not rebased.
function Pages.load(page, view)
  local fields = page[view]
  if fields then return fields end
  if view == COMMITTED then
    fields = overlay(read(pairwise, 'HGETALL', K.committed_page .. page.name), page.changes.committed)
  elseif page.size > 0 and not page.rebased then
    fields = overlay(read(pairwise, 'HGETALL', K.tentative_page .. page.name), page.changes.tentative)
  else
    fields = overlay({}, Pages.load(page, COMMITTED))
  end
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

-- Sets a field, or deletes it when value is nil. Does not load a page that nobody has read.
function Pages.put(page, view, field, value)
  local fields = page[view]
  if fields then
    local sorted = page.sorted[view]
    if sorted and fields[field] == nil and value ~= nil then
      table.insert(sorted, place_of(sorted, field), field)
    elseif sorted and fields[field] ~= nil and value == nil then
      table.remove(sorted, place_of(sorted, field))
    end
    fields[field] = value
  end
  if value == nil then value = DELETED end
  local changes = page.changes[view]
  if changes then changes[field] = value else page.changes[view] = {[field] = value} end
end

-- What the transaction changes a field to so far, false where it does not; for Pages.put_back.
function Pages.change(page, view, field)
  local changes = page.changes[view]
  return changes and changes[field] or false
end

-- Sets a field to what it was before a play that is not to count, and what the transaction changes it to.
function Pages.put_back(page, view, field, value, change)
  Pages.put(page, view, field, value)
  page.changes[view][field] = change or nil
end

-- Notes on the committed page what the commit did; the page's fields stay as they are.
function Pages.note(page, csn, text)
  page.notes = page.notes or {}
  table.insert(page.notes, string.format('#%.0f', csn))
  table.insert(page.notes, text)
end

-- The names of the fields, sorted bytewise, as long as the page is not changed.
function Pages.sorted(page, view)
  local sorted = page.sorted[view]
  if not sorted then
    sorted = {}
    for field in pairs(Pages.load(page, view)) do sorted[#sorted + 1] = field end
    table.sort(sorted, Order.bytewise)
    if page.sorted == NONE then page.sorted = {} end
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
  local last = upto and upto:sub(1, 16) or '+inf'
  local ids = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.index .. page.name, from:sub(1, 16), last)) do
    if Order.before(from, id) and not (upto and Order.before(upto, id)) then ids[#ids + 1] = id end
  end
  return ids
end

-- Is the write the first in the page's index? Only asked while all that left the index were its first ones.
function Pages.is_first(page, id)
  return redis.call('ZRANGE', K.index .. page.name, #page.left, #page.left)[1] == id
end

function Pages.join(page, write)
  local joined = page.joined
  if joined == NONE then
    page.joined = {write.stamp, write.id}
  else
    joined[#joined + 1] = write.stamp
    joined[#joined + 1] = write.id
  end
end

function Pages.leave(page, id)
  if page.left == NONE then page.left = {id} else page.left[#page.left + 1] = id end
end

-- The tentative copy is thrown away; what is tentative on the page will be replayed on the committed state.
function Pages.rebase(page)
  if page.size > 0 then
    page.rebased, page.tentative, page.changes.tentative, page.sorted = true, nil, nil, NONE
  end
end

-- Writes changed fields, and new notes; returns whether there were any.
local function store_changes(key, changes, notes)
  if not changes and not notes then return false end
  local kept, deleted = notes or {}, {}
  for field, value in pairs(changes or {}) do
    if value == DELETED then
      deleted[#deleted + 1] = field
    else
      kept[#kept + 1] = field
      kept[#kept + 1] = value
    end
  end
  Redis.many('HDEL', key, deleted)
  Redis.many('HSET', key, kept)
  return #deleted + #kept > 0
end

-- Drops the oldest notes beyond the bound. What is kept does not depend on how commits came in batches.
local function forget_notes(key)
  if redis.call('HLEN', key) <= NOTES_MAX then return end
  local numbers, dropped = {}, {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if byte(field) == NOTE then numbers[#numbers + 1] = tonumber(field:sub(2)) end
  end
  table.sort(numbers)
  for i = 1, #numbers - NOTES_MAX do dropped[i] = string.format('#%.0f', numbers[i]) end
  Redis.many('HDEL', key, dropped)
end

-- Writes all differences. After the first write only success is possible. `csn` is that of the last commit.
function Pages.store(csn)
  local changed = {}
  for name, page in pairs(records) do
    local committed, tentative = K.committed_page .. name, K.tentative_page .. name
    local size = page.size + #page.joined / 2 - #page.left
    if store_changes(committed, page.changes.committed, page.notes) then
      changed[#changed + 1] = csn
      changed[#changed + 1] = name
      if page.notes then forget_notes(committed) end
    end
    Redis.many('ZADD', K.index .. name, page.joined)
    Redis.many('ZREM', K.index .. name, page.left)
    if size == 0 then
      if page.size > 0 then redis.call('UNLINK', tentative) end
    else
      if page.size == 0 or page.rebased then -- the whole copy is written anew
        if page.size > 0 then redis.call('UNLINK', tentative) end
        page.changes.tentative = Pages.load(page, TENTATIVE)
      end
      store_changes(tentative, page.changes.tentative)
    end
  end
  Redis.many('ZADD', K.changed, changed)
end
