-- The toy application for tests of the engine. Its operations:
-- take        take the first free one of the slots (page, field), for a request that has no slot yet
-- give        free a field
-- note        append to each declared page a text that depends on the content of all of them, so that order matters
-- set         set fields of the first page
-- wipe        empty a page
-- list_fields return the field names of the first page in order
-- search      return the greatest field names below given texts, between changes of the page
-- fail        empty a page, then raise an error, unless a certain field exists
-- fail_later  raise an error if a certain field exists
-- pass        return what the check found, from the update or from the merge procedure
-- reach       touch a page that the write does not declare
-- odd         return the status and the detail in args
-- look        return the type of a global
-- When a write is committed, all operations but set note their outcome on their first page.

local app, ops, merges = {}, {}, {}

local function mark(write) return 'request:' .. write.user .. '/' .. write.request end

local function occupy(pages, write, slot)
  pages.set(slot[1], slot[2], write.user .. '/' .. write.request)
  pages.set(mark(write), 'slot', slot[1] .. ' ' .. slot[2])
  return slot[1] .. ' ' .. slot[2]
end

function ops.take(pages, write) return 'updated', occupy(pages, write, write.args.slots[1]) end

function merges.take(pages, write)
  if pages.get(mark(write), 'slot') then return 'duplicate' end
  for _, slot in ipairs(write.args.slots) do
    if not pages.get(slot[1], slot[2]) then return 'merged', occupy(pages, write, slot) end
  end
  pages.set(mark(write), 'slot', 'none')
  return 'rejected', 'none'
end

function ops.give(pages, write)
  pages.delete(write.args.page, write.args.field)
  return 'updated'
end

function merges.give() return 'unknown' end

function ops.note(pages, write)
  local seen = ''
  for _, page in ipairs(write.pages) do seen = seen .. string.sub(pages.get(page, 'notes') or '', -5) .. '/' end
  for _, page in ipairs(write.pages) do
    pages.set(page, 'notes', string.sub((pages.get(page, 'notes') or '') .. '<' .. seen .. write.request, -80))
  end
  return 'updated'
end

function ops.wipe(pages, write)
  for _, field in ipairs(pages.fields(write.args.page)) do pages.delete(write.args.page, field) end
  return 'updated'
end

function ops.fail(pages, write)
  local page, unless = write.pages[1], write.args.unless
  if unless and pages.get(page, unless) then return 'merged', 'spared' end
  for _, field in ipairs(pages.fields(page)) do pages.delete(page, field) end
  pages.set(page, 'half', 'done')
  error('as it should')
end

function ops.fail_later(pages, write)
  local page = write.pages[1]
  if pages.get(page, write.args.field) then
    pages.set(page, 'half', 'done')
    error('as it should')
  end
  pages.set(page, 'fine', write.request)
  return 'updated'
end

function ops.reach(pages, write)
  pages.set(write.pages[1], 'half', 'done')
  if write.args.how == 'get' then pages.get(write.args.page, 'x') end
  if write.args.how == 'set' then pages.set(write.args.page, 'x', 'y') end
  if write.args.how == 'delete' then pages.delete(write.args.page, 'x') end
  if write.args.how == 'fields' then pages.fields(write.args.page) end
  if write.args.how == 'any' then pages.any(write.args.page, function() return true end) end
  return 'updated', tostring(pages.declares(write.args.page))
end

function ops.odd(pages, write)
  pages.set(write.pages[1], 'half', 'done')
  return write.args.status, write.args.detail
end

-- All names but `type` are globals that an application must not see.
local looks = {
  ['redis'] = function() return redis end,
  ['cjson'] = function() return cjson end,
  ['cmsgpack'] = function() return cmsgpack end,
  ['struct'] = function() return struct end,
  ['bit'] = function() return bit end,
  ['KEYS'] = function() return KEYS end,
  ['ARGV'] = function() return ARGV end,
  ['Apps'] = function() return Apps end,
  ['K'] = function() return K end,
  ['Log'] = function() return Log end,
  ['Pages'] = function() return Pages end,
  ['os'] = function() return os end,
  ['io'] = function() return io end,
  ['pairs'] = function() return pairs end,
  ['next'] = function() return next end,
  ['_G'] = function() return _G end,
  ['getfenv'] = function() return getfenv end,
  ['setfenv'] = function() return setfenv end,
  ['loadstring'] = function() return loadstring end,
  ['load'] = function() return load end,
  ['loadfile'] = function() return loadfile end,
  ['dofile'] = function() return dofile end,
  ['rawset'] = function() return rawset end,
  ['rawget'] = function() return rawget end,
  ['rawequal'] = function() return rawequal end,
  ['collectgarbage'] = function() return collectgarbage end,
  ['setmetatable'] = function() return setmetatable end,
  ['getmetatable'] = function() return getmetatable end,
  ['pcall'] = function() return pcall end,
  ['xpcall'] = function() return xpcall end,
  ['debug'] = function() return debug end,
  ['coroutine'] = function() return coroutine end,
  ['print'] = function() return print end,
  ['require'] = function() return require end,
  ['module'] = function() return module end,
  ['package'] = function() return package end,
  ['math.random'] = function() return math.random end,
  ['math.randomseed'] = function() return math.randomseed end,
  ['type'] = function() return type end,
}

function ops.look(pages, write) return 'updated', type(looks[write.args.name]()) end

function ops.list_fields(pages, write)
  local page = write.pages[1]
  local some = pages.any(page, function(field, value) return field == 'b' and value == 'é' end)
  return 'updated', table.concat(pages.fields(page), ',') .. ' ' .. tostring(some)
end

function ops.search(pages, write)
  local page, found = write.pages[1], {}
  for _, step in ipairs(write.args.steps) do
    if step[1] == 'below' then
      local name, value = pages.below(page, step[2])
      assert(value == (name and pages.get(page, name)))
      found[#found + 1] = name or '-'
    end
    if step[1] == 'set' then pages.set(page, step[2], 'x') end
    if step[1] == 'delete' then pages.delete(page, step[2]) end
  end
  return 'updated', table.concat(found, ',')
end

function ops.set(pages, write)
  for _, field in ipairs(write.args.fields) do pages.set(write.pages[1], field[1], field[2]) end
  return 'updated'
end

function ops.pass(_pages, _write, found) return 'updated', found end

function merges.pass(_pages, _write, found) return 'merged', found end

function app.check(pages, write)
  local args = write.args
  if write.op == 'pass' then return args.met, args.found end
  if write.op == 'take' then
    return not pages.get(mark(write), 'slot') and not pages.get(args.slots[1][1], args.slots[1][2])
  end
  if write.op == 'give' then return pages.get(args.page, args.field) ~= nil end
  return true
end

function app.update(pages, write, found) return ops[write.op](pages, write, found) end

function app.merge(pages, write, found) return merges[write.op](pages, write, found) end

function app.lists(write)
  if write.args.entries then return write.args.entries end
  return {'user:' .. write.user, write.request}
end

function app.notes(write, outcome)
  if write.args.notes then return write.args.notes end
  if write.op == 'set' then return {} end
  return {write.pages[1], write.request .. ' ' .. outcome}
end

return app
