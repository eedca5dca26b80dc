-- The write log and the vectors, as one transaction sees and changes them. Nothing is written before Log.store().
--
-- Invariants 1, 2, 5, 6 and 10 live here: V and C only grow, CSNs are dense, a write enters the log behind its origin's
-- previous one, and the clock never falls behind a stamp that was seen.

--- @include "engine/held"
--- @include "engine/membership"
--- @include "engine/order"
--- @include "engine/pages"
--- @include "engine/play"
--- @include "engine/redis"

local Log = {changes = {}} -- changes: what screens are told, five values a write: see Log.tell

local primary, history -- as they stood when the transaction began, and as commits have changed them since
local first_csn
local meta = {} -- changed fields
local vectors = {V = {}, C = {}} -- server -> stamp text, false to drop it: changed entries
local stored = {writes = {}, outcomes = {}, effects = {}, lists = {}, log = {}, retired = {}}
local joined, settled = {}, {} -- tentative writes that come, and that go
local left = {} -- id -> true, of those that go
local origins = {} -- servers whose tentative writes changed
local held = {} -- id -> write, decoded, of those that were in the log before

-- Reads where the log stands. A command calls it once, before all else of the engine; install.lua once the new state counts.
function Log.start()
  local id, csn, last, retired
  id, primary, csn, last, history, retired =
    unpack(redis.call('HMGET', K.meta, 'id', 'primary', 'csn', 'last', 'history', 'retired'))
  Log.id, Log.csn, Log.last, Log.retired = id, tonumber(csn), last, retired == '1'
  Log.clock = tonumber(redis.call('GET', K.clock))
  first_csn = Log.csn
  Pages.start()
end

-- Appends one value or two; returns the list.
local function add(list, one, other)
  local count = #list
  list[count + 1], list[count + 2] = one, other
  return list
end

function Log.is_primary() return primary == Log.id end

function Log.decode(body)
  local write = cjson.decode(body)
  write.id = write.stamp .. '@' .. write.origin
  write.at = Order.number[write.stamp]
  write.body = body
  return write
end

