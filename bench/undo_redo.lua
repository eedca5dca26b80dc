-- Undoes all tentative writes in memory and, on request, plays them again. It stores nothing, so it can run again.
--
-- KEYS[1]  string   prefix of the namespace's keys
-- ARGV[1]  integer  1 to play the writes again
-- Returns the number of tentative writes.

--- @include "engine/log"
--- @include "engine/play"

local plays_again = ARGV[1] == '1'

Log.start()
local writes, ids = {}, Log.tentative(1000000)
Log.fetch(ids)
for i, id in ipairs(ids) do writes[i] = Log.write(id) end
local effects = Log.effects(ids)
for i = #writes, 1, -1 do Play.undo(writes[i], effects[i]) end
if plays_again then
  for _, write in ipairs(writes) do Play.write(write, 'tentative') end
end
return #writes
