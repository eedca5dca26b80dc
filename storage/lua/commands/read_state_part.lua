-- A part of the full state: committed pages in the order of the CSN that changed them last.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  CSN and ARGV[2] page behind which to go on ('0' and '' at first)
-- ARGV[3]  how many pages, ARGV[4] how many bytes at the most (one page is always chosen)
-- Returns {JSON of the end or '', the generation, how many pages, JSON array of [page, CSN as text, its fields as a flat list],
-- CSN and page behind which to go on}: parts of two generations, between which another state was installed here, do not go
-- together. The end comes with the last pages, read in the same moment: all pages that changed while earlier parts were read
-- have been sent again by then, so what the receiver has is the state of that moment. It is {csn, last, clock, birth, primary,
-- history, vector}.

--- @include "engine/order"

local count_max, bytes_max = tonumber(ARGV[3]), tonumber(ARGV[4])
local finish, chosen, count, bytes, complete = '', {}, 0, 0, true
local last_csn, last_page = ARGV[1], ARGV[2]

local function add(page, csn)
  if count >= count_max or bytes >= bytes_max then complete = false end
  if not complete then return end
  local fields = redis.call('HGETALL', K.committed_page .. page)
  count, last_csn, last_page = count + 1, csn, page
  local text = #fields > 0 and cjson.encode(fields) or '[]' -- an empty table would be written as a map
  chosen[count] = '[' .. cjson.encode(page) .. ',"' .. csn .. '",' .. text .. ']'
  bytes = bytes + #chosen[count]
end

-- Pages of one CSN follow each other bytewise.
for _, page in ipairs(redis.call('ZRANGEBYSCORE', K.changed, ARGV[1], ARGV[1])) do
  if Order.bytewise(ARGV[2], page) then add(page, ARGV[1]) end
end
local later = redis.call('ZRANGEBYSCORE', K.changed, '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, count_max + 1)
for i = 1, #later, 2 do add(later[i], later[i + 1]) end
if complete then
  local csn, last, birth, primary, history =
    unpack(redis.call('HMGET', K.meta, 'csn', 'last', 'birth', 'primary', 'history'))
  local flat, vector = redis.call('HGETALL', K.committed_vector), {}
  for i = 1, #flat, 2 do vector[flat[i]] = flat[i + 1] end
  finish = cjson.encode({csn = csn, last = last, clock = redis.call('GET', K.clock), birth = birth,
    primary = primary, history = history, vector = vector})
end
-- A client reads one text sooner than many replies.
return {finish, redis.call('HGET', K.meta, 'generation'), count, '[' .. table.concat(chosen, ',') .. ']', last_csn, last_page}
