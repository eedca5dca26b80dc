-- Answers the question of another replica about the log here, before that replica installs a full state
-- (bayou/comparison.py).
--
-- KEYS[1]  string  prefix of the namespace's keys
-- ARGV[1]  JSON    [CSN, ...]
-- ARGV[2]  JSON    [write id, ...]
-- Returns {commits, lacking, unknown}: the id of the commit with each CSN, '' if it is not known; those of the write
-- ids that this replica has never held; and those that are not in the log but may have been dropped from it. Changes
-- nothing.

--- @include "engine/order"
--- @include "engine/vectors"

local function omitted(server)
  local stamp = redis.call('HGET', K.omitted_vector, server)
  return stamp and tonumber(stamp)
end
local function is_retired(server) return redis.call('SISMEMBER', K.retired, server) == 1 end

local commits, lacking, unknown = {}, {}, {}
for i, csn in ipairs(cjson.decode(ARGV[1])) do
  commits[i] = redis.call('ZRANGEBYSCORE', K.committed, csn, csn)[1]
    or redis.call('ZRANGEBYSCORE', K.dropped, csn, csn)[1] or ''
end
for _, id in ipairs(cjson.decode(ARGV[2])) do
  if redis.call('HEXISTS', K.writes, id) == 0 and not redis.call('ZSCORE', K.dropped, id) then
    if Vectors.complete(Order.origin(id), omitted, is_retired) < Order.stamp(id) then
      lacking[#lacking + 1] = id
    else
      unknown[#unknown + 1] = id
    end
  end
end
return {commits, lacking, unknown}
