-- Opens the namespace under a server id: creates the namespace if it does not exist, or gives it a new id.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  string   server id
-- ARGV[2]  string   label
-- ARGV[3]  string   cluster id
-- ARGV[4]  string   `birth` if this server becomes the cluster's first primary when its namespace is new; else ''
-- ARGV[5]  integer  number of the format in which this release stores data
-- ARGV[6]  integer  the wall clock; if the server id is new and the last stamp seen is more than a year beyond the wall
--                   clock, the last stamp is set back to it. '' if it must not be set back
-- ARGV[7]  string   `copy` if this replica is a copy of another one that goes on: it gives up its history, so that the
--                   history of any peer prevails over it; `retires` if the new id shall retire once it has made the
--                   writes again that were set aside; else ''
-- Returns
--   opened         the namespace is open
--   migrated       the namespace is open, and its data was converted from the previous format
--   other_cluster  the namespace belongs to another cluster; nothing has changed
--   other_form     the namespace has the data format of another release; nothing has changed
-- Keeps invariant 10: the writes of an old id stay, and no new write is made under that id.

--- @include "engine/order"

local PART = 1000 -- writes that are read at a time

local server, label, cluster, first_primary, form, clock_us, manner = unpack(ARGV)

local known_cluster, known_server, known_form = unpack(redis.call('HMGET', K.meta, 'cluster', 'id', 'form'))
if known_cluster and known_cluster ~= cluster then return 'other_cluster' end
local is_older = known_cluster and tonumber(known_form) == tonumber(form) - 1
if known_cluster and known_form ~= form and not is_older then return 'other_form' end
-- Format 2 did not note the applications of the log.
if is_older then
  local cursor, tags = '0', {members = 'members/1'}
  repeat
    local found
    cursor, found = unpack(redis.call('HSCAN', K.writes, cursor, 'COUNT', PART))
    for i = 2, #found, 2 do
      local tag = cjson.decode(found[i]).app
      tags[tag] = tag
    end
  until cursor == '0'
  for _, tag in pairs(tags) do redis.call('SADD', K.log_applications, tag) end
  redis.call('HSET', K.meta, 'form', form)
end
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
if known_server ~= server and redis.call('HGET', K.meta, 'retires') then redis.call('HSET', K.meta, 'retires', '') end
if manner == 'retires' then redis.call('HSET', K.meta, 'retires', '1') end
if manner == 'copy' then redis.call('HSET', K.meta, 'history', '[]', 'primary', '') end
clock_us = tonumber(clock_us)
if known_server ~= server and clock_us and tonumber(redis.call('GET', K.clock)) > clock_us + AHEAD_US_MAX then
  redis.call('SET', K.clock, Order.text(clock_us))
end
return is_older and 'migrated' or 'opened'
