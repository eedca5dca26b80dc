-- Reads some of the commits that come with a full state.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  string   the generation of the full state
-- ARGV[2]  integer  CSN of the commit after which to begin
-- ARGV[3]  integer  CSN of the last commit
-- ARGV[4]  integer  how many commits to read at most
-- ARGV[5]  integer  how many bytes to read at most; at least one commit is read
-- Returns a flat list {id, bytes, outcome, id, ...}. It is empty if the log no longer holds the first of these commits, or
-- if another full state was installed here meanwhile. Changes nothing.

local wanted, after, last, count_max, bytes_max = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])

local meta = redis.call('HMGET', K.meta, 'generation', 'osn')
if meta[1] ~= wanted or tonumber(meta[2]) > tonumber(after) then return {} end

local reply, bytes = {}, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.committed, '(' .. after, last, 'LIMIT', 0, count_max)) do
  local body, outcome = redis.call('HGET', K.writes, id), redis.call('HGET', K.outcomes, id)
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = id, body, outcome
  bytes = bytes + #body + #outcome
  if bytes >= bytes_max then break end
end
return reply
