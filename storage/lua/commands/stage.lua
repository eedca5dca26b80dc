-- Stores a part of a peer's full state beside the current pages. Nobody reads the staged pages before `install`.
--
-- KEYS[1]  string  prefix of the namespace's keys
-- ARGV[1]  string  number of the staging; '' to begin a staging
-- ARGV[2]  JSON    [[page, CSN of the commit that changed it last (text), its fields as a flat list], ...]
-- Returns the number of the staging. Returns '' if another staging has begun meanwhile; then nothing has changed.

--- @include "engine/redis"

local number, pages = ARGV[1], cjson.decode(ARGV[2])

if number ~= '' and redis.call('HGET', K.meta, 'staging') ~= number then return '' end
if number == '' then
  number = tostring(redis.call('HINCRBY', K.meta, 'generations', 1))
  redis.call('HSET', K.meta, 'staging', number)
end
local keys, changed = keys_of(number), {}
for _, staged in ipairs(pages) do
  local page, csn, fields = unpack(staged)
  redis.call('UNLINK', keys.committed_page .. page) -- an earlier part may hold an older state of the page
  Redis.many('HSET', keys.committed_page .. page, fields)
  changed[#changed + 1] = csn
  changed[#changed + 1] = page
end
Redis.many('ZADD', keys.changed, changed)
return number
