-- The application `members/1`: who takes part in the cluster, as one page that every replica holds.
--
-- Page `members`: `server:ID` is LABEL, REST address and anti-entropy address, tab-separated, of a created server;
-- `gone:ID` marks a minted id that has retired (a created id needs no mark: see CompleteV). What these writes do to the
-- vectors and the primary is the engine's (engine/members.lua). They never conflict.

local app = {}

function app.check() return true end

function app.update(pages, write)
  if write.op == 'create' then
    local args = write.args
    pages.set('members', 'server:' .. write.stamp .. ':' .. write.origin,
      args.label .. '\t' .. args.rest .. '\t' .. args.anti_entropy)
  elseif write.op == 'retire' then
    pages.delete('members', 'server:' .. write.origin)
    if not write.origin:match('^%d+:') then pages.set('members', 'gone:' .. write.origin, write.stamp) end
  end
  return 'updated'
end

function app.merge() error('membership writes do not conflict') end

function app.lists() return {} end

return app