-- Reads these writes of the log as it was before this transaction, with the outcomes of their last plays, all at once. One that is
-- not there is left out.
function Log.fetch(ids)
  local missing = {}
  for _, id in ipairs(ids) do
    if not held[id] then missing[#missing + 1] = id end
  end
  local bodies, outcomes = Redis.fields(K.writes, missing), Redis.fields(K.outcomes, missing)
  for i, id in ipairs(missing) do
    if bodies[i] then
      local write = Log.decode(bodies[i])
      write.was = outcomes[i] or nil -- only what was in the log before this transaction has it
      held[id] = write
    end
  end
end

-- The same of one, by its id.
function Log.write(id)
  if not held[id] then Log.fetch({id}) end
  return held[id] or error('the log has lost the write ' .. id)
end

-- The effects of these tentative writes, in their order.
function Log.effects(ids)
  local found = Redis.fields(K.effects, ids)
  for i = 1, #found do found[i] = cjson.decode(found[i]) end
  return found
end

function Log.is_tentative(id)
  return Pages.was_any_tentative and redis.call('ZSCORE', K.tentative, id) and not left[id]
end

-- All tentative writes, in order, at most `count_max`.
function Log.tentative(count_max) return redis.call('ZRANGE', K.tentative, 0, count_max - 1) end

-- V gains or moves on an entry, or loses one.
local function hold(server, stamp)
  Held.set(server, Order.number[stamp])
  vectors.V[server] = stamp
end

local function drop(server)
  Held.retire(server)
  vectors.V[server] = false
  if not server:match('^%d+:') then table.insert(stored.retired, server) end
  if server == Log.id then meta.retired = '1' end
end

-- The same for C.
local function hold_committed(server, stamp) vectors.C[server] = stamp end
local function drop_committed(server) vectors.C[server] = false end

-- A new write enters the log; the caller has checked that it follows its origin's previous one.
function Log.enter(write)
  if write.at > Log.clock then Log.clock = write.at end
  add(stored.writes, write.id, write.body)
  local entries, lists = Play.lists(write), stored.lists
  for i = 1, #entries, 2 do
    local members = lists[entries[i]]
    if members then members[entries[i + 1]] = true else lists[entries[i]] = {[entries[i + 1]] = true} end
  end
  hold(write.origin, write.stamp)
  Membership.cover(write, hold, drop)
end

-- A new write becomes tentative.
function Log.join(write)
  table.insert(joined, write)
  for _, name in ipairs(write.pages) do Pages.join(Pages.open(name), write) end
end

-- A write is no longer tentative.
function Log.leave(write)
  left[write.id] = true
  table.insert(settled, write)
  for _, name in ipairs(write.pages) do Pages.leave(Pages.open(name), write.id) end
end

-- The write takes the next CSN; returns that as text.
function Log.commit(write)
  Log.csn, Log.last = Log.csn + 1, write.id
  hold_committed(write.origin, write.stamp)
  if Membership.is_membership(write) then
    Membership.cover(write, hold_committed, drop_committed)
    for field, value in pairs(Membership.on_commit(write, Log.csn, primary, meta.history or history)) do meta[field] = value end
    primary = meta.primary or primary
  end
  local text = string.format('%d', Log.csn)
  add(stored.log, text, write.id)
  return text
end

function Log.record(write, outcome, effects)
  add(stored.outcomes, write.id, outcome)
  if effects then add(stored.effects, write.id, cjson.encode(effects)) end
end

-- The cluster begins with this server, as far as anybody here knows.
function Log.found(server) meta.birth, meta.history = server, cjson.encode({{0, server, 1}}) end

-- Notes for the screens what became of a write: its id; its CSN, a text, or nil while it is not committed; its outcome before, nil
-- of a new one; its outcome now; whether it is about the membership. Once for each write.
function Log.tell(write, csn, was, now)
  local all, last = Log.changes, #Log.changes
  all[last + 1], all[last + 2], all[last + 3], all[last + 4] = write.id, csn or false, was or false, now
  all[last + 5] = Membership.is_membership(write)
end

-- HSET of a map, HDEL of the keys that it holds as false.
local function store_map(key, map)
  local kept, dropped = {}, {}
  for name, value in pairs(map) do
    if value then
      kept[#kept + 1] = name
      kept[#kept + 1] = value
    else
      dropped[#dropped + 1] = name
    end
  end
  Redis.many('HSET', key, kept)
  Redis.many('HDEL', key, dropped)
end

local function store_tentative()
  local all, gone, joined_of, gone_of = {}, {}, {}, {}
  for _, write in ipairs(joined) do
    add(all, write.stamp, write.id)
    joined_of[write.origin] = add(joined_of[write.origin] or {}, write.stamp, write.id)
  end
  for _, write in ipairs(settled) do
    add(gone, write.id)
    gone_of[write.origin] = add(gone_of[write.origin] or {}, write.id)
  end
  Redis.many('ZADD', K.tentative, all)
  for origin, list in pairs(joined_of) do
    Redis.many('ZADD', K.origin .. origin, list)
    origins[origin] = true
  end
  Redis.many('ZREM', K.tentative, gone)
  Redis.many('HDEL', K.effects, gone)
  for origin, list in pairs(gone_of) do
    Redis.many('ZREM', K.origin .. origin, list)
    origins[origin] = true
  end
  for origin in pairs(origins) do
    local newest = redis.call('ZREVRANGE', K.origin .. origin, 0, 0)[1]
    if newest then
      redis.call('ZADD', K.origins, Order.stamp(newest), origin)
    else
      redis.call('ZREM', K.origins, origin)
    end
  end
end

-- Writes all differences, and one event. After the first write only success is possible.
function Log.store(kind, from, rolled_back, replayed)
  redis.call('SET', K.clock, Order.text(Log.clock))
  if Log.csn > first_csn then meta.csn, meta.last = string.format('%d', Log.csn), Log.last end
  store_map(K.meta, meta)
  store_map(K.vector, vectors.V)
  store_map(K.committed_vector, vectors.C)
  Redis.many('SADD', K.retired, stored.retired)
  Redis.many('HSET', K.writes, stored.writes)
  Redis.many('HSET', K.outcomes, stored.outcomes)
  Redis.many('ZADD', K.committed, stored.log)
  store_tentative()
  Redis.many('HSET', K.effects, stored.effects)
  for name, members in pairs(stored.lists) do
    redis.call('SADD', K.lists, name)
    local names = {}
    for member in pairs(members) do names[#names + 1] = member end
    Redis.many('SADD', K.list .. name, names)
  end
  Pages.store(Log.csn)
  if #Log.changes > 0 then
    redis.call('XADD', K.events, 'MAXLEN', '~', EVENTS_MAX, '*', 'kind', kind, 'body', cjson.encode({
      from = from, rolled_back = rolled_back, replayed = replayed, changes = Log.changes,
    }))
  end
end

return Log
