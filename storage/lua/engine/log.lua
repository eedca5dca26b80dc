-- The write log and the vectors, as a transaction sees and changes them. Nothing is written before Log.store().
--
-- Keeps invariants 1, 2, 5, 6 and 10: CSNs are dense, a write enters the log after the previous one of its origin, and
-- the clock is never before a stamp that was seen. C only grows; V only grows, except if a write is set aside.

--- @include "engine/held"
--- @include "engine/membership"
--- @include "engine/order"
--- @include "engine/pages"
--- @include "engine/play"
--- @include "engine/redis"

local Log = {} -- see Log.start for its fields

local primary, history -- `history` as it was when the transaction began
local first_csn -- the CSN when the transaction began
local meta = {} -- changed fields of `meta`
local vectors = {V = {}, C = {}} -- changed entries: server -> stamp text, false to drop it
local stored = { -- what Log.store writes
  writes = {}, outcomes = {}, effects = {}, lists = {}, log = {}, retired = {}, primary_writes = {}, set_aside = {},
}
local joined, departed = {}, {} -- writes that become tentative, and that no longer are
local has_departed = {} -- id -> true
local removed = {} -- the ids of writes that were set aside
local known = {} -- id -> write, of those that were in the log before this transaction
local applications = {} -- tag -> true, of the writes that enter
local changes = {} -- for the event, five values for each write: see Log.add_change

-- Begins a transaction: reads the state of the log, and sets
--   id, retired  this server's id, and whether it has retired
--   csn, last    the CSN and the id of the last commit
--   clock        the last stamp that was seen
-- A command calls it once, before it uses anything else of the engine that changes state.
function Log.start()
  local id, csn, last, retired
  id, primary, csn, last, history, retired =
    unpack(redis.call('HMGET', K.meta, 'id', 'primary', 'csn', 'last', 'history', 'retired'))
  Log.id, Log.csn, Log.last, Log.retired = id, tonumber(csn), last, retired == '1'
  Log.clock = tonumber(redis.call('GET', K.clock))
  first_csn = Log.csn
  Pages.start()
end

function Log.is_primary() return primary == Log.id end

-- Appends one value or two to a list; returns the list.
local function append(list, one, other)
  local count = #list
  list[count + 1], list[count + 2] = one, other
  return list
end

-- The write with these canonical bytes: its members, and also its `id`, its stamp as a number (`at`) and its `body`.
function Log.decode(body)
  local write = cjson.decode(body)
  write.id = write.stamp .. '@' .. write.origin
  write.at = Order.number[write.stamp]
  write.body = body
  return write
end

-- A write of this server's clients. `tail` is its canonical JSON from the member after `origin` on.
function Log.new_write(stamp, prev, origin, tail)
  local head = '{"stamp":"%s","prev":"%s","origin":"%s",'
  return Log.decode(string.format(head, Order.text(stamp), Order.text(prev), origin) .. tail)
end

