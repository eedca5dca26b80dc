-- Notes that a peer of the same birth was met; learns the birth from it where none was known.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the birth: server id of the cluster's first primary
-- Returns `adopted`, `known`, or `other_birth` (nothing has changed). What came after the birth, hand-overs and epochs, is
-- learned from the commits.

local birth = redis.call('HGET', K.meta, 'birth')
if birth == ARGV[1] then
  redis.call('HSET', K.meta, 'met', '1')
  return 'known'
end
if birth ~= '' then return 'other_birth' end
redis.call('HSET', K.meta, 'birth', ARGV[1], 'met', '1', 'primary', ARGV[1], 'history', cjson.encode({{0, ARGV[1], 1}}))
return 'adopted'
