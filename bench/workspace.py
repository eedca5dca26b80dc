"""Prepares what the rows measure: a Redis with the settings that replicas use, and replicas that hold reservations.

Several rows may need replicas with the same contents. Then the workspace fills one data folder, and copies the folder
for each row.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import redis

from apps import APPLICATIONS
from bench.measure import report
from bench.workload import ROOMS, take, undisputed
from cluster.drivers.private_redis import private_redis
from cluster.local import write_configuration
from cluster.processes import Processes
from replica.clock import utc_now
from replica.config import load
from replica.membership.identity import Identity, mark
from storage import identity_file
from storage.redis.connect import open_storage
from storage.store import Store

Running = TypeVar("Running", bound=Processes)

CLUSTER = "bench"
SETTINGS = {"cluster": CLUSTER, "rooms": ROOMS, "anti_entropy": {"interval_s": 0, "after_write": False}}
LOADER = "desk~aaaaaa"  # the origin of all loaded writes


class WithLog(Processes):
    """Processes of replicas that send their log even to a peer that lacks very many commits. Each process runs
    bench/log_server.py instead of server.py."""

    def command(self, label: str) -> list[str]:
        python, _, *rest = super().command(label)
        return [python, "-m", "bench.log_server", *rest]


@dataclass
class Workspace:
    """The temporary folders of one run."""

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
        """Yield an empty private Redis with the settings that replicas use, but without a file on disk."""
        with private_redis() as client:
            client.config_set("hash-max-ziplist-value", "512")
            client.config_set("lua-time-limit", "0")
            yield client

    def replicas(self, held: Mapping[str, int], **settings: object) -> contextlib.AbstractContextManager[Processes]:
        """Yield running replicas. The first replica is the primary. `held` maps the label of each replica to the number
        of its committed reservations."""
        return self.replicas_of(Processes, held, settings)

    @contextlib.contextmanager
    def replicas_of(
        self, kind: type[Running], held: Mapping[str, int], settings: Mapping[str, object]
    ) -> Iterator[Running]:
        """Yield running replicas, as `replicas` does. `kind` is Processes or one of its subclasses."""
        folder, labels = self.new_folder(), tuple(held)
        processes = kind(write_configuration(folder, labels, SETTINGS | dict(settings)))
        for label, count in held.items():
            if count:
                _copy(self._with(labels, label, count), folder / "data" / label)
        try:
            processes.start()
            processes.wait_until_serving()
            yield processes
        finally:
            processes.stop()

    def _with(self, labels: tuple[str, ...], label: str, count: int) -> Path:
        """Return the data folder of a replica with `count` committed reservations. The first call fills the folder.
        Later calls return the same folder."""
        found = self._filled.get((labels, label, count))
        if found is None:
            report(f"  loading {count:,} reservations")
            found = self._filled[labels, label, count] = self._fill(labels, label, count)
        return found

    def _fill(self, labels: tuple[str, ...], label: str, count: int) -> Path:
        folder = self.new_folder()
        settings = load(write_configuration(folder, labels, SETTINGS))
        opened = open_storage("embedded", settings.data, label)
        store = Store(opened.client, label, APPLICATIONS)
        try:
            Identity(opened, settings, label, utc_now, report).resolve(store)
            take(store, undisputed(count, LOADER))
        finally:
            opened.close(clean=True, mark=mark(store))
        return folder / "data" / label


def _copy(filled: Path, folder: Path) -> None:
    """Copy the data folder of a replica. A replica that runs in the copy keeps the id.

    `place` in the identity file identifies a folder. With the `place` of the original folder, the replica would take a
    new id. So the identity file of the copy gets the `place` of the copy.
    """
    shutil.copytree(filled, folder)
    identity = identity_file.load(folder)
    assert identity is not None
    identity_file.save(folder, replace(identity, place=identity_file.renew_place(folder)))


@contextlib.contextmanager
def workspace() -> Iterator[Workspace]:
    """Yield a workspace in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="bayou-bench-", ignore_cleanup_errors=True) as folder:
        yield Workspace(Path(folder))


def open_store(client: redis.Redis, label: str, *, primary: bool) -> Store:
    """Open the store of a new replica. If `primary` is true, the replica commits the writes that it receives.
    Otherwise, the writes stay tentative."""
    store = Store(client, label, APPLICATIONS)
    store.begin(server=f"{label}~aaaaaa", cluster=CLUSTER, first_primary=primary)
    store.note_log_applications([application.tag for application in APPLICATIONS])  # as a new cluster does
    return store


def store_of(processes: Processes, label: str) -> tuple[Store, redis.Redis]:
    """Connect to the Redis of a running replica. Return the replica's store on this connection, and the connection."""
    socket = processes.settings.data / label / "redis.sock"
    client = redis.Redis(unix_socket_path=str(socket), protocol=2)
    return Store(client, label, APPLICATIONS), client
