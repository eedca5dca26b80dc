"""A replica's state in Redis: every change is one Lua transaction (storage/lua), every method one step.

Atomic by construction: a method either did all of what it says or raised with nothing done; but a lost connection
leaves open which, and every script is safe to run again. Knows the namespace and the applications, not the network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from bayou.application import Accepted, Application, PageViews, Snapshot
from bayou.errors import BadInput, Conflict, TooLarge
from bayou.items import Item, Received, Selection
from bayou.stamps import stamp_text
from bayou.state import State, Vector
from bayou.write import PAGES_MAX, WRITE_BYTES_MAX, Draft, Write
from storage.keys import Namespace
from storage.scripts import EVENTS_MAX, PLAIN, PLAYING, script

COMMIT_BATCH = 500  # writes that one transaction commits at the most


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A write of the log, with its CSN when it is committed and the outcome of its latest play."""

    write: Write
    csn: int | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 over all pages of each view; equal on replicas with the same vector and CSN (invariant 3)."""

    committed: str
    tentative: str
    csn: int
    vector: Vector


class Gap(Exception):
    """The events asked for are no longer kept."""


class Store:
    """The namespace of one replica. `commit_mode` is `auto` or `manual`."""

    def __init__(
        self, client: Redis, label: str, applications: Sequence[Application], *, commit_mode: str = "auto"
    ) -> None:
        self._redis: Any = client  # its annotations mix replies of several kinds of client
        self._label = label
        self._keys = Namespace(label)
        self._commit_mode = commit_mode
        self._scripts = {verb: client.register_script(script(verb, applications)) for verb in PLAYING + PLAIN}

    def begin(self, *, server: str, cluster: str, first_primary: bool) -> None:
        """Open the namespace for a server id; a new one is made, as the birth of the cluster for the first primary."""
        status = self._run("begin", server, self._label, cluster, "birth" if first_primary else "")
        if status != b"opened":
            raise Conflict(
                "other_cluster",
                f"The namespace of {self._label} in Redis belongs to another cluster. Use another Redis, or the"
                " configuration (name of the cluster and its replicas) that made it.",
            )

    def server(self) -> str | None:
        """The server id of the namespace, None while there is no namespace."""
        found = self._redis.hget(self._keys.meta, "id")
        return found.decode() if found else None

    def state(self) -> State:
        """Identity, vectors and counters of one moment."""
        meta_list, vector, committed, omitted, tentative, clock = self._run("state")
        meta = _strings(meta_list)
        return State(
            server=meta["id"],
            label=meta["label"],
            cluster=meta["cluster"],
            birth=meta["birth"],
            primary=meta["primary"],
            csn=int(meta["csn"]),
            osn=int(meta["osn"]),
            last=meta["last"],
            vector=_vector(vector),
            committed_vector=_vector(committed),
            omitted_vector=_vector(omitted),
            tentative=tentative,
            clock=int(clock),
        )

    def adopt(self, birth: str, primary: str) -> str:
        """Learn the cluster's birth from a peer: `adopted`, `known`, or `other_birth` (nothing changed)."""
        return str(self._run("adopt", birth, primary).decode())

    def accept(self, draft: Draft, now_us: int) -> Accepted:
        """Take a client's write: stamp it, play it, log it; commit it at once at the primary in automatic mode."""
        if len(draft.pages) > PAGES_MAX:
            raise TooLarge(
                "too_many_pages", f"This needs {len(draft.pages)} pages; at most {PAGES_MAX} go in one write."
            )
        tail = draft.tail()
        if len(tail.encode()) > WRITE_BYTES_MAX:
            raise TooLarge("too_large", f"This is more than {WRITE_BYTES_MAX} bytes as a write. Send less text.")
        reply = json.loads(self._run("accept", now_us, tail, self._commit_mode))
        if reply["status"] == "clock":
            raise BadInput("clock", "This replica's clock is beyond the year 2255. Set it right.", field="clock")
        return Accepted(id=reply.get("id"), outcome=reply["outcome"], committed=reply.get("committed", False))

    def receive(self, selection: Selection, source: str) -> Received:
        """Take a peer's batch in its order; stops at the first item that does not fit, and says why."""
        arguments: list[Any] = [self._commit_mode, source, selection.after_csn, selection.after_id]
        for item in selection.items:
            arguments += ["" if item.csn is None else item.csn, item.id, item.body]
        return Received(**json.loads(self._run("receive", *arguments)))

    def select(self, csn: int, vector: Vector, count_max: int, bytes_max: int) -> Selection:
        """What a peer with this CSN and vector lacks, in the order of sending."""
        texts = json.dumps({server: stamp_text(stamp) for server, stamp in vector.items()})
        after_csn, after_id, *flat = self._run("select", csn, texts, count_max, bytes_max)
        items = tuple(
            Item(id=flat[i + 1].decode(), csn=int(flat[i]) if flat[i] else None, body=flat[i + 2])
            for i in range(0, len(flat), 3)
        )
        return Selection(int(after_csn), after_id.decode(), items)

    def commit(self) -> int:
        """Commit what is tentative here, oldest first, if this is the primary; returns how many."""
        total, left = 0, 1
        while left:
            reply = json.loads(self._run("commit", COMMIT_BATCH))
            if reply["status"] == "not_primary":
                raise Conflict("not_primary", "Only the primary commits, and this replica is not the primary.")
            total, left = total + reply["committed"], reply["left"]
        return total

    def read(self, pages: Sequence[str]) -> Snapshot:
        """Pages in both views and the vectors, of one moment; a page that does not exist is empty."""
        csn, vector, committed_vector, *views = self._run("read", *pages)
        found = {}
        for page, (committed, tentative) in zip(pages, views, strict=True):
            final = _strings(committed)
            found[page] = PageViews(tentative=final if tentative is None else _strings(tentative), committed=final)
        return Snapshot(_vector(vector), _vector(committed_vector), int(csn), found)

    def members(self, name: str) -> list[str]:
        """An application's append-only list, sorted bytewise."""
        return [member.decode() for member in sorted(self._redis.smembers(self._keys.list + name))]

    def log(self, after: str | None, count_max: int) -> list[LogEntry] | None:
        """Writes behind `after` (None: from the oldest) in the order of the log; None when `after` is not in it."""
        flat = self._run("log", after or "", count_max)
        if flat is None:
            return None
        return [
            LogEntry(Write.decode(flat[i + 3]), int(flat[i + 1]) if flat[i + 1] else None, flat[i + 2].decode())
            for i in range(0, len(flat), 4)
        ]

    def writes(self, ids: Sequence[str]) -> dict[str, Write]:
        """The writes of the log with these ids, as far as they are there."""
        bodies = self._redis.hmget(self._keys.writes, list(ids)) if ids else []
        return {key: Write.decode(body) for key, body in zip(ids, bodies, strict=True) if body}

    def digest(self) -> Digest:
        """Digests of all pages of one moment; reads again while writes come in."""
        while True:
            before = self.state()
            committed = self._all_pages(self._keys.committed_page)
            copies = self._all_pages(self._keys.tentative_page)
            if self.state() == before:
                tentative = {**committed, **copies}
                return Digest(_digest(committed), _digest(tentative), before.csn, before.vector)

    def cut_links(self) -> set[str]:
        """Labels of the peers whose link is cut here."""
        return {label.decode() for label in self._redis.smembers(self._keys.cut)}

    def set_link(self, peer: str, *, up: bool) -> None:
        """Cut or heal the link to a peer, for good until it is changed again."""
        with self._redis.pipeline(transaction=True) as transaction:
            (transaction.srem if up else transaction.sadd)(self._keys.cut, peer)
            self._tell(transaction, "link", {"peer": peer, "up": up})
            transaction.execute()

    def tell_session(self, report: Mapping[str, Any]) -> None:
        """Put the report of a session into the events."""
        self._tell(self._redis, "session", report)

    def events(self, after: str, block_ms: int, count_max: int, client: Any) -> list[tuple[str, dict[str, Any]]]:
        """Transactions behind the event id `after`, oldest first; waits up to `block_ms` for one. Gap when trimmed."""
        oldest = self._redis.xrange(self._keys.events, count=1)
        if after != "0-0" and oldest and _event_order(after) < _event_order(oldest[0][0].decode()):
            raise Gap
        found = client.xread({self._keys.events: after}, count=count_max, block=block_ms)
        streams: Iterable[Any] = found.values() if isinstance(found, dict) else (stream[1] for stream in found or ())
        return [(key.decode(), _event(fields)) for entries in streams for key, fields in entries]

    def last_event(self) -> str:
        """The id of the newest event, `0-0` when there is none."""
        newest = self._redis.xrevrange(self._keys.events, count=1)
        return newest[0][0].decode() if newest else "0-0"

    def _run(self, verb: str, *arguments: Any) -> Any:
        return self._scripts[verb](keys=[self._keys.prefix], args=arguments)

    def _tell(self, target: Any, kind: str, members: Mapping[str, Any]) -> None:
        fields = {"kind": kind, "body": json.dumps(members)}
        target.xadd(self._keys.events, fields, maxlen=EVENTS_MAX, approximate=True)

    def _all_pages(self, family: str) -> dict[str, Mapping[str, str]]:
        pages: dict[str, Mapping[str, str]] = {}
        pattern = family.replace("[", "\\[") + "*"
        for key in self._redis.scan_iter(match=pattern, count=1000):
            pages[key.decode()[len(family) :]] = {
                field.decode(): value.decode() for field, value in self._redis.hgetall(key).items()
            }
        return pages


def _strings(flat: Sequence[bytes]) -> dict[str, str]:
    return {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}


def _vector(flat: Sequence[bytes]) -> dict[str, int]:
    return {flat[i].decode(): int(flat[i + 1]) for i in range(0, len(flat), 2)}


def _digest(pages: Mapping[str, Mapping[str, str]]) -> str:
    content = sorted((page, sorted(fields.items())) for page, fields in pages.items() if fields)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _event(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    event: dict[str, Any] = {key.decode(): value.decode() for key, value in fields.items()}
    if "body" in event:
        return {"kind": event["kind"], **json.loads(event["body"])}
    event["changes"] = json.loads(event["changes"])
    return {**event, "rolled_back": int(event["rolled_back"]), "replayed": int(event["replayed"])}


def _event_order(identifier: str) -> tuple[int, int]:
    moment, _, number = identifier.partition("-")
    return int(moment), int(number)
