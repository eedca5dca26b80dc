-- Stages a part of a peer's full state beside the pages that count; nobody reads it before `install`.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the number of the staging, '' to begin one
-- ARGV[2…] page, CSN that changed it last, JSON of its fields (flat list of field, value)
-- Returns the number of the staging, or '' when another one has begun meanwhile (nothing has changed).

local generation = ARGV[1]
if generation == '' then
  generation = tostring(redis.call('HINCRBY', K.meta, 'generations', 1))
  redis.call('HSET', K.meta, 'staging', generation)
elseif redis.call('HGET', K.meta, 'staging') ~= generation then
  return ''
end
local keys = keys_of(generation)
for i = 2, #ARGV, 3 do
  local page, csn, fields = ARGV[i], ARGV[i + 1], cjson.decode(ARGV[i + 2])
  redis.call('UNLINK', keys.committed_page .. page) -- an earlier part may have had another state of it
  Redis.many('HSET', keys.committed_page .. page, fields)
  redis.call('ZADD', keys.changed, csn, page)
end
return generation
