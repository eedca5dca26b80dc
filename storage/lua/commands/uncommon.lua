-- Lists the writes that the log here may have and another one may not.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  integer  the last CSN that the two logs share
-- Returns the ids of the tentative writes and of the later commits. Changes nothing.

local ids = redis.call('ZRANGE', K.tentative, 0, -1)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.committed, '(' .. ARGV[1], '+inf')) do ids[#ids + 1] = id end
return ids
