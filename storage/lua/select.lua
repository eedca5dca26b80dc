-- Chooses what a peer lacks: the committed writes behind its CSN in CSN order, then the tentative ones beyond its vector
-- in stamp order (Petersen 1997, section 4.1). Costs what is sent, not the length of the log.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the peer's CSN; ARGV[2] its vector, JSON server -> stamp text
-- ARGV[3]  how many writes, ARGV[4] how many bytes at the most (one write is always chosen)
-- Returns {CSN before the first commit, its id, then triples: CSN or '', write id, bytes ('' where a notification is enough)}.
-- Keeps invariant 5: of each origin the oldest missing write goes first.

local csn, vector = tonumber(ARGV[1]), cjson.decode(ARGV[2])
local count_max, bytes_max = tonumber(ARGV[3]), tonumber(ARGV[4])
local last = csn > 0 and redis.call('ZRANGEBYSCORE', K.committed, csn, csn)[1] or ''
local reply, bytes, count = {ARGV[1], last or ''}, 0, 0

local function held(origin) return tonumber(vector[origin] or 0) end

-- Adds a write to the reply; returns whether there is room for another.
local function add(number, id, body)
  reply[#reply + 1] = number
  reply[#reply + 1] = id
  reply[#reply + 1] = body
  bytes, count = bytes + #body, count + 1
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
      local found = redis.call('ZRANGEBYSCORE', key, '(' .. Order.text(stamp), '+inf', 'LIMIT', 0, count_max - count)
      for _, id in ipairs(found) do ids[#ids + 1] = id end
    end
  end
  table.sort(ids, Order.before)
  for _, id in ipairs(ids) do
    if not add('', id, redis.call('HGET', K.writes, id)) then return end
  end
end

if add_committed() then add_tentative() end
return reply
