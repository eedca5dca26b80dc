"""The faults of a chaos run: kill, freeze or damage a replica at a random moment, and wait until the replica answers
again.

One thread per replica injects the faults. A torn log is an append-only file that was cut at a random byte. The log of
the primary is never torn, because the cluster would then have no primary. A log is torn only while all other replicas
run. So the test can ask them exactly which writes they do not hold.
"""

from __future__ import annotations

import contextlib
import random
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import requests

from cluster.processes import NotServing
from cluster.waiting import Stopped, TooLong
from storage.redis.binary import find_binary
from tests.chaos.audit import records_of
from tests.chaos.books import INSERT, Acknowledged, Books
from tests.chaos.replicas import Replicas
from tests.support.storage_harness import newest

PAUSE_S_MAX = 1.5
TORN_BYTES = 4096
FREEZE_S = (3.5, 6.0)  # longer than a client waits for an answer
FREEZE_REDIS_S = (10.5, 12.0)  # longer than a replica waits for its Redis
ROOM_BYTES = (1, 20_000)  # free space on a disk that fills up
FULL_S = (0.5, 3.0)  # how long the disk stays full
START_KILLED_SHARE = 0.25  # share of starts that are killed before they finish
STARTS_MAX = 5


class FaultGate:
    """Lets several faults run at the same time, or one fault alone."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._many = 0
        self._one = False

    @contextlib.contextmanager
    def among_others(self) -> Iterator[None]:
        """Run the block while other faults may run too. If a fault runs alone, first wait until this fault has
        ended."""
        with self._change:
            self._change.wait_for(lambda: not self._one)
            self._many += 1
        try:
            yield
        finally:
            with self._change:
                self._many -= 1
                self._change.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Run the block while no other fault may run. First wait until all other faults have ended."""
        with self._change:
            self._change.wait_for(lambda: not self._one)
            self._one = True
            self._change.wait_for(lambda: not self._many)
        try:
            yield
        finally:
            with self._change:
                self._one = False
                self._change.notify_all()


