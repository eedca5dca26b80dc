-- Records that this replica has met a peer with this birth. If this replica knows no birth yet, it records the birth.
--
-- KEYS[1]  string  prefix of the namespace's keys
-- ARGV[1]  string  the birth: server id of the cluster's first primary
-- Returns
--   adopted      no birth was known here before; now this birth is known
--   known        this birth was known before
--   other_birth  another birth is known here; nothing has changed
-- A known birth never changes. Later hand-overs and epochs are learned from the commits.

local birth = ARGV[1]

local known = redis.call('HGET', K.meta, 'birth')
if known ~= '' and known ~= birth then return 'other_birth' end
if known == birth then
  redis.call('HSET', K.meta, 'met', '1')
  return 'known'
end
redis.call('HSET', K.meta, 'birth', birth, 'met', '1', 'primary', birth, 'history', cjson.encode({{0, birth, 1}}))
return 'adopted'
