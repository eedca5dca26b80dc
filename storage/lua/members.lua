-- The application `members/1`: who takes part in the cluster, as one page that every replica holds.
--
-- Page `members`: `server:ID` is LABEL, REST address, anti-entropy address and the request of the creation,
-- tab-separated, of a created server; `gone:ID` marks a minted id that has retired (a created id needs no mark: see
-- CompleteV). A creation that is asked for again, after a lost answer, is a duplicate: the page has its request. What
-- these writes do to the vectors and the primary is the engine's (engine/members.lua).

local app = {}

-- The fields of created servers of which one part (1: label, 4: request) is this text.
local function servers(pages, part, text)
  local found = {}
  for _, field in ipairs(pages.fields('members')) do
    if field:match('^server:') then
      local parts, value = {}, pages.get('members', field)
      for one in (value .. '\t'):gmatch('([^\t]*)\t') do parts[#parts + 1] = one end
      if parts[part] == text then found[#found + 1] = field end
    end
  end
  return found
end

function app.check(pages, write) return write.op ~= 'create' or #servers(pages, 4, write.request) == 0 end

function app.update(pages, write)
  if write.op == 'create' then
    local args = write.args
    pages.set('members', 'server:' .. write.stamp .. ':' .. write.origin,
      args.label .. '\t' .. args.rest .. '\t' .. args.anti_entropy .. '\t' .. write.request)
  elseif write.op == 'retire' then
    pages.delete('members', 'server:' .. write.origin)
    if not write.origin:match('^%d+:') then
      pages.set('members', 'gone:' .. write.origin, write.stamp)
      -- A created server that had lost its tail wrote on under a minted id.
      for _, field in ipairs(servers(pages, 1, write.args.label)) do pages.delete('members', field) end
    end
  end
  return 'updated'
end

function app.merge() return 'duplicate' end

function app.lists() return {} end

return app
