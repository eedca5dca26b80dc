-- Reads a part of the full state: committed pages, ordered by the CSN of the commit that changed them last.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  integer  CSN of the cursor after which to continue; 0 for the first part
-- ARGV[2]  string   page of that cursor; '' for the first part
-- ARGV[3]  integer  how many pages to read at most
-- ARGV[4]  integer  how many bytes to read at most; at least one page is read
-- ARGV[5]  integer  how many of the newest commits come with the state at least
-- ARGV[6]  integer  a stamp; the commits whose stamp is not less come with it, too
-- Returns {end, generation, count, pages, CSN, page}:
--   end         JSON {csn, last, clock, birth, primary, history, vector, recent, commits, before} with the last pages,
--               else ''; `recent` has the ids of the newest commits, one on each line; the newest `commits` come with the
--               state, and `before` is the id of the one before these
--   generation  it changes when a full state is installed here; parts of two generations do not belong together
--   count       the number of pages
--   pages       JSON [[page, CSN as text, its fields as a flat list], ...]
--   CSN, page   the cursor after this part
-- The end is read in the same moment as the last pages. Before that, each page that changed after an earlier part was
-- read has been read again. So all parts together are the state of that moment. Changes nothing.

--- @include "engine/newest"
--- @include "engine/order"

local after_csn, after_page, count_max, bytes_max = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local pages, count, bytes, is_complete = {}, 0, 0, true
local last_csn, last_page = after_csn, after_page

local function add(page, csn)
  if count >= count_max or bytes >= bytes_max then is_complete = false end
  if not is_complete then return end
  local fields = redis.call('HGETALL', K.committed_page .. page)
  count, last_csn, last_page = count + 1, csn, page
  local text = #fields > 0 and cjson.encode(fields) or '[]' -- cjson would encode an empty list as an object
  pages[count] = '[' .. cjson.encode(page) .. ',"' .. csn .. '",' .. text .. ']'
  bytes = bytes + #pages[count]
end

local function state_end()
  local csn, last, birth, primary, history, osn, osn_id =
    unpack(redis.call('HMGET', K.meta, 'csn', 'last', 'birth', 'primary', 'history', 'osn', 'osn_id'))
  local commits = Newest.count(tonumber(csn), tonumber(osn), tonumber(ARGV[5]), tonumber(ARGV[6]))
  local place = -commits - 1
  local before = commits > 0 and (redis.call('ZRANGE', K.committed, place, place)[1] or osn_id) or ''
  local flat, vector = redis.call('HGETALL', K.committed_vector), {}
  for i = 1, #flat, 2 do vector[flat[i]] = flat[i + 1] end
  local recent = redis.call('ZRANGE', K.committed, -RECENT_MAX, -1)
  local missing = RECENT_MAX - #recent
  local older = missing > 0 and redis.call('ZRANGE', K.dropped, -missing, -1) or {}
  for _, id in ipairs(recent) do older[#older + 1] = id end
  return cjson.encode({csn = csn, last = last, clock = redis.call('GET', K.clock), birth = birth, primary = primary,
    history = history, vector = vector, recent = table.concat(older, '\n'), commits = commits, before = before})
end

-- Pages of the same CSN follow each other bytewise.
for _, page in ipairs(redis.call('ZRANGEBYSCORE', K.changed, after_csn, after_csn)) do
  if Order.bytewise(after_page, page) then add(page, after_csn) end
end
local later = redis.call('ZRANGEBYSCORE', K.changed, '(' .. after_csn, '+inf', 'WITHSCORES', 'LIMIT', 0, count_max + 1)
for i = 1, #later, 2 do add(later[i], later[i + 1]) end

-- The pages are one text because a client reads that faster than many replies.
return {is_complete and state_end() or '', redis.call('HGET', K.meta, 'generation'), count,
  '[' .. table.concat(pages, ',') .. ']', last_csn, last_page}
