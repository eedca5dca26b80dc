-- Chooses what a peer lacks: the committed writes behind its CSN in CSN order, then the tentative ones beyond its vector
-- in stamp order (Petersen 1997, section 4.1). Costs what is sent, not the length of the log.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the peer's CSN; ARGV[2] its vector, JSON server -> stamp text; ARGV[3] its retired minted ids, JSON array
-- ARGV[4]  how many writes, ARGV[5] how many bytes at the most (one write is always chosen)
-- Returns false when commits that the peer lacks were dropped from the log, else
--   {CSN before the first commit, its id, the history, JSON array of triples: CSN or null, write id, how many bytes (0 where
--   a notification is enough); those bytes, one write's behind the other's}: few texts are read faster than many.
-- Keeps invariant 5: of each origin the oldest missing write goes first.

--- @include "engine/order"
--- @include "engine/vectors"

local osn, osn_id, history = unpack(redis.call('HMGET', K.meta, 'osn', 'osn_id', 'history'))
if tonumber(ARGV[1]) < tonumber(osn) then return false end
local csn, vector = tonumber(ARGV[1]), cjson.decode(ARGV[2])
local retired = {}
for _, server in ipairs(cjson.decode(ARGV[3])) do retired[server] = true end
local count_max, bytes_max = tonumber(ARGV[4]), tonumber(ARGV[5])
local last = csn == tonumber(osn) and osn_id or redis.call('ZRANGEBYSCORE', K.committed, csn, csn)[1]
local heads, bodies, bytes, count = {}, {}, 0, 0

local function stamp_of(server) return tonumber(vector[server]) end
local function is_retired(server) return retired[server] end
local function held(origin) return Vectors.complete(origin, stamp_of, is_retired) end

-- Adds a write to the reply; returns whether there is room for another.
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
    local stamp = held(origins[i])
    if tonumber(origins[i + 1]) > stamp then
      local key = K.origin .. origins[i]
      local found = redis.call('ZRANGEBYSCORE', key, '(' .. Order.text(math.max(stamp, 0)), '+inf', 'LIMIT', 0, count_max - count)
      for _, id in ipairs(found) do ids[#ids + 1] = id end
    end
  end
  table.sort(ids, Order.before)
  for _, id in ipairs(ids) do
    if not add('null', id, redis.call('HGET', K.writes, id)) then return end
  end
end

if add_committed() then add_tentative() end
return {ARGV[1], last or '', history, '[' .. table.concat(heads, ',') .. ']', table.concat(bodies)}
