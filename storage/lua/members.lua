-- The application members/1: the servers of the cluster, on one page that every replica holds.
--
-- Page `members`. Fields:
--   server:ID  of a created server: LABEL \t REST address \t anti-entropy address \t the request of its creation
--   active:APPLICATION  the version of an application that clients write, once one was activated; it never falls
--   forgotten:LABEL  the stamp of the write that says that this server is lost for good. The vectors keep its entries, so
--              that what another replica still holds of it is taken (docs/design.md). It is deleted if the server returns
--   gone:ID    marks a minted id (LABEL~NONCE) that has retired; a created id needs no mark (see engine/vectors.lua)
-- A creation that is asked for again, after a lost answer, is a duplicate: the page has its request. What these writes
-- do to the vectors and to the primary is in engine/membership.lua.

local app = {}

-- The fields of the created servers whose part `number` (1: label, 4: request) is this text.
local function servers_with(pages, number, text)
  local found = {}
  for _, field in ipairs(pages.fields('members')) do
    if field:match('^server:') then
      local parts, value = {}, pages.get('members', field)
      for part in (value .. '\t'):gmatch('([^\t]*)\t') do parts[#parts + 1] = part end
      if parts[number] == text then found[#found + 1] = field end
    end
  end
  return found
end

function app.check(pages, write) return write.op ~= 'create' or #servers_with(pages, 4, write.request) == 0 end

function app.update(pages, write)
  if write.op == 'create' then
    local args = write.args
    pages.set('members', 'server:' .. write.stamp .. ':' .. write.origin,
      args.label .. '\t' .. args.rest .. '\t' .. args.anti_entropy .. '\t' .. write.request)
  elseif write.op == 'retire' then
    pages.delete('members', 'server:' .. write.origin)
    pages.delete('members', 'forgotten:' .. write.args.label)
    if not write.origin:match('^%d+:') then
      pages.set('members', 'gone:' .. write.origin, write.stamp)
      -- A created server that had lost the tail of its log went on under a minted id (LABEL~NONCE). So the entry of
      -- the created id goes too.
      for _, field in ipairs(servers_with(pages, 1, write.args.label)) do pages.delete('members', field) end
    end
  elseif write.op == 'forget' then
    pages.set('members', 'forgotten:' .. write.args.label, write.stamp)
  elseif write.op == 'return' then
    pages.delete('members', 'forgotten:' .. write.args.label)
  elseif write.op == 'activate' then
    local name, version = write.args.application:match('^(.+)/(%d+)$')
    local field = 'active:' .. name
    if tonumber(version) > tonumber(pages.get('members', field) or 0) then pages.set('members', field, version) end
  end
  return 'updated'
end

function app.merge() return 'duplicate' end

function app.lists() return {} end

-- No person makes these writes.
function app.needs() return nil end

return app
