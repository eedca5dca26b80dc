-- Opens the namespace under a server id: creates the namespace if it does not exist, or gives it a new id.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  string   server id
-- ARGV[2]  string   label
-- ARGV[3]  string   cluster id
-- ARGV[4]  string   `birth` if this server becomes the cluster's first primary when its namespace is new; else ''
-- ARGV[5]  integer  number of the format in which this release stores data
-- Returns
--   opened         the namespace is open
--   other_cluster  the namespace belongs to another cluster; nothing has changed
--   other_form     the namespace has the data format of another release; nothing has changed
-- Keeps invariant 10: the writes of an old id stay, and no new write is made under that id.

--- @include "engine/order"

local server, label, cluster, first_primary, form = unpack(ARGV)

local known_cluster, known_server, known_form = unpack(redis.call('HMGET', K.meta, 'cluster', 'id', 'form'))
if known_cluster and known_cluster ~= cluster then return 'other_cluster' end
if known_cluster and known_form ~= form then return 'other_form' end
if not known_cluster then
  local birth = first_primary == 'birth' and server or ''
  local history = birth == '' and '[]' or cjson.encode({{0, birth, 1}})
  redis.call('HSET', K.meta, 'form', form, 'cluster', cluster, 'birth', birth, 'met', '', 'primary', birth,
    'history', history, 'csn', '0', 'osn', '0', 'osn_id', '', 'last', '', 'generation', '0', 'generations', '0',
    'staging', '')
  -- The stamps of a created server are beyond the stamp of its creation write.
  redis.call('SET', K.clock, server:match('^(%d+):') or Order.text(0))
end
redis.call('HSET', K.meta, 'id', server, 'label', label)
if known_server ~= server then redis.call('HSET', K.meta, 'retired', '') end
return 'opened'
