"""A replica for tests of its HTTP layer. It has a fake store instead of Redis, fake peers, and a small application."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from flask import Flask
from pydantic import ConfigDict
from redis import Redis

from apps.api.application import Application
from apps.api.endpoint import Answer, Endpoint
from apps.api.model import Model
from apps.api.request import Request
from apps.api.service import Service
from bayou.anti_entropy import Report
from bayou.application import Accepted, FeedRevision, History, LogEntry, OutcomeChange, PageViews, Snapshot
from bayou.errors import Away, Behind, Conflict, Unknown
from bayou.stamps import stamp_text
from bayou.state import State, Vector
from bayou.vectors import missing
from bayou.write import Draft, Write
from replica.config import Address, Config, parse
from replica.events.describe import Describer
from replica.events.expand import Transaction
from replica.events.feed import EventFeed
from replica.http.app import create_app
from replica.http.parts import Parts
from replica.http.service import ReplicaService
from storage.members import Member
from storage.queries import Digest, Gap, Pace, Vitals
from storage.store import Store
from tests.support.web_server import served

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
SETTINGS = parse(
    """
cluster: building-6
primary: one
replicas:
  one: {rest: 127.0.0.1:8001, anti_entropy: 127.0.0.1:9001}
  two: {rest: 127.0.0.1:8002, anti_entropy: 127.0.0.1:9002}
