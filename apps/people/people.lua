--[[
What a write about people means: who takes part, in which role, and the hash of whose token.

Contract. Returns {check, update, merge, lists}, pure functions over (pages, write) that the engine runs inside Redis at every
replica, each time the write is played: check first, then update where it returned true, else merge.

Writes. All check may_manage and merge by keep_first; each declares the page of its person and, unless the user is `operator`
(who holds the machine of a replica), that of its user.
  add     args name, role, hash   a new person, or one who was revoked
  role    args name, role         another role
  token   args name, hash         another token; the one before ends
  revoke  args name               no role and no token any more

Page person:NAME (apps/people/pages.py and apps/rooms/lua/standing.lua read the same format).
  role  user | manager | guest; absent when there is no such person, or one who was revoked
  hash  SHA-256 of the token, 64 hexadecimal digits; absent as the role is
  write the id of the write that changed it last

Statuses. `updated` · `forbidden` (the user is no manager where the write has its place in the order) · `exists` (an `add` of a
person who is there; nothing changes, so of two managers who add a name at once the first in the order counts) · `unknown` (no
such person).
]]

local OPERATOR = "operator"
local ROLES = { user = true, manager = true, guest = true }
local OPS = { add = true, role = true, token = true, revoke = true }

local app = {}

local function page_of(name)
  return "person:" .. name
end

-- The status that stands in the way of the write; nil where nothing does.
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
  -- The op decides what is tested: a write that names another check than its op's must not slip by.
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

-- List, member: everybody who was ever added, whatever became of them.
function app.lists(write)
  if write.op == "add" then
    return { "people", write.args.name }
  end
  return {}
end

return app
