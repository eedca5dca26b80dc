-- Drops the oldest committed writes from the log. Their effects on committed pages stay (Petersen 1997, section 4.2).
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  integer  how many committed writes to keep at least
-- ARGV[2]  string   a stamp as text; writes with this stamp or a later one are kept
-- ARGV[3]  integer  how many writes to drop at most
-- Returns how many writes were dropped. O, OSN and the digest there change in the same step. Keeps invariants 5 and 11.

--- @include "engine/digest"
--- @include "engine/membership"
--- @include "engine/order"
--- @include "engine/redis"

local keep, bound, count_max = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local csn, osn, noted = unpack(redis.call('HMGET', K.meta, 'csn', 'osn', 'osn_digest'))
local excess = math.min(tonumber(csn) - tonumber(osn) - keep, count_max)
if excess <= 0 then return 0 end

local digest = Digest.at_osn(osn, noted)
local dropped, stamps = {}, {} -- stamps: server -> stamp text, false if O loses the server
local function set(server, stamp) stamps[server] = stamp end
local function drop(server) stamps[server] = false end
for _, id in ipairs(redis.call('ZRANGE', K.committed, 0, excess - 1)) do
  if Order.stamp(id) >= bound then break end
  dropped[#dropped + 1] = id
  if digest ~= '' then digest = Digest.after(digest, id) end
  set(Order.origin(id), id:sub(1, 16))
  local body = redis.call('HGET', K.writes, id)
  if body:find('"app":"members/', 1, true) then Membership.cover(cjson.decode(body), set, drop) end
end
if #dropped == 0 then return 0 end

for server, stamp in pairs(stamps) do
  if stamp then
    redis.call('HSET', K.omitted_vector, server, stamp)
  else
    redis.call('HDEL', K.omitted_vector, server)
  end
end
Redis.many('HDEL', K.writes, dropped)
Redis.many('HDEL', K.outcomes, dropped)
redis.call('ZREMRANGEBYRANK', K.committed, 0, #dropped - 1)
local recent = {}
for i, id in ipairs(dropped) do recent[2 * i - 1], recent[2 * i] = string.format('%.0f', tonumber(osn) + i), id end
Redis.many('ZADD', K.dropped, recent)
redis.call('ZREMRANGEBYRANK', K.dropped, 0, -RECENT_MAX - 1)
local new_osn = string.format('%.0f', tonumber(osn) + #dropped)
redis.call('ZREMRANGEBYSCORE', K.seals, '-inf', new_osn)
redis.call('HSET', K.meta, 'osn', new_osn, 'osn_id', dropped[#dropped], 'osn_digest', Digest.field(new_osn, digest))
return #dropped
