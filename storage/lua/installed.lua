-- The second half of install.lua, behind the engine: replays the kept writes on the new state.

Log.fetch(kept)
for _, id in ipairs(kept) do Replay.arrive(Log.write(id)) end
Replay.finish()
Log.store('installed', ARGV[2], 0, Replay.replayed)
Pages.store(Log.csn)
local function list(ids) return #ids > 0 and ids or nil end
redis.call('XADD', K.events, 'MAXLEN', '~', EVENTS_MAX, '*', 'kind', 'revoked', 'body', cjson.encode({kind = 'revoked',
  peer = ARGV[2], revoked = list(revoked), lost = list(lost), lost_pages = list(lost_pages)}))
return cjson.encode({status = 'installed', kept = #kept, revoked = list(revoked), lost = list(lost),
  lost_pages = list(lost_pages)})
