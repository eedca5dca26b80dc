-- Redis commands with any number of arguments.

local Redis = {}

local UNPACK_MAX = 1000 -- an even number below the limit of Lua's stack

-- COMMAND key arguments..., in as many calls as the stack needs. Calls nothing when there are no arguments. `count` says how
-- many of the list are meant, where that is not all of it.
function Redis.many(command, key, arguments, count)
  count = count or #arguments
  if count == 0 then return end
  if count <= UNPACK_MAX then return redis.call(command, key, unpack(arguments, 1, count)) end
  for first = 1, count, UNPACK_MAX do
    redis.call(command, key, unpack(arguments, first, math.min(first + UNPACK_MAX - 1, count)))
  end
end

-- HMGET of any number of fields, as one array; a missing one is false.
function Redis.fields(key, names)
  local values = {}
  for first = 1, #names, UNPACK_MAX do
    local part = redis.call('HMGET', key, unpack(names, first, math.min(first + UNPACK_MAX - 1, #names)))
    for i = 1, #part do values[first + i - 1] = part[i] end
  end
  return values
end

return Redis
