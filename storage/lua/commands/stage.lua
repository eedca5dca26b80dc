-- Stores a part of a peer's full state beside the current pages. Nobody reads the staged pages before `install`.
--
-- KEYS[1]  string  prefix of the namespace's keys
-- ARGV[1]  string  number of the staging; '' to begin a staging
-- ARGV[2]  JSON    [[page, CSN of the commit that changed it last (text), its fields as a flat list], ...]
-- ARGV[3]  JSON    [write id, CSN (text), bytes, outcome, ...]: commits for the log
-- Returns the number of the staging. Returns '' if another staging has begun meanwhile; then nothing has changed.

--- @include "engine/redis"

local number, pages, commits = ARGV[1], cjson.decode(ARGV[2]), cjson.decode(ARGV[3])

local staging = redis.call('HGET', K.meta, 'staging')
if number ~= '' and staging ~= number then return '' end
if number == '' then
  if staging and staging ~= '' then
    local old = keys_of(staging)
    redis.call('UNLINK', old.staged_log, old.staged_writes, old.staged_outcomes)
  end
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
local log, writes, outcomes = {}, {}, {}
for i = 1, #commits, 4 do
  local id, csn, body, outcome = commits[i], commits[i + 1], commits[i + 2], commits[i + 3]
  log[#log + 1], log[#log + 2] = csn, id
  writes[#writes + 1], writes[#writes + 2] = id, body
  outcomes[#outcomes + 1], outcomes[#outcomes + 2] = id, outcome
end
Redis.many('ZADD', keys.staged_log, log)
Redis.many('HSET', keys.staged_writes, writes)
Redis.many('HSET', keys.staged_outcomes, outcomes)
return number
