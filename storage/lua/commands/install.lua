-- Switches to the full state that was staged, and keeps those writes of this replica that the state does not cover
-- (Petersen 1997, section 4.3).
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  integer  number of the staging
-- ARGV[2]  string   label of the sender
-- ARGV[3]  JSON     the end of the full state, as read_state_part returns it
-- ARGV[4]  integer  the last CSN that the two logs share: later commits here are revoked; '' if the logs were not
--                   compared and their histories are the same
-- ARGV[5]  string   a new server id; it replaces the present id if not all writes of the present id are kept, or if the
--                   state has writes of the present id that are not here
-- ARGV[6]  JSON     ids of writes here that the sender has never held. If the state's vector covers one of them, a server
--                   id was used twice
-- ARGV[7]  JSON     ids of all writes here that the sender was asked about; '' if it cannot be asked
-- ARGV[8]  string   `other` if the state may belong to a cluster with another birth; else ''
-- ARGV[9]  JSON     [CSN, newline and body, ...]: the commits that named another primary, if the sender has sent them
-- ARGV[10] JSON     [CSN, seal, ...]: their seals
-- ARGV[11] JSON     {server: stamp text}: the vector of the commits before those that have come with the state
-- Returns JSON {status, kept, revoked, set_aside, lost, lost_pages}; the status is
--   installed   readers see the whole new state from now on
--   superseded  another staging has begun, or a write has come that is not in ARGV[7]; nothing has changed
--   stale       the state or its history is not newer than the one here; nothing has changed
--   foreign_commit  this is the primary, and it did not make the commits of the state; nothing has changed
-- `kept` counts the writes that are kept. The writes `revoked` were committed here and are tentative again. The writes
-- `set_aside` have no place in the order: they follow a write that this replica no longer has, or the state's vector
-- covers them although the state does not have them. This replica will make them again (resubmit.lua). The writes
-- `lost` have no place either, but they create or retire a server or name a primary, so they cannot be made again. The
-- pages `lost_pages` were changed by revoked commits whose writes had been dropped from the log. A list without entries
-- is left out.
-- C becomes that of the state. The log is what has come with the state, and O what was committed before. V is C, extended
-- by each chain of kept writes that has no gap. The kept writes are replayed on the new state. Keeps invariants 1, 2, 3, 5,
-- 7, 10, 11 and 20.

--- @include "engine/digest"
--- @include "engine/log"
--- @include "engine/membership"
--- @include "engine/order"
--- @include "engine/play"
--- @include "engine/redis"
--- @include "engine/replay"
--- @include "engine/vectors"

local number, source, state, fresh_server = ARGV[1], ARGV[2], cjson.decode(ARGV[3]), ARGV[5]
local revoked_after = tonumber(ARGV[4])
local is_lacking = {} -- id -> true: the writes of ARGV[6]
for _, id in ipairs(cjson.decode(ARGV[6])) do is_lacking[id] = true end
local was_asked = ARGV[7] ~= '' and {} or nil -- id -> true: the writes of ARGV[7]
for _, id in ipairs(was_asked and cjson.decode(ARGV[7]) or {}) do was_asked[id] = true end
local takes_birth = ARGV[8] == 'other'
local successions, succession_seals = cjson.decode(ARGV[9]), cjson.decode(ARGV[10])
local omitted = cjson.decode(ARGV[11])

local staging, csn, osn, server, birth, history, primary, has_retired =
  unpack(redis.call('HMGET', K.meta, 'staging', 'csn', 'osn', 'id', 'birth', 'history', 'primary', 'retired'))
csn, osn = tonumber(csn), tonumber(osn)
local common = math.min(revoked_after or csn, csn) -- the last CSN that the two logs share
local has_same_epochs = false
local new = keys_of(number)
local is_whole = redis.call('ZCARD', new.staged_log) == tonumber(state.commits)
if staging ~= number or staging == '' or not is_whole then return cjson.encode({status = 'superseded'}) end

