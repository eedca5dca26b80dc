-- Membership writes: what they do to the vectors and to the primary, besides changing their page (Petersen 1997,
-- sections 4 and 5).
--
-- A write of the application members/1 is a creation, a retirement or a primary write. A vector gains the created
-- server, or drops the retired one, when it covers the write: V on receipt, C on commit, O on truncation. A committed
-- primary write says who commits from the next CSN on, and may open an epoch.

local Membership = {}

function Membership.is_membership(write) return write.app == 'members/1' end

-- Whether the write concerns its own server or its own place in the order. Such a write cannot be made again as a write
-- of another server.
function Membership.is_bound(write)
  return Membership.is_membership(write) and (write.op == 'create' or write.op == 'retire' or write.op == 'primary')
end

function Membership.retires(write) return Membership.is_membership(write) and write.op == 'retire' end

-- Changes a vector that comes to cover the write. Call it after the entry of the origin was set. `set(server, stamp
-- text)` gains an entry, `drop(server)` loses one.
function Membership.cover(write, set, drop)
  if not Membership.is_membership(write) then return end
  if write.op == 'create' then
    set(write.stamp .. ':' .. write.origin, write.stamp)
  elseif write.op == 'retire' then
    drop(write.origin)
  end
end

-- The number of the last of these epochs; 0 if there is none.
function Membership.last_epoch(epochs) return #epochs > 0 and epochs[#epochs][1] or 0 end

-- Whether the write opens an epoch that comes after these. Such a write is committed as soon as it is made, so no
-- replica has it as a tentative write before the epoch is known.
function Membership.opens_later_epoch(write, epochs)
  if not Membership.is_membership(write) or write.op ~= 'primary' or write.args.from then return false end
  return write.args.epoch > Membership.last_epoch(epochs)
end

-- The fields of `meta` that the commit of a membership write changes.
-- A primary write counts only if the primary that it names has made it and commits it, or if it opens the epoch that
-- comes next. A primary write that was revoked with its history changes nothing if another primary commits it later.
function Membership.on_commit(write, csn, primary, history)
  if write.op ~= 'primary' then return {} end
  if write.args.from then
    local counts = write.args.from == primary and write.origin == primary
    return counts and {primary = write.args.to} or {}
  end
  local epochs = cjson.decode(history)
  if write.args.epoch ~= Membership.last_epoch(epochs) + 1 or write.origin ~= write.args.to then return {} end
  epochs[#epochs + 1] = {write.args.epoch, write.args.to, csn, write.args.heals}
  return {primary = write.args.to, history = cjson.encode(epochs)}
end

return Membership
