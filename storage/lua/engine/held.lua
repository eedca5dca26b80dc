-- What is held, and what is committed, of a server here: V and C completed, read when first asked for.

--- @include "engine/vectors"

local Held = {}

local vector, committed = {}, {} -- server -> stamp, as far as it was asked for or changed; false when absent

local function stored(name)
  return function(server)
    local stamp = redis.call('HGET', K[name], server)
    return stamp and tonumber(stamp)
  end
end

local function cached(cache, read)
  return function(server)
    if cache[server] == nil then cache[server] = read(server) end
    return cache[server] or nil
  end
end

local stamp_of = cached(vector, stored('vector'))
local committed_stamp_of = cached(committed, stored('committed_vector'))

local retired_now = {}

local function is_retired(server) return retired_now[server] or redis.call('SISMEMBER', K.retired, server) == 1 end

local function is_retired_for_good(server)
  return redis.call('HEXISTS', K.committed_page .. 'members', 'gone:' .. server) == 1
end

function Held.stamp(server) return vector[server] or Vectors.complete(server, stamp_of, is_retired) end

function Held.set(server, stamp) vector[server] = stamp end

-- The server has retired: it counts as plus infinity from now on.
function Held.retire(server)
  vector[server] = false
  retired_now[server] = true
end

-- The CSN up to which the commits of an epoch, `#NUMBER/PROMOTER`, are here; -1 when none of them is (bayou/session_token.py).
local function commits_of(point)
  local csn, history = unpack(redis.call('HMGET', K.meta, 'csn', 'history'))
  local epochs = cjson.decode(history)
  for i, epoch in ipairs(epochs) do
    if point == string.format('#%.0f/%s', epoch[1], epoch[2]) then
      return epochs[i + 1] and epochs[i + 1][3] - 1 or tonumber(csn)
    end
  end
  return -1
end

local function or_commits(stamp_of)
  return function(name) return name:sub(1, 1) == '#' and commits_of(name) or stamp_of(name) end
end

-- What V, or C for the committed view, lacks of `needs` (server -> stamp text); nil when nothing.
function Held.missing(needs, view)
  if view == 'committed' then return Vectors.missing(needs, or_commits(committed_stamp_of), is_retired_for_good) end
  return Vectors.missing(needs, or_commits(stamp_of), is_retired)
end

return Held
