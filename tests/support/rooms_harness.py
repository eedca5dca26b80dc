"""The rooms application without the engine, for tests.

The Lua runs in a private Redis. The pages are Python dictionaries.

`Lua.play` plays one write on pages. FakeService has tentative and committed pages, and commits when `commit` is called.
`client_of` returns Flask's test client for the endpoints of the rooms application.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import redis
from flask import Flask, Response, g, request
from flask_restful import Api

from apps.api.request import Caller, ClientSession
from apps.rooms import APPLICATION
from apps.rooms.settings import PolicySettings, RoomSettings
from bayou import errors
from bayou.application import Accepted, FeedRevision, History, LogEntry, OutcomeChange, PageViews, Snapshot
from bayou.session_token import Token
from bayou.write import Draft, Write
from replica.http.errors import answer_error
from replica.http.routing import Routes
from storage.scripts import rules
from tests.support.toy import FORBIDDEN

Pages = dict[str, dict[str, str]]

# Redis 7 has no setfenv, so local variables hide the globals that an application must not see.
_HIDDEN = (
    f"local {', '.join(name for name in FORBIDDEN if '.' not in name)} "
    "local math = {floor = math.floor, min = math.min, max = math.max, abs = math.abs, huge = math.huge} "
)
_PLAY = """
local chunk = assert(loadstring(ARGV[1], 'rooms'))
local write, all = cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
local declared = {}
for _, page in ipairs(write.pages) do declared[page] = true end
local function fields_of(page)
  if not declared[page] then error('the write does not declare the page ' .. tostring(page)) end
  all[page] = all[page] or {}
  return all[page]
end
local api = {}
function api.get(page, field) return fields_of(page)[field] end
function api.set(page, field, value)
  if type(field) ~= 'string' or type(value) ~= 'string' then error('fields and values are strings') end
  fields_of(page)[field] = value