-- Reads these writes at once, as the log held them before this transaction, with the outcomes of their last plays. A
-- write that is not in the log is left out.
function Log.fetch(ids)
  local missing = {}
  for _, id in ipairs(ids) do
    if not known[id] then missing[#missing + 1] = id end
  end
  local bodies, outcomes = Redis.fields(K.writes, missing), Redis.fields(K.outcomes, missing)
  for i, id in ipairs(missing) do
    if bodies[i] then
      local write = Log.decode(bodies[i])
      write.was = outcomes[i] or nil -- a write that is new in this transaction has none
      known[id] = write
    end
  end
end

-- A write that was in the log before this transaction, by its id.
function Log.write(id)
  if not known[id] then Log.fetch({id}) end
  return known[id] or error('the log has lost the write ' .. id)
end

-- The effects of these tentative writes, in the same order.
function Log.effects(ids)
  local found = Redis.fields(K.effects, ids)
  for i = 1, #found do found[i] = cjson.decode(found[i]) end
  return found
end

function Log.is_tentative(id)
  return Pages.was_any_tentative and redis.call('ZSCORE', K.tentative, id) and not has_departed[id]
end

-- The ids of the first `count_max` tentative writes, in order.
function Log.tentative(count_max) return redis.call('ZRANGE', K.tentative, 0, count_max - 1) end

-- Adds or advances the entry of a server in V, or removes it.
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

-- Does the same in C.
local function hold_committed(server, stamp) vectors.C[server] = stamp end
local function drop_committed(server) vectors.C[server] = false end

-- Adds a new write to the log; the caller has checked that it follows its origin's previous one.
function Log.enter(write)
  if write.at > Log.clock then Log.clock = write.at end
  append(stored.writes, write.id, write.body)
  applications[write.app] = true
  local entries, lists = Play.lists(write), stored.lists
  for i = 1, #entries, 2 do
    local list = lists[entries[i]]
    if list then list[entries[i + 1]] = true else lists[entries[i]] = {[entries[i + 1]] = true} end
  end
  hold(write.origin, write.stamp)
  Membership.cover(write, hold, drop)
end

-- Makes a new write tentative.
function Log.join(write)
  table.insert(joined, write)
  for _, name in ipairs(write.pages) do Pages.join(Pages.open(name), write) end
end

-- Removes a write from the tentative ones.
function Log.leave(write)
  has_departed[write.id] = true
  table.insert(departed, write)
  for _, name in ipairs(write.pages) do Pages.leave(Pages.open(name), write.id) end
end

-- Takes a tentative write out of the log. It is kept apart, until this replica makes it again (resubmit.lua).
function Log.set_aside(write)
  Log.leave(write)
  append(stored.set_aside, write.body)
  removed[#removed + 1] = write.id
end

-- The stamp of the last committed write of a server.
function Log.committed_stamp(server)
  local stamp = vectors.C[server]
  if stamp == nil then return Held.committed_stamp(server) end
  return stamp and Order.number[stamp] or math.huge
end

-- The tentative writes of a server whose stamps are greater than `stamp`, in order.
function Log.tentative_of(server, stamp)
  local ids, writes = redis.call('ZRANGEBYSCORE', K.origin .. server, '(' .. Order.text(stamp), '+inf'), {}
  Log.fetch(ids)
  for _, id in ipairs(ids) do
    if not has_departed[id] then writes[#writes + 1] = Log.write(id) end
  end
  return writes
end

-- Gives the write the next CSN. Returns the CSN as text.
function Log.commit(write)
  Log.csn, Log.last = Log.csn + 1, write.id
  hold_committed(write.origin, write.stamp)
  if Membership.is_membership(write) then
    Membership.cover(write, hold_committed, drop_committed)
    local changed = Membership.on_commit(write, Log.csn, primary, meta.history or history)
    for field, value in pairs(changed) do meta[field] = value end
    if changed.primary then
      append(stored.primary_writes, string.format('%d', Log.csn), primary .. '\n' .. write.body)
      primary = changed.primary
    end
  end
  local text = string.format('%d', Log.csn)
  append(stored.log, text, write.id)
  return text
end

-- The epochs of the log.
function Log.epochs() return cjson.decode(meta.history or history) end

-- Records the outcome of a play and, for a tentative write, its effects.
function Log.record(write, outcome, effects)
  append(stored.outcomes, write.id, outcome)
  if effects then append(stored.effects, write.id, cjson.encode(effects)) end
end

-- Makes this server the birth of the cluster.
function Log.set_birth(server) meta.birth, meta.history = server, cjson.encode({{0, server, 1}}) end

-- Adds what became of a write to the event: its id; its CSN as text, nil while it is tentative; its outcome before, nil
-- for a new write; its outcome now; whether it is a membership write. Call it once for each write.
function Log.add_change(write, csn, was, now)
  local all, last = changes, #changes
  all[last + 1], all[last + 2], all[last + 3], all[last + 4] = write.id, csn or false, was or false, now
  all[last + 5] = Membership.is_membership(write)
end

-- Sets the fields of a hash as in the map, and deletes those that the map holds as false.
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

-- Writes the tentative log, as a whole and by origin.
local function store_tentative()
  local all, gone, joined_of, gone_of = {}, {}, {}, {}
  local origins = {} -- server -> true, if its tentative writes change
  for _, write in ipairs(joined) do
    append(all, write.stamp, write.id)
    joined_of[write.origin] = append(joined_of[write.origin] or {}, write.stamp, write.id)
  end
  for _, write in ipairs(departed) do
    append(gone, write.id)
    gone_of[write.origin] = append(gone_of[write.origin] or {}, write.id)
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

-- Ends the transaction: writes all differences, those of the pages too, and one event of this kind. `from` is the label
-- of the sender or ''; `undone` is that of Replay.undone, nil if nothing was undone. From here on nothing may fail.
function Log.store(kind, from, rolled_back, replayed, undone)
  redis.call('SET', K.clock, Order.text(Log.clock))
  if Log.csn > first_csn then meta.csn, meta.last = string.format('%d', Log.csn), Log.last end
  store_map(K.meta, meta)
  store_map(K.vector, vectors.V)
  store_map(K.committed_vector, vectors.C)
  Redis.many('SADD', K.retired, stored.retired)
  Redis.many('HSET', K.writes, stored.writes)
  Redis.many('HSET', K.outcomes, stored.outcomes)
  Redis.many('ZADD', K.committed, stored.log)
  Redis.many('HSET', K.primary_writes, stored.primary_writes)
  for tag in pairs(applications) do redis.call('SADD', K.log_applications, tag) end
  store_tentative()
  Redis.many('HSET', K.effects, stored.effects)
  Redis.many('RPUSH', K.set_aside, stored.set_aside)
  Redis.many('HDEL', K.writes, removed)
  Redis.many('HDEL', K.outcomes, removed)
  for name, list in pairs(stored.lists) do
    redis.call('SADD', K.lists, name)
    local entries = {}
    for entry in pairs(list) do entries[#entries + 1] = entry end
    Redis.many('SADD', K.list .. name, entries)
  end
  Pages.store(Log.csn)
  if #changes > 0 then
    redis.call('XADD', K.events, 'MAXLEN', '~', EVENTS_MAX, '*', 'kind', kind, 'body', cjson.encode({
      from = from, rolled_back = rolled_back, replayed = replayed, changes = changes,
      undone = rolled_back > 0 and undone or nil,
    }))
  end
end

return Log
