-- Stages a part of a peer's full state beside the pages that count; nobody reads it before `install`.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the number of the staging, '' to begin one
-- ARGV[2]  JSON array of [page, CSN that changed it last as text, its fields as a flat list]
-- Returns the number of the staging, or '' when another one has begun meanwhile (nothing has changed).

--- @include "engine/redis"

local generation = ARGV[1]
if generation == '' then
  generation = tostring(redis.call('HINCRBY', K.meta, 'generations', 1))
  redis.call('HSET', K.meta, 'staging', generation)
elseif redis.call('HGET', K.meta, 'staging') ~= generation then
  return ''
end
local keys = keys_of(generation)
local changed = {}
for _, staged in ipairs(cjson.decode(ARGV[2])) do
  local page, csn, fields = staged[1], staged[2], staged[3]
  redis.call('UNLINK', keys.committed_page .. page) -- an earlier part may have had another state of it
  Redis.many('HSET', keys.committed_page .. page, fields)
  changed[#changed + 1] = csn
  changed[#changed + 1] = page
end
Redis.many('ZADD', keys.changed, changed)
return generation
