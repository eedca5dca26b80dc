-- Reads ids of the committed log, for its digests (storage/log_digests.py).
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  integer  the first CSN
-- ARGV[2]  integer  the last CSN; at most 1,001 ids are read
-- Returns {generation, OSN, digest at OSN or '', id, ...}. The ids are those of the commits from ARGV[1] to ARGV[2], as far
-- as the log holds them. Changes nothing.

--- @include "engine/digest"

local generation, osn, noted = unpack(redis.call('HMGET', K.meta, 'generation', 'osn', 'osn_digest'))
local found = redis.call('ZRANGEBYSCORE', K.committed, ARGV[1], ARGV[2])
return {generation, tonumber(osn), Digest.at_osn(osn, noted), unpack(found)}
