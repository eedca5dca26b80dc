-- The digest of the committed log: one text for each CSN, which depends on all commits up to it. Two logs that have the
-- same digest at a CSN are the same up to there.

local Digest = {BEGINNING = ('0'):rep(40)} -- at CSN 0

function Digest.after(digest, id) return redis.sha1hex(digest .. id) end

-- The digest at OSN; '' if it is not known. `noted` is the field `osn_digest`. It names the OSN to which it belongs,
-- because an older release drops commits without changing the field.
function Digest.at_osn(osn, noted)
  if tonumber(osn) == 0 then return Digest.BEGINNING end
  local at, digest = (noted or ''):match('^(%d+):(%x+)$')
  return at == osn and digest or ''
end

-- The field `osn_digest`.
function Digest.field(osn, digest) return digest ~= '' and osn .. ':' .. digest or '' end

return Digest
