-- Undoes all tentative writes and, if that is asked for, plays them again. It stores nothing, so it can be run again.
--
-- KEYS[1]  the namespace's prefix
-- ARGV[1]  1 to play them again, too
-- Returns how many there are.

local writes = {}
for i, id in ipairs(Log.tentative(1000000)) do writes[i] = Log.write(id) end
for i = #writes, 1, -1 do Play.undo(writes[i], Log.effects(writes[i].id)) end
if ARGV[1] == '1' then
  for _, write in ipairs(writes) do Play.write(write, 'tentative') end
end
return #writes