class FaultInjector:
    """A thread that injects faults into one replica, until `stopping` is set or the run has had `kills_max` kills."""

    def __init__(
        self,
        label: str,
        replicas: Replicas,
        books: Books,
        gate: FaultGate,
        stopping: threading.Event,
        kills_max: int,
        seed: str,
    ) -> None:
        self._label = label
        self._replicas = replicas
        self._books = books
        self._gate = gate
        self._stopping = stopping
        self._kills_max = kills_max
        self._chance = random.Random(f"{seed}/faults of {label}")
        self.thread = threading.Thread(target=self._run, name=f"faults of {label}", daemon=True)

    def _run(self) -> None:
        kinds: list[tuple[Callable[[], None], int]] = [
            (self.server, 5),
            (self.redis, 5),
            (self.both, 4),
            (self.torn, 5),
            (self.full_disk, 3),
            (self.frozen_server, 1),
            (self.frozen_redis, 1),
            (self.truncated, 1),
            (self.power_cut, 1),
        ]
        if self._label == self._replicas.labels[0]:
            kinds = [(kind, weight) for kind, weight in kinds if kind != self.torn]
        try:
            while not self._stopping.wait(self._chance.uniform(0, PAUSE_S_MAX)):
                (kind,) = self._chance.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])
                alone = kind in {self.torn, self.power_cut}
                with self._gate.alone() if alone else self._gate.among_others():
                    if self._stopping.is_set() or self._books.kills.total() >= self._kills_max:
                        return
                    kind()
        except Stopped:
            return
        except (NotServing, TooLong, OSError, subprocess.SubprocessError) as problem:
            self._books.note_unexpected(f"{self._label}: {problem}\n{self._replicas.output(self._label)}")

    def server(self) -> None:
        """Kill the server with SIGKILL. Its Redis keeps running, and the restarted server adopts that Redis."""
        self._books.kill("server")
        self._replicas.kill_server(self._label)
        self._start()

    def redis(self) -> None:
        """Kill the Redis with SIGKILL; the server restarts it."""
        self._books.kill("redis")
        self._replicas.kill_redis(self._label)
        self._await()

    def both(self) -> None:
        """Kill the server and its Redis, and start the replica again."""
        self._books.kill("both")
        self._kill_both()
        self._start()

    def torn(self) -> None:
        """Kill the server and its Redis, cut the append-only file at a random byte, and start the replica again.

        Operations that none of the other replicas holds are recorded as destroyed.
        """
        self._books.kill("torn log")
        self._kill_both()
        self._replicas.network.drop(self._label)
        file = newest(self._replicas.folder(self._label))
        self._books.destroyed |= self._held_by_nobody_else()
        _tear(file, self._chance)
        self._start()

    def full_disk(self) -> None:
        """For a while, let Redis write only a few more bytes.

        If the replica has its own disk, that disk is filled. Otherwise the size of the files of Redis is limited.
        """
        if self._replicas.disks.real:
            folder = self._replicas.folder(self._label)
            self._books.kill("disk full")
            self._replicas.disks.full(folder, self._chance.randint(*ROOM_BYTES))
            self._stopping.wait(self._chance.uniform(*FULL_S))
            self._replicas.disks.roomy(folder)
            self._await()
        else:
            self._limited_file()

    def _limited_file(self) -> None:
        """For a while, limit the size of the files that Redis may write. The limit acts like a full disk."""
        pid = self._replicas.redis_pid(self._label)
        file = newest(self._replicas.folder(self._label))
        if pid is None or not file.exists():
            return
        room = file.stat().st_size + self._chance.randint(*ROOM_BYTES)
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
            self._books.kill("disk full")
            deadline = time.monotonic() + FULL_S[1]
            while self._replicas.redis_pid(self._label) == pid and time.monotonic() < deadline:
                self._stopping.wait(0.02)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self._await()

    def power_cut(self) -> None:
        """Kill all replicas at once, and start them again.

        No acknowledged write is lost, because a replica syncs a write to disk before it acknowledges the write.
        """
        labels = self._replicas.labels
        for label in labels:
            self._books.kill("power cut")
            self._replicas.kill_server(label)
        for label in labels:
            self._replicas.kill_redis(label)
        began = time.monotonic()
        for label in labels:
            self._replicas.start(label)
        for label in labels:
            self._replicas.await_serving(label)
        self._books.recovered(time.monotonic() - began)

    def frozen_server(self) -> None:
        self._freeze("server", self._replicas.signal_server, FREEZE_S)

    def frozen_redis(self) -> None:
        self._freeze("redis", self._replicas.signal_redis, FREEZE_REDIS_S)

    def truncated(self) -> None:
        """Truncate the log of the replica. A peer that lacks the dropped writes then needs the replica's full state."""
        with contextlib.suppress(requests.RequestException):
            self._replicas.post(self._label, "/replica/truncate", {"keep": self._chance.randint(0, 50)})

    def _freeze(self, what: str, send: Callable[[str, signal.Signals], None], lasts_s: tuple[float, float]) -> None:
        self._books.freezes[what] += 1
        send(self._label, signal.SIGSTOP)
        try:
            self._stopping.wait(self._chance.uniform(*lasts_s))
        finally:
            send(self._label, signal.SIGCONT)
        self._await()

    def _kill_both(self) -> None:
        steps = [self._replicas.kill_server, self._replicas.kill_redis]
        self._chance.shuffle(steps)
        for step in steps:
            step(self._label)
        self._replicas.kill_redis(self._label)  # the server may have restarted it just before it was killed

    def _start(self) -> None:
        began = time.monotonic()
        for _ in range(STARTS_MAX):
            self._replicas.start(self._label)
            if self._chance.random() > START_KILLED_SHARE:
                break
            self._stopping.wait(self._chance.uniform(0.2, 1.5))
            self._books.kill("starting server")
            self._replicas.kill_server(self._label)
        else:
            self._replicas.start(self._label)
        self._replicas.await_serving(self._label)
        self._books.recovered(time.monotonic() - began)

    def _await(self) -> None:
        began = time.monotonic()
        self._replicas.await_answer(self._label)
        self._books.recovered(time.monotonic() - began)

    def _held_by_nobody_else(self) -> set[str]:
        """Return the identifiers of the acknowledged operations that none of the other replicas holds.

        All other replicas must be running, because they are asked.
        """
        others = [label for label in self._replicas.labels if label != self._label]
        vectors = {label: self._vector(label) for label in others}

        def holds(label: str, entry: Acknowledged) -> bool:
            if entry.origin is not None:
                return vectors[label].get(entry.origin, 0) >= entry.stamp
            if entry.op == INSERT:
                return entry.identifier in records_of(self._replicas, label, [entry.identifier.partition("/")[0]])
            answer = requests.get(f"{self._replicas.rest[label]}/reservations/{entry.identifier}", timeout=10)
            return answer.status_code == 200

        return {entry.identifier for entry in self._books.entries() if not any(holds(label, entry) for label in others)}

    def _vector(self, label: str) -> dict[str, int]:
        self._replicas.await_answer(label)
        found = self._replicas.look(label)
        return {server: int(stamp) for server, stamp in (found or {"vectors": {"V": {}}})["vectors"]["V"].items()}


def _tear(file: Path, chance: random.Random) -> None:
    """Cut the append-only file at a random byte near its end, but never between two commands.

    After a cut between two commands, the file looks like an older backup. A replica cannot detect an older backup, so
    an operator must start the replica with --restored.
    """
    size = file.stat().st_size
    if size < 2:
        return
    cut = size - chance.randint(1, min(TORN_BYTES, size - 1))
    with file.open("rb+") as opened:
        opened.truncate(cut)
    check = subprocess.run(
        ["redis-check-aof", str(file)], executable=find_binary().path, capture_output=True, check=False, timeout=30
    )
    if check.returncode == 0 and cut > 1:
        with file.open("rb+") as opened:
            opened.truncate(cut - 1)
