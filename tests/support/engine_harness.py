"""Replicas in a private Redis, a clock, and anti-entropy sessions in memory, for tests of the engine.

All tests of a worker process share one Redis. Each `Cluster` has unique labels, and uses one of the 16 databases.
Nothing here sleeps. The replicas of a `Cluster` share one clock, which a test sets.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import redis

from bayou.anti_entropy import ProtocolError, Session
from bayou.application import Accepted
from bayou.arrivals import Arrivals
from bayou.frames import Frame
from bayou.payloads import Selection
from bayou.seals import Signing
from bayou.state import Vector
from bayou.window import PeerMemory
from bayou.write import Draft
from replica.clock import microseconds, utc_now
from storage.full_state import KEEP, Keep
from storage.keys import Namespace
from storage.redis.sources import MemorySource
from storage.store import Store
from tests.support.signing import signing_of
from tests.support.toy import RULES, TOY, Slot, draft, take
from tests.support.worker_redis import worker_redis

DATABASES = 16
FIRST_US = 1_796_112_000_000_000  # 2026-12-01 08:00 UTC


_numbers = itertools.count(1)


def memory_redis() -> redis.Redis:
    """Return a client of a new, empty fakeredis."""
    return MemorySource().client()


class Clock:
    """A wall clock that a test sets; all replicas of the test share it."""

    def __init__(self) -> None:
        self.now_us = FIRST_US

    def tick(self, by_us: int = 1_000_000) -> int:
        """Move the clock by `by_us` microseconds (back if negative), and return the new time."""
        self.now_us += by_us
        return self.now_us


class Replica(Store):
    """A store with shortcuts for tests. For each accepted write, `put` records the newest stamp that the store had
    before. The stamp of the write must be greater (invariant 10)."""

    def __init__(
        self, client: redis.Redis, label: str, clock: Clock, commit_mode: str = "auto", keep: Keep = KEEP
    ) -> None:
        super().__init__(client, label, [TOY], commit_mode=commit_mode, keep=keep)
        self.client, self.clock, self.commit_mode = client, clock, commit_mode
        self.signing: Signing | None = None  # set in a cluster with TLS
        self.prefix = Namespace(label).prefix
        self.accepted: dict[str, int] = {}  # write id -> newest stamp in the log just before

    def take(self, request: str, *slots: Slot, user: str = "vish") -> Accepted:
        """Accept a write that takes the first free slot of `slots`."""
        return self.put(take(request, *slots, user=user))

    def note(self, request: str, *pages: str) -> Accepted:
        """Accept a write that appends a note to each of these pages."""
        return self.put(draft("note", request, pages))

    def put(self, wanted: Draft, by_us: int = 1000) -> Accepted:
        """Accept a draft after moving the clock by `by_us` microseconds."""
        newest = max(self.state().vector.values(), default=0)
        accepted = self.accept(wanted, self.clock.tick(by_us))
        if accepted.id:
            self.accepted[accepted.id] = newest
        return accepted

    def accept_only(self, request: str, *pages: str) -> Accepted:
        """Accept a note, like the method `note`, but do not read the state of the store before."""
        return self.accept(draft("note", request, pages), self.clock.tick())

    def page(self, name: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return the tentative and the committed view of a page."""
        views = self.read([name]).pages[name]
        return dict(views.tentative), dict(views.committed)

    def outcomes(self) -> dict[str, str]:
        """Return the outcome of each request in the log."""
        return {entry.write.request: entry.outcome for entry in self.log(None, 100_000) or ()}

    def order(self) -> list[str]:
        """Return the request ids in the order of the log, with `!` before the id of each committed write."""
        return [("!" if entry.csn else "") + entry.write.request for entry in self.log(None, 100_000) or ()]

    def key(self, family: str, page: str = "") -> str:
        """Return a Redis key of this replica. `family` is an attribute of Namespace. `page` ends the key."""
        found: str = getattr(Namespace(self.label), family)
        return found + page

    def dump(self) -> dict[str, Any]:
        """Return the content of all keys of this replica, by key without the prefix."""
        return dump(self.client, self.prefix)

    def forget(self) -> None:
        """Delete all keys of this replica."""
        keys = list(self.client.scan_iter(match=self.prefix + "*", count=10_000))
        if keys:
            self.client.delete(*keys)

    def items(self, after_csn: int = 0, vector: Vector | None = None) -> Selection:
        """Return all writes that a peer lacks. The peer has the CSN `after_csn` and this vector."""
        return self.select_or_fail(after_csn, vector or {}, 100_000, 1 << 30)

    def select_or_fail(self, after_csn: int, vector: Vector, count_max: int, bytes_max: int) -> Selection:
        """Return the writes that a peer lacks, within these limits; fail if the peer needs a full state."""
        selection = self.select(after_csn, vector, (), count_max, bytes_max)
        assert selection is not None, "the log was truncated: the peer needs a full state"
        return selection


class Cluster:
    """Replicas in one Redis. The first replica is the primary.

    If `met` is true, every other replica has met the primary once. If `signed` is true, commits are signed, as with
    TLS. `keep` says which commits a full state includes.
    """

    def __init__(
        self,
        count: int = 3,
        *,
        commit_mode: str = "auto",
        client: redis.Redis | None = None,
        met: bool = True,
        signed: bool = False,
        keep: Keep = KEEP,
    ) -> None:
        self.signed, self.keep = signed, keep
        self.clock = Clock()
        self.number = next(_numbers)
        self.client = client or worker_redis(self.number % DATABASES)
        self.client.flushdb()
        self.replicas = [self.add(f"r{number}", commit_mode) for number in range(count)]
        if met:
            for replica in self.replicas[1:]:
                meet(replica, self.replicas[0])

    def add(self, name: str, commit_mode: str = "auto", cluster: str = "test") -> Replica:
        label = f"{name}-{self.number}"
        replica = Replica(self.client, label, self.clock, commit_mode, self.keep)
        replica.signing = signing_of(label) if self.signed else None
        replica.begin(server=f"{label}~aaaaaa", cluster=cluster, first_primary=name == "r0")
        return replica

    def __iter__(self) -> Any:
        return iter(self.replicas)

    def heal(self) -> None:
        """Run sessions with the primary until every replica holds every write."""
        primary, *others = self.replicas
        for _ in range(2):
            for other in others:
                meet(other, primary)


