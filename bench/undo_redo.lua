-- Undoes all tentative writes and, if that is asked for, plays them again. It stores nothing, so it can be run again.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  1 to play them again, too
-- Returns how many there are.

--- @include "engine/log"
--- @include "engine/play"

Log.start()
local writes, ids = {}, Log.tentative(1000000)
Log.fetch(ids)
for i, id in ipairs(ids) do writes[i] = Log.write(id) end
local effects = Log.effects(ids)
for i = #writes, 1, -1 do Play.undo(writes[i], effects[i]) end
if ARGV[1] == '1' then
  for _, write in ipairs(writes) do Play.write(write, 'tentative') end
end
return #writes
