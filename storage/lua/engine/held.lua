-- V and C, completed (see vectors.lua): the writes of each server that this replica holds, and those that are committed
-- here. An entry is read from Redis when it is first needed.

--- @include "engine/vectors"

local BIRTH_DIGITS = 12

local Held = {}

local vector, committed = {}, {} -- server -> stamp, false for no entry; those that were asked for or changed
local birth -- as stored; nil until it is read
local retired_now = {} -- server -> true: retired in this transaction

-- A function that returns the stored entry of a server, and remembers it in `cache`.
local function cached(cache, key_name)
  return function(server)
    if cache[server] == nil then
      local stamp = redis.call('HGET', K[key_name], server)
      cache[server] = stamp and tonumber(stamp)
    end
    return cache[server] or nil
  end
end

local stamp_of = cached(vector, 'vector')
local committed_stamp_of = cached(committed, 'committed_vector')

local function is_retired(server) return retired_now[server] or redis.call('SISMEMBER', K.retired, server) == 1 end

local function has_committed_retirement(server)
  return redis.call('HEXISTS', K.committed_page .. 'members', 'gone:' .. server) == 1
end

-- The stamp of the last write that is held of a server.
function Held.stamp(server) return vector[server] or Vectors.complete(server, stamp_of, is_retired) end

-- The stamp of the last committed write of a server, as it was before this transaction.
function Held.committed_stamp(server)
  return Vectors.complete(server, committed_stamp_of, has_committed_retirement)
end

function Held.set(server, stamp) vector[server] = stamp end

-- Records that the server has retired: from now on it counts as plus infinity.
function Held.retire(server)
  vector[server] = false
  retired_now[server] = true
end

-- The CSN up to which this replica has the commits of an epoch, `#NUMBER/PROMOTER`; -1 if it has none. A session token
-- uses such a name as an entry of a vector (bayou/session_token.py).
local function commits_of(epoch_name)
  local csn, history = unpack(redis.call('HMGET', K.meta, 'csn', 'history'))
  local epochs = cjson.decode(history)
  for i, epoch in ipairs(epochs) do
    if epoch_name == string.format('#%.0f/%s', epoch[1], epoch[2]) then
      return epochs[i + 1] and epochs[i + 1][3] - 1 or tonumber(csn)
    end
  end
  return -1
end

local function or_commits(of_server)
  return function(name) return name:sub(1, 1) == '#' and commits_of(name) or of_server(name) end
end

-- The entries of `needs` {server: stamp text} that V does not cover, or C if the view is `committed`; nil if all are
-- covered.
function Held.missing(needs, view)
  if view == 'committed' then
    return Vectors.missing(needs, or_commits(committed_stamp_of), has_committed_retirement)
  end
  return Vectors.missing(needs, or_commits(stamp_of), is_retired)
end

-- The birth of the cluster, a server id; '' while unknown.
function Held.birth()
  if not birth then birth = redis.call('HGET', K.meta, 'birth') end
  return birth
end

-- Whether a birth, in the short form of session tokens (bayou/session_token.py), is not that of this cluster. While one
-- of the two is unknown ('') it may be.
function Held.is_foreign(short_birth)
  if short_birth == '' or Held.birth() == '' then return false end
  return redis.sha1hex(Held.birth()):sub(1, BIRTH_DIGITS) ~= short_birth
end

return Held