class Meeting:
    """An anti-entropy session in memory.

    `ends` are the two sides of the session. Side 0 is the initiator, and side 1 is the responder. `wires[end]` is the
    queue of frames that were sent to this side.
    """

    def __init__(
        self,
        initiator: Any,
        responder: Any,
        rules: Mapping[str, str] = RULES,
        rules_there: Mapping[str, str] | None = None,
        arrivals: tuple[Arrivals | None, Arrivals | None] = (None, None),
        memory: PeerMemory | None = None,
    ) -> None:
        self.ends = (
            session_of(initiator, rules, initiator=True, arrivals=arrivals[0]),
            session_of(responder, rules_there or rules, initiator=False, arrivals=arrivals[1], memory=memory),
        )
        self.wires: tuple[deque[Frame], deque[Frame]] = (deque(), deque())
        self.delivered: list[tuple[int, Frame]] = []
        for end in (0, 1):
            self.wires[1 - end].extend(self.ends[end].start())

    @property
    def waiting(self) -> list[int]:
        """Return the sides (0, 1) that are not finished and have an undelivered frame."""
        return [end for end in (0, 1) if self.wires[end] and not self.ends[end].finished]

    def step(self, end: int | None = None, *, double: bool = False) -> bool:
        """Deliver the next frame to the side `end`. If there is no frame for this side, deliver the next frame
        to the other side.

        If `double` is true, deliver the frame twice. Return False if there is no frame to deliver.
        """
        waiting = self.waiting
        if not waiting:
            return False
        end = end if end in waiting else waiting[0]
        frame = self.wires[end].popleft()
        for _ in range(2 if double else 1):
            if not self.ends[end].finished:
                self.delivered.append((end, frame))
                self.wires[1 - end].extend(self.ends[end].receive(frame))
        return True

    def run(self, frames_max: int = 100_000) -> Meeting:
        """Deliver frames until no frame is left. Stop after `frames_max` frames, as if the link were cut."""
        for number in range(frames_max):
            if not self.step(number % 2):
                break
        return self

    def frames(self, kind: type[Any], end: int | None = None) -> list[Any]:
        """Return the frames of this type that were delivered to the side `end`, or to both sides if `end` is None."""
        return [frame for to, frame in self.delivered if isinstance(frame, kind) and end in {None, to}]


def clock_of(store: Any) -> Callable[[], int]:
    """Return the clock that the test sets, if the store is a `Replica`. Otherwise return the clock of this machine."""
    return (lambda: store.clock.now_us) if isinstance(store, Replica) else lambda: microseconds(utc_now())


def session_of(
    store: Any,
    rules: Mapping[str, str],
    *,
    initiator: bool,
    arrivals: Arrivals | None = None,
    memory: PeerMemory | None = None,
) -> Session:
    """Return one side of a new session."""
    return Session(
        store,
        rules,
        initiator=initiator,
        clock_us=clock_of(store),
        now_s=lambda: clock_of(store)() / 1e6,
        signing=store.signing if isinstance(store, Replica) else None,
        arrivals=arrivals,
        memory=memory,
    )


def fed(here: Replica, sent: Iterable[Frame], *, initiator: bool) -> Session:
    """Give these frames to a new session until the session is finished, and return the session.

    If a frame raises ProtocolError, the session refuses, as in a real replica (replica/anti_entropy/conversation.py).
    """
    session = session_of(here, RULES, initiator=initiator)
    session.start()
    for frame in sent:
        if session.finished:
            break
        try:
            session.receive(frame)
        except ProtocolError as error:
            session.refuse("protocol", str(error))
    return session


def meet(initiator: Any, responder: Any) -> Meeting:
    """Run a whole session, and assert that both sides finish without an error."""
    meeting = Meeting(initiator, responder).run()
    assert all(end.finished and end.report.error is None for end in meeting.ends), meeting.ends[0].report
    return meeting


def dump(client: Any, prefix: str) -> dict[str, Any]:
    """Return the content of all keys with a prefix, sorted, so that two dumps of equal data are equal."""
    keys = sorted(client.scan_iter(match=prefix + "*", count=10_000))
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.type(key)
    readers = {
        b"string": pipeline.get,
        b"hash": pipeline.hgetall,
        b"set": pipeline.smembers,
        b"zset": lambda key: pipeline.zrange(key, 0, -1, withscores=True),
        b"stream": pipeline.xrange,
    }
    for key, kind in zip(keys, pipeline.execute(), strict=True):
        readers[kind](key)
    return {key.decode()[len(prefix) :]: found for key, found in zip(keys, pipeline.execute(), strict=True)}


class Commands:
    """A context manager that counts the commands that Redis runs, including commands inside Lua scripts."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.by_name: dict[str, int] = {}

    def __enter__(self) -> Commands:
        self._client.config_resetstat()
        return self

    def __exit__(self, *_: object) -> None:
        stats = self._client.info("commandstats")
        own = ("cmdstat_config", "cmdstat_info", "cmdstat_evalsha", "cmdstat_script")
        self.by_name = {name[8:]: figures["calls"] for name, figures in stats.items() if not name.startswith(own)}

    @property
    def total(self) -> int:
        return sum(self.by_name.values())
