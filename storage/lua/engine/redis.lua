-- Redis commands with any number of arguments. One call takes only as many as fit on Lua's stack.

local Redis = {}

local UNPACK_MAX = 1000 -- even, so that pairs stay together

-- Runs COMMAND key arguments..., in as many calls as needed; in no call if there are no arguments. `count` says how
-- many of the list are meant; by default all.
function Redis.many(command, key, arguments, count)
  count = count or #arguments
  if count == 0 then return end
  if count <= UNPACK_MAX then return redis.call(command, key, unpack(arguments, 1, count)) end
  for first = 1, count, UNPACK_MAX do
    redis.call(command, key, unpack(arguments, first, math.min(first + UNPACK_MAX - 1, count)))
  end
end

-- The values of these fields of a hash, as one list; false for a field that does not exist.
function Redis.fields(key, names)
  local values = {}
  for first = 1, #names, UNPACK_MAX do
    local part = redis.call('HMGET', key, unpack(names, first, math.min(first + UNPACK_MAX - 1, #names)))
    for i = 1, #part do values[first + i - 1] = part[i] end
  end
  return values
end

return Redis
