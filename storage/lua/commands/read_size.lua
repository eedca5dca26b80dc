-- Reads how large the full state is.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  integer  how many of the newest commits come with a full state at least
-- ARGV[2]  integer  a stamp; the commits whose stamp is not less come with it, too
-- Returns {CSN, pages, commits}. Changes nothing.

--- @include "engine/newest"

local csn, osn = unpack(redis.call('HMGET', K.meta, 'csn', 'osn'))
local commits = Newest.count(tonumber(csn), tonumber(osn), tonumber(ARGV[1]), tonumber(ARGV[2]))
return {tonumber(csn), redis.call('ZCARD', K.changed), commits}
