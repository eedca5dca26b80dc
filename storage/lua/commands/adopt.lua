-- Records that a peer with this birth was met, and learns the birth where none is known.
--
-- KEYS[1]  string  prefix of the namespace's keys
-- ARGV[1]  string  the birth: server id of the cluster's first primary
-- Returns
--   adopted      no birth was known here; now this one is
--   known        this birth was known
--   other_birth  another birth is known; nothing has changed
-- A birth that is known never changes. What came after it, hand-overs and epochs, is learned from the commits.

local birth = ARGV[1]

local known = redis.call('HGET', K.meta, 'birth')
if known ~= '' and known ~= birth then return 'other_birth' end
if known == birth then
  redis.call('HSET', K.meta, 'met', '1')
  return 'known'
end
redis.call('HSET', K.meta, 'birth', birth, 'met', '1', 'primary', birth, 'history', cjson.encode({{0, birth, 1}}))
return 'adopted'
