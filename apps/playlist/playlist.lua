--[[
What a write of the playlist means: a song has a URL or none, as the last write in the order says.

Contract. Returns {check, update, merge, lists}. They are pure functions, which the engine runs inside Redis at every
replica each time a write is played: check first, then update where it returned true, else merge.

Writes. Both check request_is_new and merge by keep_first.
  put     args song, url
  delete  args song; a song that is not there may be deleted, too

Page song:SONG (apps/playlist/endpoints.py reads the same format).
  url       where the song is; absent if it was deleted or never put
  requests  USER/REQUEST=CHECKSUM of the last writes, oldest first, separated by blanks; they stay when the song goes.
            The checksum is that of what the write asked for

Statuses.
  updated    done
  duplicate  this request of this user was taken before; nothing changes
  differs    a request of this user with this id was taken before, and asked for something else; nothing changes
]]

local REQUESTS_MAX = 8

local app = {}

local function page_of(write)
  return "song:" .. write.args.song
end

-- User names and request ids contain neither blanks nor slashes.
local function signature(write)
  return write.user .. "/" .. write.request .. "="
end

-- Tells two requests with one id apart.
local function checksum(write)
  local text, sum = write.op .. " " .. (write.args.url or ""), 0
  for i = 1, #text do
    sum = (sum * 31 + string.byte(text, i)) % 4294967296
  end
  return string.format("%08x", sum)
end

function app.check(pages, write)
  -- The op decides what is tested: a write that names another check than that of its op is an error.
  assert(write.check == "request_is_new", "not the check of the playlist")
  local requests = " " .. (pages.get(page_of(write), "requests") or "")
  local _, stop = string.find(requests, " " .. signature(write), 1, true)
  return not stop, stop and string.match(requests, "^%x+", stop + 1)
end

-- Remembers the request, and forgets the oldest one if there are too many.
local function sign(pages, page, write)
  local requests, own = pages.get(page, "requests"), signature(write) .. checksum(write)
  requests = requests and requests .. " " .. own or own
  local _, blanks = string.gsub(requests, " ", " ")
  if blanks >= REQUESTS_MAX then
    requests = string.match(requests, "^[^ ]* (.*)$")
  end
  pages.set(page, "requests", requests)
end

function app.update(pages, write)
  local page = page_of(write)
  if write.op == "put" then
    pages.set(page, "url", write.args.url)
  else
    assert(write.op == "delete", "not an op of the playlist")
    pages.delete(page, "url")
  end
  sign(pages, page, write)
  return "updated"
end

function app.merge(_, write, earlier)
  return earlier == checksum(write) and "duplicate" or "differs"
end

-- List, entry: every song that was ever put, whatever became of it.
function app.lists(write)
  if write.op == "put" then
    return { "songs", write.args.song }
  end
  return {}
end

return app
