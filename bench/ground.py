"""What the rows stand on: an embedded Redis as a replica has it, and replicas that hold reservations from the start.

A folder that was filled once is copied wherever the same is wanted again in a run.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis

from apps import APPLICATIONS
from bench.measure import say
from bench.workload import ROOMS, take, undisputed
from cluster.drivers.private_redis import private_redis
from cluster.local import write_configuration
from cluster.processes import Processes
from replica.clock import utc_now
from replica.config import load
from replica.membership.identity import Identity, mark
from storage.redis.connect import open_storage
from storage.store import Store

CLUSTER = "bench"
SETTINGS = {"cluster": CLUSTER, "rooms": ROOMS, "anti_entropy": {"interval_s": 0, "after_write": False}}
LOADER = "desk~aaaaaa"  # the server that all loaded writes come from


@dataclass
class Ground:
    """The folders of one run; all are gone at its end."""

    folder: Path
    _filled: dict[tuple[tuple[str, ...], str, int], Path] = field(default_factory=dict)
    _numbers: int = 0

    def new_folder(self) -> Path:
        self._numbers += 1
        path = self.folder / str(self._numbers)
        path.mkdir()
        return path

    @contextlib.contextmanager
    def redis(self) -> Iterator[redis.Redis]:
        """An empty Redis of its own, configured as a replica's, but that writes nothing to the disk."""
        with private_redis() as client:
            client.config_set("hash-max-ziplist-value", "512")
            client.config_set("lua-time-limit", "0")
            yield client

    @contextlib.contextmanager
    def replicas(self, held: Mapping[str, int], **settings: object) -> Iterator[Processes]:
        """Replicas that serve, the first of them the primary; each holds so many committed reservations."""
        folder, labels = self.new_folder(), tuple(held)
        processes = Processes(write_configuration(folder, labels, SETTINGS | settings))
        for label, count in held.items():
            if count:
                shutil.copytree(self._with(labels, label, count), folder / "data" / label)
        try:
            processes.start()
            processes.wait_until_serving()
            yield processes
        finally:
            processes.stop()

    def _with(self, labels: tuple[str, ...], label: str, count: int) -> Path:
        """A replica's data folder with so many committed reservations, written at the first time."""
        found = self._filled.get((labels, label, count))
        if found is None:
            say(f"  {count:,} reservations are loaded")
            found = self._filled[labels, label, count] = self._fill(labels, label, count)
        return found

    def _fill(self, labels: tuple[str, ...], label: str, count: int) -> Path:
        folder = self.new_folder()
        settings = load(write_configuration(folder, labels, SETTINGS))
        opened = open_storage("embedded", settings.data, label)
        store = Store(opened.client, label, APPLICATIONS)
        try:
            Identity(opened, settings, label, utc_now, say).settle(store)
            take(store, undisputed(count, LOADER))
        finally:
            opened.close(clean=True, mark=mark(store))
        return folder / "data" / label


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    with tempfile.TemporaryDirectory(prefix="bayou-bench-", ignore_cleanup_errors=True) as folder:
        yield Ground(Path(folder))


def open_store(client: redis.Redis, label: str, *, primary: bool) -> Store:
    """The store of a new replica: the primary commits what it receives, another one keeps it tentative."""
    store = Store(client, label, APPLICATIONS)
    store.begin(server=f"{label}~aaaaaa", cluster=CLUSTER, first_primary=primary)
    return store


def store_of(processes: Processes, label: str) -> tuple[Store, redis.Redis]:
    """The store of a replica that runs, reached beside it."""
    socket = processes.settings.data / label / "redis.sock"
    client = redis.Redis(unix_socket_path=str(socket), protocol=2)
    return Store(client, label, APPLICATIONS), client
