-- Learns the cluster's birth and primary from a peer, where this replica knew of none.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  the birth: server id of the first primary; ARGV[2] server id of the present primary
-- Returns `adopted`, `known` (the same birth was known), or `other_birth`; only the first changes anything.

local birth = redis.call('HGET', K.meta, 'birth')
if birth == ARGV[1] then return 'known' end
if birth ~= '' then return 'other_birth' end
redis.call('HSET', K.meta, 'birth', ARGV[1], 'primary', ARGV[2])
return 'adopted'
