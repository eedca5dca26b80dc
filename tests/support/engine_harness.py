"""Shared by the tests of the engine: replicas in one private Redis, sessions in memory, and a clock.

One Redis serves all tests of a worker process. Each `Cluster` has labels of its own, and one of 16 databases. Nothing
here sleeps or reads the real clock.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from typing import Any

import redis

from bayou.anti_entropy import Session
from bayou.application import Accepted
from bayou.frames import Frame
from bayou.payloads import Selection
from bayou.state import Vector
from bayou.write import Draft
from storage.keys import Namespace
from storage.redis.sources import MemorySource
from storage.store import Store
from tests.support.toy import TAGS, TOY, Slot, draft, take
from tests.support.worker_redis import worker_redis

DATABASES = 16
FIRST_US = 1_796_112_000_000_000  # 2026-12-01 08:00 UTC


_numbers = itertools.count(1)


def memory_redis() -> redis.Redis:
    """A new fakeredis."""
    return MemorySource().client()


class Clock:
    """The wall clock of all replicas of a test."""

    def __init__(self) -> None:
        self.now_us = FIRST_US

    def tick(self, by_us: int = 1_000_000) -> int:
        """Move the clock, back if `by_us` is negative; returns the new time."""
        self.now_us += by_us
        return self.now_us


class Replica(Store):
    """A store with short forms for tests. It notes what it accepts, for invariant 10."""

    def __init__(self, client: redis.Redis, label: str, clock: Clock, commit_mode: str = "auto") -> None:
        super().__init__(client, label, [TOY], commit_mode=commit_mode)
        self.client, self.label, self.clock, self.commit_mode = client, label, clock, commit_mode
        self.prefix = Namespace(label).prefix
        self.accepted: dict[str, int] = {}  # write id -> the newest stamp held when it was accepted

    def take(self, request: str, *slots: Slot, user: str = "vish") -> Accepted:
        return self.put(take(request, *slots, user=user))

    def note(self, request: str, *pages: str) -> Accepted:
        return self.put(draft("note", request, pages))

    def put(self, wanted: Draft, by_us: int = 1000) -> Accepted:
        """Accept a draft, a millisecond after the last one."""
        newest = max(self.state().vector.values(), default=0)
        accepted = self.accept(wanted, self.clock.tick(by_us))
        if accepted.id:
            self.accepted[accepted.id] = newest
        return accepted

    def accept_only(self, request: str, *pages: str) -> Accepted:
        """As `note`, but in one transaction only."""
        return self.accept(draft("note", request, pages), self.clock.tick())

    def page(self, name: str) -> tuple[dict[str, str], dict[str, str]]:
        """(tentative, committed)"""
        views = self.read([name]).pages[name]
        return dict(views.tentative), dict(views.committed)

    def outcomes(self) -> dict[str, str]:
        """Request -> outcome, for the whole log."""
        return {entry.write.request: entry.outcome for entry in self.log(None, 100_000) or ()}

    def order(self) -> list[str]:
        """The requests in log order, with a `!` before committed ones."""
        return [("!" if entry.csn else "") + entry.write.request for entry in self.log(None, 100_000) or ()]

    def key(self, family: str, page: str = "") -> str:
        """A key of the namespace, by its name in storage/keys.py."""
        found: str = getattr(Namespace(self.label), family)
        return found + page

    def dump(self) -> dict[str, Any]:
        """Everything in the namespace, by key without the prefix."""
        return dump(self.client, self.prefix)

    def forget(self) -> None:
        keys = list(self.client.scan_iter(match=self.prefix + "*", count=10_000))
        if keys:
            self.client.delete(*keys)

    def items(self, after_csn: int = 0, vector: Vector | None = None) -> Selection:
        """Everything that a peer at this CSN and vector lacks."""
        return self.choose(after_csn, vector or {}, 100_000, 1 << 30)

    def choose(self, after_csn: int, vector: Vector, count_max: int, bytes_max: int) -> Selection:
        selection = self.select(after_csn, vector, (), count_max, bytes_max)
        assert selection is not None, "the log begins too late: a full state is needed"
        return selection


class Cluster:
    """Replicas in one Redis; the first one is the primary. With `met`, the others have met it already."""

    def __init__(
        self, count: int = 3, *, commit_mode: str = "auto", client: redis.Redis | None = None, met: bool = True
    ) -> None:
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
        replica = Replica(self.client, label, self.clock, commit_mode)
        replica.begin(server=f"{label}~aaaaaa", cluster=cluster, first_primary=name == "r0")
        return replica

    def __iter__(self) -> Any:
        return iter(self.replicas)

    def heal(self) -> None:
        """Sessions until all replicas hold everything."""
        primary, *others = self.replicas
        for _ in range(2):
            for other in others:
                meet(other, primary)


class Meeting:
    """A session of two replicas in memory. End 0 is the initiator; `wires[end]` has the frames in flight to an end."""

    def __init__(self, initiator: Any, responder: Any, tags: Sequence[str] = TAGS) -> None:
        self.ends = (Session(initiator, tags, initiator=True), Session(responder, tags, initiator=False))
        self.wires: tuple[deque[Frame], deque[Frame]] = (deque(), deque())
        self.delivered: list[tuple[int, Frame]] = []
        for end in (0, 1):
            self.wires[1 - end].extend(self.ends[end].start())

    @property
    def waiting(self) -> list[int]:
        """The ends that have a frame to read. An end that has finished reads no more."""
        return [end for end in (0, 1) if self.wires[end] and not self.ends[end].finished]

    def step(self, end: int | None = None, *, double: bool = False) -> bool:
        """Deliver one frame to `end`, or to the other end; with `double`, twice. False if no frame is in flight."""
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
        """Deliver frames until none is in flight, or `frames_max` of them, as if the link were cut then."""
        for number in range(frames_max):
            if not self.step(number % 2):
                break
        return self

    def frames(self, kind: type[Any], end: int | None = None) -> list[Any]:
        """The delivered frames of a kind, to both ends or to one."""
        return [frame for to, frame in self.delivered if isinstance(frame, kind) and end in {None, to}]


def meet(initiator: Any, responder: Any) -> Meeting:
    """Run a session to its end; it must succeed."""
    meeting = Meeting(initiator, responder).run()
    assert all(end.finished and end.report.error is None for end in meeting.ends), meeting.ends[0].report
    return meeting


def dump(client: Any, prefix: str) -> dict[str, Any]:
    """All keys with the prefix, and their contents, in an order that does not depend on Redis."""
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
    """Counts the commands that Redis runs during the block, also those of scripts."""

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
