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

-- The page's record, which the functions below take.
function Pages.open(name)
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

-- Sets a field, or deletes it when value is nil. Does not load a page that nobody has read.
function Pages.put(page, view, field, value)
  local fields = page[view]
  if fields then
    if (fields[field] == nil) ~= (value == nil) then page.sorted[view] = nil end
    fields[field] = value
  end
  if value == nil then value = DELETED end
  page.changes[view][field] = value
end

-- The names of the fields, sorted bytewise.
function Pages.sorted(page, view)
  local sorted = page.sorted[view]
  if not sorted then
    sorted = {}
    for field in pairs(Pages.load(page, view)) do sorted[#sorted + 1] = field end
    table.sort(sorted, Order.bytewise)
    page.sorted[view] = sorted
  end
  return sorted
end

-- The tentative writes that declare the page, after the id `from` and not after `upto` (nil: the end), in their order.
function Pages.index(page, from, upto)
  if page.size == 0 then return {} end
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

function Pages.join(page, id)
  local joined = page.joined
  joined[#joined + 1] = Order.stamp(id)
  joined[#joined + 1] = id
end

function Pages.leave(page, id) page.left[#page.left + 1] = id end

-- The tentative copy is thrown away; what is tentative on the page will be replayed on the committed state.
function Pages.rebase(page)
  if page.size > 0 then
    page.rebased, page.tentative, page.changes.tentative, page.sorted.tentative = true, nil, {}, nil
  end
end

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
        page.changes.tentative = Pages.load(page, TENTATIVE)
      end
      store_changes(tentative, page.changes.tentative)
    end
  end
  Redis.many('ZADD', K.changed, changed)
end
