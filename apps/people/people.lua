--[[
What a write about people means: who takes part, in which role, and with which token.

Contract. Returns {check, update, merge, lists, authority}. They are pure functions, which the engine runs inside Redis
at every replica each time a write is played: check first, then update where it returned true, else merge. This
application is a judge: the engine asks authority before it commits a write of any application.

Writes. All check may_manage and merge by keep_first. Each declares the page of its person and that of its user, unless
the user is `operator`, who runs the machine of a replica.
  add     args name, role, hash   a new person, or one who was revoked
  role    args name, role         another role
  token   args name, hash         another token; the one before is no longer valid
  revoke  args name               takes the role and the token away

Page person:NAME (apps/people/pages.py and apps/rooms/lua/occupancy.lua read the same format).
  role   user | manager | guest; absent if there is no such person, or the person was revoked
  hash   SHA-256 of the token, 64 hexadecimal digits; absent if `role` is absent
  write  the id of the write that changed the page last

Statuses.
  updated    done
  forbidden  the user is no manager where the write stands in the order. A write of any application gets this status
             with the detail `revoked` or `needs ROLE` if `authority` forbids the write
  exists     an `add` of a person who is there; nothing changes. So of two managers who add a name at once, the first in
             the order wins
  unknown    no such person
]]

local OPERATOR = "operator"
local ROLES = { guest = 1, user = 2, manager = 3 } -- a higher one may do what a lower one may
local OPS = { add = true, role = true, token = true, revoke = true }

local app = {}

local function page_of(name)
  return "person:" .. name
end

-- The status that stands in the way of the write; nil if nothing does.
local function obstacle_of(pages, write)
  if write.user ~= OPERATOR and pages.get(page_of(write.user), "role") ~= "manager" then
    return "forbidden"
  end
  local role = pages.get(page_of(write.args.name), "role")
  if write.op == "add" then
    return role and "exists"
  end
  return not role and "unknown" or nil
end

function app.check(pages, write)
  -- The op decides what is tested: a write that names another check than that of its op is an error.
  assert(write.check == "may_manage" and OPS[write.op], "not the check of a write about people")
  local args = write.args
  assert(args.role == nil or ROLES[args.role], "not a role")
  assert(args.hash == nil or (#args.hash == 64 and not string.find(args.hash, "[^0-9a-f]")), "not a hash")
  local obstacle = obstacle_of(pages, write)
  return not obstacle, obstacle
end

function app.update(pages, write)
  local page, args = page_of(write.args.name), write.args
  if write.op == "revoke" then
    pages.delete(page, "role")
    pages.delete(page, "hash")
  end
  if write.op == "add" or write.op == "role" then
    pages.set(page, "role", args.role)
  end
  if write.op == "add" or write.op == "token" then
    pages.set(page, "hash", args.hash)
  end
  pages.set(page, "write", write.id)
  return "updated"
end

function app.merge(_pages, _write, obstacle)
  return obstacle
end

-- List, entry: everybody who was ever added, whatever became of them.
function app.lists(write)
  if write.op == "add" then
    return { "people", write.args.name }
  end
  return {}
end

-- Why this user may not do a write that needs this role (nil: user) and is the next to be committed; nil if nothing
-- forbids it. A name without a page was never added as a person, and is not judged. The page of a person who was revoked
-- stays, without a role.
function app.authority(committed, user, role)
  if user == OPERATOR then
    return nil
  end
  local page, needed = page_of(user), role or "user"
  if not committed(page, "write") then
    return nil
  end
  local held = committed(page, "role")
  if not held then
    return "revoked"
  end
  return ROLES[held] < ROLES[needed] and "needs " .. needed or nil
end

return app
