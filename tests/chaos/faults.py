"""What is done to a replica, at a random moment, and how it comes back. One thread a replica does it to that one.

The primary is done everything but the tearing of its log, which would cost the cluster its primary for good. Tearing
is done while all others serve, so that it can be told exactly what nobody else holds.
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
from cluster.waiting import TooLong
from storage.redis.binary import find_binary
from tests.chaos.books import Acknowledged, Books
from tests.chaos.replicas import Replicas
from tests.support.storage_harness import newest

PAUSE_S_MAX = 1.5
TORN_BYTES = 4096
FREEZE_S = (3.5, 6.0)  # longer than a client waits
FREEZE_REDIS_S = (10.5, 12.0)  # longer than a replica waits for its Redis
ROOM_BYTES = (1, 20_000)  # what is left on a disk that fills up
FULL_S = (0.5, 3.0)  # then it gets its room back
START_KILLED_SHARE = 0.25  # of starts: killed once more before they are done
STARTS_MAX = 5


class OneOrMany:
    """Faults go on side by side, but for one that wants to be alone."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._many = 0
        self._one = False

    @contextlib.contextmanager
    def among_others(self) -> Iterator[None]:
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


class Tormentor:
    """Does things to one replica until `stopping` is set or so many kills are done; then sees that it serves."""

    def __init__(
        self,
        label: str,
        replicas: Replicas,
        books: Books,
        turn: OneOrMany,
        stopping: threading.Event,
        kills_max: int,
        seed: str,
    ) -> None:
        self._label = label
        self._replicas = replicas
        self._books = books
        self._turn = turn
        self._stopping = stopping
        self._kills_max = kills_max
        self._chance = random.Random(f"{seed}/fate of {label}")
        self.thread = threading.Thread(target=self._run, name=f"fate of {label}", daemon=True)

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
                with self._turn.alone() if alone else self._turn.among_others():
                    if self._stopping.is_set() or self._books.kills.total() >= self._kills_max:
                        return
                    kind()
        except (NotServing, TooLong, OSError, subprocess.SubprocessError) as problem:
            self._books.surprise(f"{self._label}: {problem}\n{self._replicas.output(self._label)}")

    def server(self) -> None:
        """kill -9; its Redis lives on, and the next start adopts it."""
        self._books.kill("server")
        self._replicas.kill_server(self._label)
        self._start()

    def redis(self) -> None:
        """kill -9 of the redis-server; the replica brings it back."""
        self._books.kill("redis")
        self._replicas.kill_redis(self._label)
        self._await()

    def both(self) -> None:
        self._books.kill("both")
        self._kill_both()
        self._start()

    def torn(self) -> None:
        """Both are killed, and the log loses its end at a random byte: what it alone held is destroyed."""
        self._books.kill("torn log")
        self._kill_both()
        self._replicas.network.drop(self._label)
        file = newest(self._replicas.folder(self._label))
        self._books.destroyed |= self._held_by_nobody_else()
        _tear(file, self._chance)
        self._start()

    def full_disk(self) -> None:
        """Redis may write so many more bytes and no further; whatever ends it, it comes back with room.

        Where there are disks for that, nobody else can write there, either; else a limit of Redis' files stands for it.
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
        """All of them at once; each has synced what it acknowledged."""
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
        """It drops its log, so that whoever is far behind gets its full state."""
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
        self._replicas.kill_redis(self._label)  # the server may just have brought it back

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
        """The acknowledged reservations whose writes no other replica holds now; all others serve."""
        others = [label for label in self._replicas.labels if label != self._label]
        vectors = {label: self._vector(label) for label in others}

        def holds(label: str, entry: Acknowledged) -> bool:
            if entry.origin is not None:
                return vectors[label].get(entry.origin, 0) >= entry.stamp
            answer = requests.get(f"{self._replicas.rest[label]}/reservations/{entry.identifier}", timeout=10)
            return answer.status_code == 200

        return {entry.identifier for entry in self._books.entries() if not any(holds(label, entry) for label in others)}

    def _vector(self, label: str) -> dict[str, int]:
        self._replicas.await_answer(label)
        found = self._replicas.look(label)
        return {server: int(stamp) for server, stamp in (found or {"vectors": {"V": {}}})["vectors"]["V"].items()}


def _tear(file: Path, chance: random.Random) -> None:
    """Cut the file at a random byte of its end, but not between two steps.

    That would be an older copy, and nothing would tell: a replica over such a one has to be started with --restored.
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