-- The histories may have changed since the session compared them (bayou/history.py), for example by a forced promotion
-- here. So they are compared again.
local function is_stale()
  if birth ~= '' and birth ~= state.birth then return not takes_birth end
  local ours, theirs = cjson.decode(history), cjson.decode(state.history)
  local shared = 0
  while shared < math.min(#ours, #theirs) and cjson.encode(ours[shared + 1]) == cjson.encode(theirs[shared + 1]) do
    shared = shared + 1
  end
  if shared == #ours then -- theirs begins with ours
    common = theirs[shared + 1] and math.min(theirs[shared + 1][3] - 1, common) or common
    has_same_epochs = shared == #theirs
    return tonumber(state.csn) <= csn and has_same_epochs
  end
  if shared == #theirs then return true end
  local last, other = ours[#ours], theirs[#theirs]
  common = math.min(ours[shared + 1][3] - 1, theirs[shared + 1][3] - 1, common)
  return other[1] < last[1] or other[1] == last[1] and Order.bytewise(other[2], last[2])
end
if is_stale() then return cjson.encode({status = 'stale'}) end
-- In its own epoch, the primary makes all commits.
if primary == server and has_same_epochs then return cjson.encode({status = 'foreign_commit'}) end

-- The vector after the switch: first that of the new state, later extended by the kept writes.
local reach = {} -- server -> stamp
local retired = {} -- minted server id (LABEL~NONCE) -> true
for id, stamp in pairs(state.vector) do reach[id] = tonumber(stamp) end
for _, field in ipairs(redis.call('HKEYS', new.committed_page .. 'members')) do
  local gone = field:match('^gone:(.+)$')
  if gone then retired[gone] = true end
end
local function stamp_of(id) return reach[id] end
local function is_retired(id) return retired[id] end
local function reached(id) return Vectors.complete(id, stamp_of, is_retired) end
local function reach_to(id, stamp) reach[id] = tonumber(stamp) end
local function retire(id)
  reach[id] = nil
  if not id:match('^%d+:') then retired[id] = true end
end

-- The candidates are the tentative writes, and the commits that are revoked.
local candidates, is_tentative = redis.call('ZRANGE', K.tentative, 0, -1), {}
for _, id in ipairs(candidates) do is_tentative[id] = true end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.committed, '(' .. common, '+inf')) do
  candidates[#candidates + 1] = id
end
table.sort(candidates, Order.before)

-- The vector of the state may cover a write that the state does not have, if a server id was used twice. This is known
-- if the sender has said so, or if the ids in the state reach back to `common`. A file cannot be asked.
local is_recent, has_all_ids = {}, tonumber(state.csn) - #state.recent <= common
for _, id in ipairs(state.recent) do is_recent[id] = true end
local function is_missing(id) return is_lacking[id] or has_all_ids and not is_recent[id] end

local epochs = cjson.decode(state.history)
local kept, revoked, lost = {}, {}, {}
local set_aside, bodies, kept_bodies = {}, {}, {}
local tentative_pages = {} -- page -> true: its tentative copy is thrown away
for _, id in ipairs(candidates) do
  local body = redis.call('HGET', K.writes, id)
  local write = cjson.decode(body)
  local held = reached(write.origin)
  if is_tentative[id] then
    for _, page in ipairs(write.pages) do tentative_pages[page] = true end
  end
  local is_covered = Order.stamp(id) <= held
  -- A promotion in a cluster of another birth would open an epoch that this cluster does not have.
  local is_misfit = tonumber(write.prev) ~= held or Membership.opens_later_epoch(write, epochs)
  if is_covered and was_asked and not was_asked[id] then return cjson.encode({status = 'superseded'}) end
  local has_no_place = is_covered and is_missing(id) or not is_covered and is_misfit
  if has_no_place and Membership.is_bound(write) then
    lost[#lost + 1] = id
  elseif has_no_place then
    set_aside[#set_aside + 1], bodies[#bodies + 1] = id, body
  elseif not is_covered then
    Play.check_hung({id = id, app = write.app})
    kept[#kept + 1] = id
    kept_bodies[#kept_bodies + 1], kept_bodies[#kept_bodies + 2] = id, body
    if not is_tentative[id] then revoked[#revoked + 1] = id end
    reach[write.origin] = Order.stamp(id)
    Membership.cover(write, reach_to, retire)
  end
end
local kept_outcomes = {}
for i, outcome in ipairs(Redis.fields(K.outcomes, kept)) do
  kept_outcomes[2 * i - 1], kept_outcomes[2 * i] = kept[i], outcome
end
local lost_pages = {}
if osn > common then
  lost_pages = redis.call('ZRANGEBYSCORE', K.changed, '(' .. common, '+inf', 'LIMIT', 0, 1000)
end
local own_stamp, own_reach = tonumber(redis.call('HGET', K.vector, server) or nil), reached(server)
local is_incomplete = own_stamp and own_reach < own_stamp
  or has_retired ~= '1' and own_reach > (own_stamp or tonumber(server:match('^(%d+):')) or 0)
local origins = redis.call('ZRANGE', K.origins, 0, -1)
local clock = math.max(tonumber(redis.call('GET', K.clock)), tonumber(state.clock))

-- The switch. From here on nothing may fail.
if is_incomplete then
  redis.call('HSET', K.meta, 'id', fresh_server, 'retired', '')
end
for _, origin in ipairs(origins) do redis.call('UNLINK', K.origin .. origin) end
redis.call('UNLINK', K.seals)
for _, at in ipairs(redis.call('HKEYS', K.primary_writes)) do
  if tonumber(at) > common then
    redis.call('HDEL', K.primary_writes, at)
    redis.call('HDEL', K.primary_seals, at)
  end
end
Redis.many('HSET', K.primary_writes, successions)
Redis.many('HSET', K.primary_seals, succession_seals)
for page in pairs(tentative_pages) do redis.call('UNLINK', K.index .. page, K.tentative_page .. page) end
redis.call('UNLINK', K.tentative, K.origins, K.effects, K.committed, K.writes, K.outcomes, K.vector, K.committed_vector,
  K.omitted_vector, K.retired)
if tonumber(state.commits) > 0 then
  redis.call('RENAME', new.staged_log, K.committed)
  redis.call('RENAME', new.staged_writes, K.writes)
  redis.call('RENAME', new.staged_outcomes, K.outcomes)
end
Redis.many('HSET', K.writes, kept_bodies)
Redis.many('HSET', K.outcomes, kept_outcomes)
Redis.many('RPUSH', K.set_aside, bodies)
for id, stamp in pairs(state.vector) do redis.call('HSET', K.committed_vector, id, stamp) end
for id, stamp in pairs(omitted) do redis.call('HSET', K.omitted_vector, id, stamp) end
for id, stamp in pairs(reach) do redis.call('HSET', K.vector, id, Order.text(stamp)) end
for id in pairs(retired) do redis.call('SADD', K.retired, id) end
local new_osn = string.format('%.0f', tonumber(state.csn) - tonumber(state.commits))
local new_osn_id = tonumber(state.commits) > 0 and state.before or state.last
redis.call('HSET', K.meta, 'csn', state.csn, 'osn', new_osn, 'osn_id', new_osn_id, 'last', state.last,
  'osn_digest', Digest.field(new_osn, state.digest), 'birth', state.birth, 'met', '1', 'primary', state.primary,
  'history', state.history, 'generation', number, 'staging', '')
redis.call('SET', K.clock, Order.text(clock))
local recent = {}
for i = 1, #state.recent - tonumber(state.commits) do
  recent[2 * i - 1], recent[2 * i] = string.format('%.0f', tonumber(state.csn) - #state.recent + i), state.recent[i]
end
redis.call('UNLINK', K.dropped)
Redis.many('ZADD', K.dropped, recent)
K = new

-- The engine starts on the new state, and replays the kept writes.
Log.start()
Log.fetch(kept)
for _, id in ipairs(kept) do Replay.arrive(Log.write(id)) end
Replay.finish()
Log.store('installed', source, 0, Replay.replayed)

-- JSON of these fields and of the lists. A list without entries is left out: cjson would encode it as an object.
local function report(fields)
  for name, ids in pairs({revoked = revoked, set_aside = set_aside, lost = lost, lost_pages = lost_pages}) do
    if #ids > 0 then fields[name] = ids end
  end
  return cjson.encode(fields)
end
redis.call('XADD', K.events, 'MAXLEN', '~', EVENTS_MAX, '*', 'kind', 'revoked', 'body',
  report({kind = 'revoked', peer = source}))
return report({status = 'installed', kept = #kept})
