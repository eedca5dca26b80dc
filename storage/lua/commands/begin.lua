-- Opens the namespace for a server id: makes it where there is none, or gives it a new id.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  server id; ARGV[2] label; ARGV[3] cluster id
-- ARGV[4]  `birth` when this server is the cluster's first primary and the namespace is new
-- ARGV[5]  the form in which this release keeps things
-- Returns `opened`; or, and nothing has changed, `other_cluster` when the namespace belongs to another cluster, `other_form` when
-- it was made by a release that keeps things in another form.
-- Keeps invariant 10: what an old id wrote stays, and nothing is written on under it.

--- @include "engine/order"

local cluster, id, form = unpack(redis.call('HMGET', K.meta, 'cluster', 'id', 'form'))
if cluster and cluster ~= ARGV[3] then return 'other_cluster' end
if cluster and form ~= ARGV[5] then return 'other_form' end
if not cluster then
  local birth = ARGV[4] == 'birth' and ARGV[1] or ''
  local history = birth == '' and '[]' or cjson.encode({{0, birth, 1}})
  redis.call('HSET', K.meta, 'form', ARGV[5], 'cluster', ARGV[3], 'birth', birth, 'met', '', 'primary', birth, 'history', history,
    'csn', '0', 'osn', '0', 'osn_id', '', 'last', '', 'generation', '0', 'generations', '0', 'staging', '')
  -- A created server's stamps are beyond that of its creation write.
  redis.call('SET', K.clock, ARGV[1]:match('^(%d+):') or Order.text(0))
end
redis.call('HSET', K.meta, 'id', ARGV[1], 'label', ARGV[2])
if id ~= ARGV[1] then redis.call('HSET', K.meta, 'retired', '') end
return 'opened'