end
function api.delete(page, field) fields_of(page)[field] = nil end
function api.declares(page) return declared[page] ~= nil end
function api.fields(page)
  local names = {}
  for name in pairs(fields_of(page)) do names[#names + 1] = name end
  table.sort(names)
  return names
end
function api.below(page, text)
  local last
  for name in pairs(fields_of(page)) do
    if name < text and (not last or name > last) then last = name end
  end
  return last, last and fields_of(page)[last]
end
function api.any(page, test)
  for name, value in pairs(fields_of(page)) do
    if test(name, value) then return true end
  end
  return false
end
-- Each function comes from its own run of the chunk, so that the functions share no variables.
local ok, status, detail = pcall(function()
  local is_met, found = chunk().check(api, write)
  if is_met then return chunk().update(api, write, found) end
  return chunk().merge(api, write, found)
end)
local is_listed, lists = pcall(chunk().lists, write)
if not is_listed then lists = {} end
if not ok then return cjson.encode({outcome = 'failed', why = status, lists = lists}) end
return cjson.encode({outcome = detail and status .. ' ' .. detail or status, pages = all, lists = lists})
"""


@dataclass
class Lua:
    """Plays writes with the Lua of the rooms application in a real Redis. The Lua has only the functions that an
    application may use."""

    client: redis.Redis
    why: str = ""  # the error message of the last failed play

    def play(self, write: Write, pages: Pages) -> tuple[str, list[list[str]]]:
        """Play a write, and change `pages` in place. Return the outcome, and a pair [list, entry] for each entry that
        the write adds to a list."""
        encoded = {**json.loads(write.encode()), "id": write.id}
        seen = {page: pages.get(page, {}) for page in write.pages}
        reply = json.loads(
            self.client.eval(_PLAY, 0, _HIDDEN + rules(APPLICATION), json.dumps(encoded), json.dumps(seen))
        )
        for page, fields in reply.get("pages", {}).items():
            pages[page] = dict(fields)
            if not fields:
                del pages[page]
        self.why = reply.get("why", "")
        return reply["outcome"], [reply["lists"][at : at + 2] for at in range(0, len(reply["lists"]), 2)]


@dataclass
class FakeService:
    """The Service that applications call, with its pages in memory. A submitted write is tentative until `commit` is
    called."""

    lua: Lua
    timezone: str = "UTC"
    rooms: Sequence[str | RoomSettings] = ("6.12", "6.13", "7.01")
    policies: PolicySettings = field(default_factory=PolicySettings)
    tentative: Pages = field(default_factory=dict)
    committed: Pages = field(default_factory=dict)
    lists: dict[str, set[str]] = field(default_factory=dict)
    log: list[Write] = field(default_factory=list)
    active: str = APPLICATION.tag
    auth: str = "tokens"

    @property
    def settings(self) -> Any:
        rooms = [RoomSettings(name=room) if isinstance(room, str) else room for room in self.rooms]
        return SimpleNamespace(
            cluster_id="building-6-0", timezone=self.timezone, rooms=rooms, policies=self.policies, auth=self.auth
        )

    def now(self) -> datetime:
        return datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

    def submit(self, draft: Draft, session: ClientSession, shown: Sequence[str] = ()) -> Accepted:
        write = stamped(draft, len(self.log) + 1)
        trial = {page: dict(fields) for page, fields in self.tentative.items()}
        outcome, lists = self.lua.play(write, trial)
        assert outcome != "failed", self.lua.why
        if outcome.split()[0] not in {"updated", "merged"}:
            return Accepted(None, outcome, committed=False)
        self.tentative = trial
        self.log.append(write)
        for name, entry in lists:
            self.lists.setdefault(name, set()).add(entry)
        return Accepted(write.id, outcome, committed=False, pages=self.read(shown, session).pages)

    def read(self, pages: Sequence[str], session: ClientSession, view: str = "tentative") -> Snapshot:  # noqa: ARG002
        views = {page: PageViews(self.tentative.get(page, {}), self.committed.get(page, {})) for page in pages}
        return Snapshot({}, {}, 0, views)

    def feed_revisions(self, name: str, shown: Mapping[str, tuple[str, int]]) -> dict[str, FeedRevision]:  # noqa: ARG002
        return {thing: FeedRevision(1, 0, here=True, text=text) for thing, (text, _) in shown.items()}

    def history(self, page: str) -> History:
        return History({}, tuple((write, "updated") for write in self.log if page in write.pages))

    def log_entry(self, identifier: str) -> LogEntry:
        raise errors.Unknown("write_unknown", f"This replica does not hold the write {identifier}.")

    def newest_writes(self, app: str, **_wanted: object) -> list[LogEntry]:  # noqa: ARG002
        return []

    def outcome_changes(self, ids: Collection[str]) -> tuple[list[OutcomeChange], datetime | None]:  # noqa: ARG002
        return [], None

    def writes(self, ids: Sequence[str]) -> dict[str, Write]:
        return {write.id: write for write in self.log if write.id in ids}

    def holders(self, ids: Collection[str]) -> list[str]:  # noqa: ARG002
        return ["one"]

    def active_tag(self, name: str) -> str:
        return self.active if name == "rooms" else f"{name}/1"

    def label(self, server: str) -> str:
        return server.partition("~")[0]

    def list_entries(self, name: str, session: ClientSession) -> list[str]:  # noqa: ARG002
        return sorted(self.lists.get(name, ()), key=str.encode)

    def is_entry(self, name: str, entry: str, session: ClientSession) -> bool:  # noqa: ARG002
        return entry in self.lists.get(name, ())

    def commit(self) -> None:
        """Commit all tentative writes."""
        self.committed = {page: dict(fields) for page, fields in self.tentative.items()}

    def replay(self, writes: Sequence[Write]) -> list[str]:
        """Empty both views, play these writes in the tentative view, and return their outcomes."""
        self.tentative, self.committed = {}, {}
        return [self.lua.play(write, self.tentative)[0] for write in writes]


def stamped(draft: Draft, stamp: int) -> Write:
    """Return the write that the replica `one` makes from a draft."""
    fields = {name: getattr(draft, name) for name in Draft.__slots__}
    return Write(**fields, stamp=stamp, prev=stamp - 1, origin="one~abcdef")


class RefusingApi(Api):  # type: ignore[misc]
    """Turns a refusal into the JSON error that a replica answers with."""

    def handle_error(self, e: Exception) -> Response:
        if not isinstance(e, errors.Refusal):
            raise e
        return answer_error(e, request.method, request.path)


def client_of(service: FakeService) -> Any:
    """Return Flask's test client for the endpoints of the rooms application.

    A test names the caller in the headers Bayou-User and Test-Role. The result is untyped, because answers may hold
    any JSON.
    """
    app = Flask("rooms")
    routes = Routes(RefusingApi(app), APPLICATION.endpoints(service))

    @app.before_request
    def admit() -> None:
        user = request.headers.get("Bayou-User", "")
        endpoint = routes.endpoint_of(request, request.method)
        if endpoint and endpoint.is_write and not user:
            raise errors.Unauthorized("user_missing", "Say who you are in the header Bayou-User.")
        g.session = ClientSession(Token())
        g.caller = Caller(user, request.headers.get("Test-Role", "user"))

    return app.test_client()
