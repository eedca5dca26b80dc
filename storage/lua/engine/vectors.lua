-- CompleteV (Petersen 1997, section 4.4): what a vector says of a server that it has no entry for.
--
-- A created server's id is `T:X`: X accepted its creation write with the stamp T. When it is absent, the vector either
-- covers that write, then the server has retired (it counts as plus infinity), or it has never heard of it (minus
-- infinity). A minted id, LABEL~NONCE, that is absent has retired if it is among the retired, and else has written nothing.
-- Keeps invariant 11.

local Vectors = {}

-- `stamp_of(server)` gives the vector's own entry or nil; `is_retired(server)` knows the retired minted ids.
function Vectors.complete(server, stamp_of, is_retired)
  local stamp = stamp_of(server)
  if stamp then return stamp end
  local created, creator = server:match('^(%d+):(.+)$')
  if created then
    return Vectors.complete(creator, stamp_of, is_retired) >= tonumber(created) and math.huge or -1
  end
  return is_retired(server) and math.huge or 0
end

-- The entries of `needs` (server -> stamp text) that the vector does not reach; nil when it reaches all.
function Vectors.missing(needs, stamp_of, is_retired)
  local missing
  for server, stamp in pairs(needs) do
    if Vectors.complete(server, stamp_of, is_retired) < tonumber(stamp) then
      missing = missing or {}
      missing[server] = stamp
    end
  end
  return missing
end

return Vectors
