-- Switches to a full state that was staged, and keeps the writes here that it does not cover (Petersen 1997, section 4.3).
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the number of the staging; ARGV[2] label of the sender
-- ARGV[3]  JSON: the end of the state, as state_chunk gives it
-- ARGV[4]  CSN up to which the two histories are one: what is committed here beyond it is revoked; '' when they do not
--          differ at all
-- ARGV[5]  a fresh server id: taken when the writes of the present id are not kept to the last, for it may not write on then
-- Returns JSON {status, kept, revoked, lost, lost_pages}; status is
--   installed    readers see the new state whole from now on
--   superseded   another staging has begun: nothing has changed
--   stale        the state is not newer than what is here (or its history is not): nothing has changed
-- `revoked` were committed here and are tentative again; `lost` follow a write that is no longer anywhere here and cannot
-- be placed; `lost_pages` were changed by revoked commits whose writes had been dropped from the log.
-- C and O become those of the state; V is C extended by every kept chain without a hole. Kept writes are replayed
-- once the new state counts. Keeps invariants 1, 2, 3, 5, 10 and 11.

--- @include "engine/log"
--- @include "engine/membership"
--- @include "engine/order"
--- @include "engine/redis"
--- @include "engine/replay"
--- @include "engine/vectors"

local state = cjson.decode(ARGV[3])
local staging, csn, osn, server, birth, history =
  unpack(redis.call('HMGET', K.meta, 'staging', 'csn', 'osn', 'id', 'birth', 'history'))
csn, osn = tonumber(csn), tonumber(osn)
local common = tonumber(ARGV[4]) or csn
if staging ~= ARGV[1] or staging == '' then return cjson.encode({status = 'superseded'}) end

-- The histories may have changed since the session judged them (bayou/history.py), as by a forced promotion here.
local function is_stale()
  if birth ~= '' and birth ~= state.birth then return not tonumber(ARGV[4]) end
  local ours, theirs = cjson.decode(history), cjson.decode(state.history)
  local shared = 0
  while shared < math.min(#ours, #theirs) and cjson.encode(ours[shared + 1]) == cjson.encode(theirs[shared + 1]) do
    shared = shared + 1
  end
  if shared == #ours then -- ours is the beginning of theirs
    common = theirs[shared + 1] and math.min(theirs[shared + 1][3] - 1, csn) or csn
    return tonumber(state.csn) <= csn and shared == #theirs
  end
  if shared == #theirs then return true end
  local last, other = ours[#ours], theirs[#theirs]
  common = math.min(ours[shared + 1][3], theirs[shared + 1][3]) - 1
  return other[1] < last[1] or other[1] == last[1] and Order.bytewise(other[2], last[2])
end
if is_stale() then return cjson.encode({status = 'stale'}) end

local new = keys_of(ARGV[1])
local kept, lost, revoked, lost_pages = {}, {}, {}, {}

-- What the new state covers, then what is kept on top: server -> stamp, math.huge for the retired.
local reach = {}
local retired = {}
for server_id, stamp in pairs(state.vector) do reach[server_id] = tonumber(stamp) end
local flat = redis.call('HKEYS', new.committed_page .. 'members')
for _, field in ipairs(flat) do
  local gone = field:match('^gone:(.+)$')
  if gone then retired[gone] = true end
end
local function reached(origin)
  return Vectors.complete(origin, function(id) return reach[id] end, function(id) return retired[id] end)
end

-- The candidates: tentative writes, and commits that are revoked.
local candidates = redis.call('ZRANGE', K.tentative, 0, -1)
local tentative = {}
for _, id in ipairs(candidates) do tentative[id] = true end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.committed, '(' .. common, '+inf')) do
  candidates[#candidates + 1] = id
end
table.sort(candidates, Order.before)

local dropped, writes = {}, {}
for _, id in ipairs(candidates) do
  local write = cjson.decode(redis.call('HGET', K.writes, id))
  local held = reached(write.origin)
  if tentative[id] then
    for _, page in ipairs(write.pages) do writes[page] = true end -- its copy is thrown away
  end
  if Order.stamp(id) <= held then
    dropped[#dropped + 1] = id
  elseif tonumber(write.prev) ~= held then
    dropped[#dropped + 1], lost[#lost + 1] = id, id
  else
    kept[#kept + 1] = id
    if not tentative[id] then revoked[#revoked + 1] = id end
    reach[write.origin] = Order.stamp(id)
    Membership.cover(write, function(id_, stamp) reach[id_] = tonumber(stamp) end, function(id_)
      reach[id_] = nil
      if not id_:match('^%d+:') then retired[id_] = true end
    end)
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.committed, '-inf', common)) do dropped[#dropped + 1] = id end
if osn > common then
  lost_pages = redis.call('ZRANGEBYSCORE', K.changed, '(' .. common, '+inf', 'LIMIT', 0, 1000)
end
local own = redis.call('HGET', K.vector, server)

-- From here on only success is possible.
if own and reached(server) < tonumber(own) then redis.call('HSET', K.meta, 'id', ARGV[5], 'retired', '') end
for _, origin in ipairs(redis.call('ZRANGE', K.origins, 0, -1)) do redis.call('UNLINK', K.origin .. origin) end
for page in pairs(writes) do redis.call('UNLINK', K.index .. page, K.tentative_page .. page) end
redis.call('UNLINK', K.tentative, K.origins, K.effects, K.committed, K.vector, K.committed_vector, K.omitted_vector,
  K.retired)
Redis.many('HDEL', K.writes, dropped)
Redis.many('HDEL', K.outcomes, dropped)
for id, stamp in pairs(state.vector) do
  redis.call('HSET', K.committed_vector, id, stamp)
  redis.call('HSET', K.omitted_vector, id, stamp)
end
for id, stamp in pairs(reach) do redis.call('HSET', K.vector, id, Order.text(stamp)) end
for id in pairs(retired) do redis.call('SADD', K.retired, id) end
redis.call('HSET', K.meta, 'csn', state.csn, 'osn', state.csn, 'osn_id', state.last,
  'last', state.last, 'birth', state.birth, 'met', '1',
  'primary', state.primary, 'history', state.history, 'generation', ARGV[1], 'staging', '')
redis.call('SET', K.clock, Order.text(math.max(tonumber(redis.call('GET', K.clock)), tonumber(state.clock))))
K = new

-- Now the new state counts, and the engine starts on it.
Log.start()
Log.fetch(kept)
for _, id in ipairs(kept) do Replay.arrive(Log.write(id)) end
Replay.finish()
Log.store('installed', ARGV[2], 0, Replay.replayed)
local function list(ids) return #ids > 0 and ids or nil end
redis.call('XADD', K.events, 'MAXLEN', '~', EVENTS_MAX, '*', 'kind', 'revoked', 'body', cjson.encode({kind = 'revoked',
  peer = ARGV[2], revoked = list(revoked), lost = list(lost), lost_pages = list(lost_pages)}))
return cjson.encode({status = 'installed', kept = #kept, revoked = list(revoked), lost = list(lost),
  lost_pages = list(lost_pages)})
