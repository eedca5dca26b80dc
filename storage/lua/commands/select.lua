-- Chooses the writes that a peer lacks: committed ones after its CSN in CSN order, then tentative ones beyond its
-- vector in stamp order (Petersen 1997, section 4.1). The cost depends on what is sent, not on the length of the log.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  integer  the peer's CSN
-- ARGV[2]  JSON     its vector, {server: stamp text}
-- ARGV[3]  JSON     [server, ...]: the minted ids (LABEL~NONCE) that have retired, as far as the peer knows
-- ARGV[4]  integer  how many writes to choose at most
-- ARGV[5]  integer  how many bytes to choose at most; at least one write is chosen
-- Returns false if the peer lacks commits that were dropped from the log, else {CSN, id, history, heads, bodies}:
--   CSN, id  the CSN and the write id of the commit before the first chosen commit; the id is '' for CSN 0
--   history  the history of this log, as JSON
--   heads    JSON [[CSN or null, write id, number of bytes], ...]; the number is 0 if a notification is enough
--   bodies   the bytes of all writes in one text, because a client reads one text faster than many
-- Changes nothing. Keeps invariant 5: of each origin the oldest missing write goes first.

--- @include "engine/order"
--- @include "engine/vectors"

local csn, vector, retired = tonumber(ARGV[1]), cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
local count_max, bytes_max = tonumber(ARGV[4]), tonumber(ARGV[5])

local osn, osn_id, history = unpack(redis.call('HMGET', K.meta, 'osn', 'osn_id', 'history'))
osn = tonumber(osn)
if csn < osn then return false end
local before_id = csn == osn and osn_id or redis.call('ZRANGEBYSCORE', K.committed, csn, csn)[1]

local retired_set = {}
for _, server in ipairs(retired) do retired_set[server] = true end
local function stamp_of(server) return tonumber(vector[server]) end
local function is_retired(server) return retired_set[server] end
local function held(origin) return Vectors.complete(origin, stamp_of, is_retired) end

local heads, bodies, bytes, count = {}, {}, 0, 0

-- Adds a write to the reply. Returns whether there is room for another one.
local function add(number, id, body)
  bytes, count = bytes + #body, count + 1
  heads[count], bodies[count] = '[' .. number .. ',"' .. id .. '",' .. #body .. ']', body
  return bytes < bytes_max and count < count_max
end

local function add_committed()
  local found = redis.call('ZRANGEBYSCORE', K.committed, '(' .. csn, '+inf', 'WITHSCORES', 'LIMIT', 0, count_max)
  for i = 1, #found, 2 do
    local id = found[i]
    local body = Order.stamp(id) <= held(Order.origin(id)) and '' or redis.call('HGET', K.writes, id)
    if not add(found[i + 1], id, body) then return false end
  end
  return true
end

local function add_tentative()
  local ids = {}
  local origins = redis.call('ZRANGE', K.origins, 0, -1, 'WITHSCORES')
  for i = 1, #origins, 2 do
    local origin, stamp = origins[i], held(origins[i])
    if tonumber(origins[i + 1]) > stamp then
      local after = '(' .. Order.text(math.max(stamp, 0))
      local found = redis.call('ZRANGEBYSCORE', K.origin .. origin, after, '+inf', 'LIMIT', 0, count_max - count)
      for _, id in ipairs(found) do ids[#ids + 1] = id end
    end
  end
  table.sort(ids, Order.before)
  for _, id in ipairs(ids) do
    if not add('null', id, redis.call('HGET', K.writes, id)) then return end
  end
end

if add_committed() then add_tentative() end
return {csn, before_id or '', history, '[' .. table.concat(heads, ',') .. ']', table.concat(bodies)}