""",
    Path("config.yaml"),
)
NOTHING: Vector = {}
FIRST_MS = 1_796_112_000_000


def write(stamp: int, **fields: Any) -> Write:
    """Return a write of the small application `notes`, with these fields instead of the defaults."""
    given: dict[str, Any] = {
        "app": "notes/1",
        "op": "reserve",
        "check": "free",
        "merge": "give_up",
        "args": {},
        "pages": ("p",),
        "user": "vish",
        "request": f"r{stamp}",
        "accepted_at": "2026-12-01T08:00:00+00:00",
        "prev": 0,
        "origin": "one~aaaaaa",
    }
    return Write(stamp=stamp, **{**given, **fields})


def slot(outcome: str) -> dict[str, str] | None:
    """Return the room and time of an outcome such as `updated 09` (from 9 to 10 o'clock), or None."""
    status, _, hour = outcome.partition(" ")
    if status not in {"updated", "merged"} or not hour:
        return None
    return {"room": "6.12", "start": f"2026-12-01T{hour}:00:00+00:00", "end": f"2026-12-01T{int(hour) + 1}:00:00+00:00"}


def describe(found: Write, outcome: str) -> dict[str, Any]:
    """Return what the log shows about a write: its reservation, and the slot that it got."""
    return {"reservation": f"{found.user}/{found.request}", "result": slot(outcome)}


class NotesQuery(Model):
    fault: str = ""


class Note(Model):
    """A request body that accepts any JSON object."""

    model_config = ConfigDict(extra="allow")


def application(faults: dict[str, Exception] | None = None) -> Application:
    """Return an application that submits any JSON object as a write. A read with `fault=NAME` raises `faults[NAME]`."""

    def endpoints(service: Service) -> list[Endpoint]:
        def show_notes(request: Request[NotesQuery, None]) -> Answer:
            if fault := (faults or {}).get(request.query.fault):
                raise fault
            return {"text": "é", "now": service.now().isoformat()}

        def add_note(request: Request[None, Note]) -> tuple[Answer, int]:
            draft = write(1, user=request.caller.name, args=request.body.model_extra)
            return {"id": service.submit(draft, request.session).id}, 201

        return [
            Endpoint("GET", "/notes", show_notes),
            Endpoint("POST", "/notes", add_note),
        ]

    return Application(name="notes", version=1, lua=Path("none.lua"), describe=describe, endpoints=endpoints)


class FakeStore:
    """An in-memory replacement for storage.store.Store, with the methods that the HTTP layer calls."""

    def __init__(self) -> None:
        self.accepted: list[Draft] = []
        self.outcome = "updated 09"
        self.entries: list[tuple[str, dict[str, Any]]] = []
        self.trimmed = 0
        self.caught_up = 0
        self.held: dict[str, Write] = {}
        self.fault: Exception | None = None
        self.failed = threading.Event()
        self.entries_of_log: list[LogEntry] = []
        self.is_primary = True
        self.vector: dict[str, int] = {}
        self.committed: dict[str, int] = {}
        self.oldest_us: int | None = None
        self.truncated: list[tuple[int, int | None]] = []
        self._changed = threading.Condition()

    @property
    def label(self) -> str:
        return "one"

    @property
    def pace(self) -> Pace:
        return "auto"

    def catch_up(self) -> None:
        self.caught_up += 1

    def state(self) -> State:
        self._fail()
        return State(
            server="one~aaaaaa",
            label="one",
            cluster="building-6",
            birth="two~bbbbbb",
            met=True,
            primary="two~bbbbbb",
            history='[[0,"two~bbbbbb",1],[1,"two~bbbbbb",5]]',
            csn=7,
            osn=2,
            last="",
            vector={"two~bbbbbb": 5, "one~aaaaaa": 9},
            committed_vector={"one~aaaaaa": 9},
            omitted_vector={},
            retired_servers=(),
            retired=False,
            retires=False,
            tentative=3,
            set_aside=0,
            clock=9,
        )

    def vitals(self) -> Vitals:
        return Vitals(self.oldest_us, 1_000_000)

    def moment(self) -> tuple[int, str, dict[str, int]]:
        return 4, "0", {}

    def digest(self) -> Digest:
        return Digest("aa", "bb", 7, {"one~aaaaaa": 9})

    def accept(self, draft: Draft, now_us: int, needs: Vector, shown: Sequence[str], birth: str) -> Accepted:  # noqa: ARG002
        self._fail()
        self._check(needs, self.vector)
        assert now_us == 1_796_112_000_000_000
        status = self.outcome.partition(" ")[0]
        if status not in {"updated", "merged"}:
            return Accepted(None, self.outcome, committed=False)
        self.accepted.append(draft)
        pages = self.read(shown).pages
        return Accepted("0000000000000001@one~aaaaaa", self.outcome, committed=False, pages=pages)

    def read(
        self,
        pages: Sequence[str],
        needs: Vector = NOTHING,
        view: str = "tentative",
        birth: str = "",  # noqa: ARG002
    ) -> Snapshot:
        self._check(needs, self.vector if view == "tentative" else self.committed)
        return Snapshot(self.vector, self.committed, 0, {page: PageViews({}, {}) for page in pages})

    def _check(self, needs: Vector, held: Vector) -> None:
        if lacking := missing(held, (), needs):
            raise Behind("session_ahead", "Wait.", missing={server: stamp_text(at) for server, at in lacking.items()})

    def feed_revisions(self, name: str, shown: Mapping[str, tuple[str, int]], now_s: int) -> dict[str, FeedRevision]:  # noqa: ARG002
        return {thing: FeedRevision(1, now_s, here=True, text=text) for thing, (text, _) in shown.items()}

    def history(self, page: str) -> History:  # noqa: ARG002
        return History({}, ())

    def log_entry(self, identifier: str) -> LogEntry:
        return next(entry for entry in self.entries_of_log if entry.write.id == identifier)

    def newest_writes(self, tag: str, **_: object) -> list[LogEntry]:
        return [entry for entry in reversed(self.entries_of_log) if entry.write.app == tag]

    def active_tag(self, name: str) -> str:
        return f"{name}/1"

    def outcome_changes(self, ids: Collection[str]) -> tuple[list[OutcomeChange], datetime | None]:  # noqa: ARG002
        return [], None

    def list_entries(self, name: str) -> list[str]:
        return [name]

    def count_entries(self, name: str) -> int:  # noqa: ARG002
        return 1

    def is_entry(self, name: str, entry: str) -> bool:
        return name == entry

    def log(self, after: str | None, count_max: int) -> list[LogEntry] | None:
        ids = [entry.write.id for entry in self.entries_of_log]
        if after is not None and after not in ids:
            return None
        start = 0 if after is None else ids.index(after) + 1
        return self.entries_of_log[start : start + count_max]

    def commit(self) -> int:
        if not self.is_primary:
            raise Conflict("not_primary", "Only the primary commits.")
        return 3

    def truncate(self, keep: int, *, older_than_us: int | None = None) -> int:
        self.truncated.append((keep, older_than_us))
        return 5

    def members(self) -> list[Member]:
        return [Member("0000000000000003:one~aaaaaa", "four", "127.0.0.1:8004", "127.0.0.1:9004", "r")]

    def forgotten(self) -> set[str]:
        return set()

    def tell(self, entry: Mapping[str, Any], *writes: Write) -> str:
        """Append a transaction to the event feed, and return its id."""
        with self._changed:
            identifier = f"{FIRST_MS + len(self.entries)}-0"
            self.held.update({found.id: found for found in writes})
            self.entries.append((identifier, dict(entry)))
            self._changed.notify_all()
        return identifier

    def trim(self, count: int) -> None:
        self.trimmed = count

    def forget(self) -> None:
        """Drop all events, as if the storage had lost them."""
        with self._changed:
            self.entries = []

    def events(
        self, after: str, block_ms: int | None, count_max: int, client: Redis
    ) -> list[tuple[str, dict[str, Any]]]:
        del client
        self._fail()
        kept = self.entries[self.trimmed :]
        if after != "0-0" and kept and _order(after) < _order(kept[0][0]):
            raise Gap
        with self._changed:
            self._changed.wait_for(lambda: self._behind(after), (block_ms or 0) / 1000)
            return self._behind(after)[:count_max]

    def _behind(self, after: str) -> list[tuple[str, dict[str, Any]]]:
        return [entry for entry in self.entries[self.trimmed :] if _order(entry[0]) > _order(after)]

    def writes(self, ids: Sequence[str]) -> dict[str, Write]:
        return {key: self.held[key] for key in ids if key in self.held}

    def last_event(self) -> str:
        return self.entries[-1][0] if self.entries else "0-0"

    def _fail(self) -> None:
        if self.fault:
            self.failed.set()
            raise self.fault


def _order(identifier: str) -> tuple[int, int]:
    moment, _, number = identifier.partition("-")
    return int(moment), int(number)


@dataclass
class FakePeers:
    """Peers that answer at once without a network. The only peer is the replica `two`."""

    def __init__(self) -> None:
        self.new_writes = 0
        self.links = {"two": True}
        self.pace: Pace = "auto"
        self.away = False

    def notify_new_write(self) -> None:
        self.new_writes += 1

    def status(self) -> list[dict[str, Any]]:
        return [{"label": label, "link": "up" if up else "cut"} for label, up in self.links.items()]

    def servers(self) -> dict[str, str]:
        return {}

    def holders(self, ids: Collection[str]) -> list[str]:  # noqa: ARG002
        return ["two"]

    def sync(self, label: str) -> Report:
        self._known(label)
        if not self.links[label]:
            raise Conflict("link_cut", f"The link to {label} is cut.")
        if self.away:
            raise Away("peer_unreachable", f"{label} cannot be reached.")
        return Report(sent=3, received=2)

    def set_link(self, label: str, *, up: bool) -> None:
        self._known(label)
        self.links[label] = up

    def set_pace(self, pace: Pace) -> None:
        self.pace = pace

    def _known(self, label: str) -> None:
        if label not in self.links:
            raise Unknown("peer_unknown", f"There is no peer {label}; there is two.", peer=label)


class Harness:
    """A replica without storage. `app` is the Flask application, and `feed` is the event feed of `store`."""

    def __init__(self, settings: Config = SETTINGS, faults: dict[str, Exception] | None = None) -> None:
        self.settings = settings
        self.store, self.peers = FakeStore(), FakePeers()
        self.heard: list[Transaction] = []
        applications = [application(faults)]
        store = cast(Store, self.store)  # the fake has only the methods that are called here
        # The fake store needs no Redis, and a client connects only when it is used.
        self.feed = EventFeed(store, Redis(), Redis, Describer(applications), "one", self.heard.append)
        service = ReplicaService(settings, store, self.peers, lambda: NOW, lambda: self.feed.follow(None))
        self.parts = Parts("one", settings, service, store, self.peers, self.feed, applications)
        self.app: Flask = create_app(self.parts)

    def what_is_recorded(self) -> Any:
        """Return the state that a refused request must not change."""
        return list(self.store.accepted), dict(self.peers.links), self.peers.new_writes


@contextmanager
def serving(harness: Harness) -> Iterator[Address]:
    """Run the event feed, and the real web server on a free port. Yield the address of the web server."""
    harness.feed.start()
    with served(harness.app) as address:
        try:
            yield address
        finally:
            harness.feed.stop()
