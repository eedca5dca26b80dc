"""The log of a minimal replica, and the rules for storing writes: sections 3.3, 6, 7 and 9 of docs/protocol.md.

A minimal replica plays no write, and so it has no pages. Anti-entropy needs only the writes and their order.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Collection, MutableMapping
from typing import Any

from replica.anti_entropy import a_e_pb2 as wire
from tests.conformance.minimal.writes import MEMBERSHIP, canonical, identifier, read, split

Vector = MutableMapping[str, int]


def held(vector: Vector, retired: Collection[str], server: str) -> float:
    """Return how far a vector covers the writes of a server, as a stamp (CompleteV). Infinity means that the server has
    retired and all its writes are covered. Minus infinity means that even the creation of the server is not covered."""
    if server in vector:
        return vector[server]
    stamp, colon, creator = server.partition(":")
    if colon:
        return math.inf if held(vector, retired, creator) >= int(stamp) else -math.inf
    return math.inf if server in retired else 0


def cover(vector: Vector, retired: set[str], write: dict[str, Any]) -> None:
    """Let a vector cover one more write. If the write creates a server, add the server to the vector. If the write
    retires a server, remove the server from the vector. If the id of the retired server has the form LABEL~NONCE, also
    add the id to `retired`."""
    stamp, origin = int(write["stamp"]), write["origin"]
    vector[origin] = stamp
    if write["app"] == MEMBERSHIP and write["op"] == "create":
        vector.setdefault(f"{write['stamp']}:{origin}", stamp)
    if write["app"] == MEMBERSHIP and write["op"] == "retire":
        del vector[origin]
        if ":" not in origin:
            retired.add(origin)


class Log:
    """The log of one replica, and what the replica knows of its cluster. After each change, the thread that has changed
    the log calls all `listeners`."""

    def __init__(self, server: str, label: str, cluster: str) -> None:
        self.server, self.label, self.cluster = server, label, cluster
        self.birth = ""
        self.has_met = False
        self.history: list[list[Any]] = []
        self.committed: list[str] = []  # ids in CSN order; the first one has CSN 1
        self.tentative: set[str] = set()
        self.bodies: dict[str, bytes] = {}
        self.vector: Vector = {}
        self.retired: set[str] = set()
        self.applications: set[str] = set()
        self.clock = 0  # the newest stamp
        self.lock = threading.RLock()
        self.listeners: list[Callable[[], None]] = []

    @property
    def last(self) -> str:
        return self.committed[-1] if self.committed else ""

    def held(self, server: str) -> float:
        return held(self.vector, self.retired, server)

    def meet(self, birth: str, applications: Collection[str]) -> None:
        """Store what the hello of a peer says: the birth of the cluster, and the applications of the peer's log."""
        self.applications |= set(applications)
        if birth and not self.birth:
            self.birth, self.history = birth, [[0, birth, 1]]
        self.has_met = self.has_met or bool(birth)

    def accept(self, clock_us: int, app: str, op: str, args: dict[str, Any], pages: list[str], request: str) -> str:
        """Add a new tentative write of this replica to the log, and return the id of the write."""
        with self.lock:
            stamp = max(clock_us, self.clock + 1)
            prev = self.vector.get(self.server, 0)
            write: dict[str, Any] = dict.fromkeys(("accepted_at", "check", "merge"), "")
            write |= {"stamp": f"{stamp:016d}", "prev": f"{prev:016d}", "origin": self.server, "app": app, "op": op}
            write |= {"args": args, "pages": pages, "user": "minimal", "request": request}
            self._enter(write, canonical(write))
            self.tentative.add(identifier(write))
        self._tell()
        return identifier(write)

    def take(self, batch: wire.Batch) -> tuple[str, str]:
        """Store the writes of a batch one after another, and stop at the first write that cannot be stored. Return (the
        problem, the id of that write), or two empty texts if all writes are stored."""
        with self.lock:
            before = len(self.bodies), len(self.committed)
            previous = batch.after_id
            result = "", ""
            for item in batch.items:
                problem = self._commit(item, previous, batch.history) if item.csn else self._arrive(item)
                if problem:
                    result = problem, item.id
                    break
                previous = item.id
            has_changed = before != (len(self.bodies), len(self.committed))
        if has_changed:
            self._tell()
        return result

    def _commit(self, item: wire.Item, previous: str, history: str) -> str:
        if item.csn <= len(self.committed):
            return "" if self.committed[item.csn - 1] == item.id else "diverged"
        if item.csn > len(self.committed) + 1:
            return "hole"
        if previous != self.last or not self._begins(json.loads(history)):
            return "diverged"
        if item.id in self.tentative:
            if item.body and item.body != self.bodies[item.id]:
                return "fork"
            self.tentative.remove(item.id)
        elif not item.body:
            return "unknown"
        elif problem := self._misfit(read(item.body)):
            return problem
        else:
            self._enter(read(item.body), item.body)
        self.committed.append(item.id)
        self._note_epoch(read(self.bodies[item.id]))
        return ""

    def _arrive(self, item: wire.Item) -> str:
        write = read(item.body)
        if int(write["stamp"]) <= self.held(write["origin"]):
            return ""
        if problem := self._misfit(write):
            return problem
        if self._opens_epoch(write):
            return "early_promotion"
        self._enter(write, item.body)
        self.tentative.add(item.id)
        return ""

    def _misfit(self, write: dict[str, Any]) -> str:
        previous, here = int(write["prev"]), self.held(write["origin"])
        return "hole" if previous > here else "fork" if previous < here else ""

    def _enter(self, write: dict[str, Any], body: bytes) -> None:
        self.bodies[identifier(write)] = body
        self.applications.add(write["app"])
        self.clock = max(self.clock, int(write["stamp"]))
        cover(self.vector, self.retired, write)

    def _begins(self, theirs: list[list[Any]]) -> bool:
        """Return whether the sender's log begins with the commits of this log. `theirs` is the sender's history."""
        count = len(self.history)
        is_prefix = [epoch[:3] for epoch in theirs[:count]] == [epoch[:3] for epoch in self.history]
        return is_prefix and (len(theirs) == count or theirs[count][2] > len(self.committed))

    def _opens_epoch(self, write: dict[str, Any]) -> bool:
        is_promotion = (write["app"], write["op"]) == (MEMBERSHIP, "primary") and "epoch" in write["args"]
        return is_promotion and write["args"]["epoch"] > (self.history[-1][0] if self.history else 0)

    def _note_epoch(self, write: dict[str, Any]) -> None:
        number = (self.history[-1][0] if self.history else 0) + 1
        args = write["args"]
        if self._opens_epoch(write) and args["epoch"] == number and args["to"] == write["origin"]:
            heals = [True] if args.get("heals") else []
            self.history.append([number, args["to"], len(self.committed), *heals])

    def missing(self, csn: int, vector: Vector, retired: Collection[str]) -> list[wire.Item]:
        """Return the writes that a replica with this CSN and this vector lacks: commits first, then tentative
        writes."""
        found = []
        for at, one in enumerate(self.committed[csn:], csn + 1):
            stamp, origin = split(one)
            body = b"" if stamp <= held(vector, retired, origin) else self.bodies[one]
            found.append(wire.Item(id=one, csn=at, body=body))
        for one in sorted(self.tentative):
            stamp, origin = split(one)
            if stamp > held(vector, retired, origin):
                found.append(wire.Item(id=one, body=self.bodies[one]))
        return found

    def _tell(self) -> None:
        for listener in list(self.listeners):
            listener()
