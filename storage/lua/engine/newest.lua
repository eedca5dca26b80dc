-- The newest commits of the log, which come with a full state: the receiver's log must hold them as the log here does,
-- because a forced promotion may have to play them again (docs/design.md, "Full state").

local Newest = {}

-- Every 100th commit is looked at, until 10 in a row are old. The 99 commits next to a young one count as young.
local STEP, OLD_MAX = 100, 10

-- How many of the commits after `osn` up to `csn` belong to the newest ones: the last `count` commits, and those whose
-- stamp is not less than `since`. The cost depends on what is returned. Stamps do not always grow with the CSN, because
-- a write may have waited in a partition. So the search does not end at the first old commit.
function Newest.count(csn, osn, count, since)
  local held = csn - osn
  local found, place, old = math.min(count, held), count + 1, 0
  while old < OLD_MAX and place <= held do
    local id = redis.call('ZRANGE', K.committed, -place, -place)[1]
    if tonumber(id:sub(1, 16)) >= since then found, old = math.min(place + STEP - 1, held), 0 else old = old + 1 end
    place = place + STEP
  end
  return found
end

return Newest
