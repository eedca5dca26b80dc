-- Lists the writes of this log that the log of another replica may lack.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  integer  the last CSN that the two logs share
-- Returns the ids of the tentative writes and of the commits after ARGV[1]. Changes nothing.

local ids = redis.call('ZRANGE', K.tentative, 0, -1)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.committed, '(' .. ARGV[1], '+inf')) do ids[#ids + 1] = id end
return ids
