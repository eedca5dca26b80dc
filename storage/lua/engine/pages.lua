-- The pages that one transaction works on, loaded when first touched, in both views; stored at the end as differences.
--
-- A page has a committed state, and a tentative copy that stands while its index (the tentative writes that declare it)
-- is not empty, and only then. Nothing is written to Redis before Pages.store(), so that a script can still refuse.
-- Within a transaction all commits are played before any tentative state is touched: a tentative page without a copy of
-- its own starts from the committed one.

local Pages = {broken = nil} -- broken: an error of Redis itself, which aborts the transaction

local COMMITTED, TENTATIVE = 'committed', 'tentative'
local DELETED = {} -- stands for a deleted field among the changes
local records = {}

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
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

local function record(name)
  local page = records[name]
  if not page then
    page = {
      name = name,
      size = read(nil, 'ZCARD', K.index .. name), -- tentative writes that declared it when the transaction began
      joined = {}, left = {}, -- writes that enter and leave the index
      rebased = false, -- the tentative copy starts anew from the committed state
      changes = {committed = {}, tentative = {}},
      sorted = {},
    }
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

-- The fields of a page in a view, loaded at the first touch.
local function fields_of(page, view)
  local fields = page[view]
  if fields then return fields end
  if view == COMMITTED then
    fields = overlay(read(pairwise, 'HGETALL', K.committed_page .. page.name), page.changes.committed)
  elseif page.size > 0 and not page.rebased then
    fields = overlay(read(pairwise, 'HGETALL', K.tentative_page .. page.name), page.changes.tentative)
  else
    fields = overlay({}, fields_of(page, COMMITTED))
  end
  page[view] = fields
  return fields
end

function Pages.get(view, name, field) return fields_of(record(name), view)[field] end

-- Sets a field, or deletes it when value is nil. Does not load a page that nobody has read.
function Pages.put(view, name, field, value)
  local page = record(name)
  local fields = page[view]
  if fields then
    if (fields[field] == nil) ~= (value == nil) then page.sorted[view] = nil end
    fields[field] = value
  end
  if value == nil then value = DELETED end
  page.changes[view][field] = value
end

function Pages.any(view, name, test)
  for field, value in pairs(fields_of(record(name), view)) do
    if test(field, value) then return true end
  end
  return false
end

-- The names of the fields, sorted bytewise.
function Pages.fields(view, name)
  local page = record(name)
  local sorted = page.sorted[view]
  if not sorted then
    sorted = {}
    for field in pairs(fields_of(page, view)) do sorted[#sorted + 1] = field end
    table.sort(sorted, Order.bytewise)
    page.sorted[view] = sorted
  end
  return sorted
end

-- The tentative writes that declare the page, after the id `from` and not after `upto` (nil: the end), in their order.
function Pages.index(name, from, upto)
  local page = record(name)
  if page.size == 0 then return {} end
  local last = upto and upto:sub(1, 16) or '+inf'
  local ids = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.index .. name, from:sub(1, 16), last)) do
    if Order.before(from, id) and not (upto and Order.before(upto, id)) then ids[#ids + 1] = id end
  end
  return ids
end

-- Is the write the first in the page's index? Only asked while all that left the index were its first ones.
function Pages.is_first(name, id)
  local page = record(name)
  return redis.call('ZRANGE', K.index .. name, #page.left, #page.left)[1] == id
end

function Pages.join(name, id)
  local joined = record(name).joined
  if joined[#joined] == id then return end -- the write declares the page twice
  joined[#joined + 1] = Order.stamp(id)
  joined[#joined + 1] = id
end

function Pages.leave(name, id)
  local left = record(name).left
  if left[#left] ~= id then left[#left + 1] = id end
end

-- The tentative copy is thrown away; what is tentative on the page will be replayed on the committed state.
function Pages.rebase(name)
  local page = record(name)
  if page.size > 0 then
    page.rebased, page.tentative, page.changes.tentative, page.sorted.tentative = true, nil, {}, nil
  end
end

function Pages.is_rebased(name) return record(name).rebased end

local function store_changes(key, changes)
  local kept, deleted = {}, {}
  for field, value in pairs(changes) do
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

-- Writes all differences. After the first write only success is possible. `csn` is that of the last commit.
function Pages.store(csn)
  local changed = {}
  for name, page in pairs(records) do
    local committed, tentative = K.committed_page .. name, K.tentative_page .. name
    local size = page.size + #page.joined / 2 - #page.left
    if store_changes(committed, page.changes.committed) then
      changed[#changed + 1] = csn
      changed[#changed + 1] = name
    end
    Redis.many('ZADD', K.index .. name, page.joined)
    Redis.many('ZREM', K.index .. name, page.left)
    if size == 0 then
      if page.size > 0 then redis.call('UNLINK', tentative) end
    else
      if page.size == 0 or page.rebased then -- the whole copy is written anew
        if page.size > 0 then redis.call('UNLINK', tentative) end
        page.changes.tentative = fields_of(page, TENTATIVE)
      end
      store_changes(tentative, page.changes.tentative)
    end
  end
  Redis.many('ZADD', K.changed, changed)
end
