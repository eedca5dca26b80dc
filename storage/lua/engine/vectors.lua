-- CompleteV (Petersen 1997, section 4.4): the meaning of a vector for a server that has no entry in it.
--
-- The id of a created server is `T:X`: X accepted its creation write with the stamp T. If the server has no entry,
-- there are two cases. Either the vector covers the creation write: then the server has retired, and counts as plus
-- infinity. Or the vector does not cover it: then the server is unknown, and counts as minus infinity. A minted id,
-- LABEL~NONCE, without an entry has retired if it is among the retired ids; otherwise it has written nothing. Keeps
-- invariant 11.

local Vectors = {}

-- The completed entry of a server. `stamp_of(server)` returns the entry of the vector or nil, `is_retired(server)`
-- whether the server with a minted id (LABEL~NONCE) has retired.
function Vectors.complete(server, stamp_of, is_retired)
  local stamp = stamp_of(server)
  if stamp then return stamp end
  local created, creator = server:match('^(%d+):(.+)$')
  if created then
    return Vectors.complete(creator, stamp_of, is_retired) >= tonumber(created) and math.huge or -1
  end
  return is_retired(server) and math.huge or 0
end

-- The entries of `needs` {server: stamp text} that the vector does not cover; nil if it covers all of them.
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
