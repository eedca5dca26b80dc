"""The replicas of a chaos run: real server processes on an unreliable network. Each replica has its own Redis.

If the machine allows network namespaces, each replica runs with its Redis in its own namespace
(tests/chaos/namespaces.py).

Every replica has its own configuration file. In this file, the address of each peer is the address of a proxy to that
peer (tests/chaos/network.py). The faults are in tests/chaos/faults.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import requests
import yaml

from cluster.local import ROOMS
from cluster.processes import Processes
from cluster.waiting import Stopped, wait_until
from replica.config import read_address
from replica.free_addresses import free_addresses
from tests.chaos.disks import Disks, disks
from tests.chaos.namespaces import Namespaces
from tests.chaos.network import Network

ANTI_ENTROPY = {"interval_s": 1, "debounce_ms": 5}
SERVING_S_MAX = 90.0
LOOK_TIMEOUT_S = 5.0
USER = {"Bayou-User": "chaos"}
REST_PORT, ANTI_ENTROPY_PORT = 8000, 9000  # in a namespace


class ProcessesInNamespace(Processes):
    """The processes of replicas. Each replica runs in its own network namespace, or in the host's network if
    `namespaces` is None."""

    def __init__(self, configuration: Path, namespaces: Namespaces | None) -> None:
        super().__init__(configuration)
        self._namespaces = namespaces

    def command(self, label: str) -> list[str]:
        command = super().command(label)
        return [*self._namespaces.command(label), *command] if self._namespaces else command


class Replicas:
    """The processes of all replicas. Only one thread at a time may start or kill the processes of a replica."""

    def __init__(self, processes: dict[str, Processes], network: Network, rest: dict[str, str], present: Disks) -> None:
        self.labels = list(processes)
        self.network = network
        self.disks = present
        self.rest = rest
        self._processes = processes
        self._starting = threading.Lock()
        self._stopped = False

    def start(self, label: str) -> None:
        """Start a replica. Raise Stopped if the run has ended, for example because the user has interrupted the run."""
        with self._starting:
            if self._stopped:
                raise Stopped
            self._processes[label].start(label)

    def await_serving(self, label: str) -> None:
        """Wait until a started replica answers; raise NotServing if its process has ended."""
        self._processes[label].wait_until_serving(label)

    def await_answer(self, label: str) -> None:
        """Wait until a replica answers again after a fault. The fault must not have ended the replica's process."""
        wait_until(lambda: self.look(label) is not None, SERVING_S_MAX, f"{label} serves again")

    def kill_server(self, label: str) -> None:
        self._processes[label].kill(label)

    def kill_redis(self, label: str) -> None:
        """Kill the Redis of a replica, if this Redis runs."""
        self.signal_redis(label, signal.SIGKILL)

    def signal_server(self, label: str, number: signal.Signals) -> None:
        os.kill(self._processes[label].pid(label), number)

    def signal_redis(self, label: str, number: signal.Signals) -> None:
        """Send a signal to the Redis of a replica, if this Redis runs."""
        pid = self.redis_pid(label)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def redis_pid(self, label: str) -> int | None:
        """Return the process id of the Redis of a replica, or None if this Redis does not run."""
        try:
            pid = int(json.loads((self.folder(label) / "redis.pid").read_text(encoding="utf-8"))["pid"])
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            own = Path(f"/proc/{pid}/cwd").readlink() == self.folder(label)
        except (OSError, ValueError, KeyError):
            return None
        return pid if own and b"-server" in line else None

    def folder(self, label: str) -> Path:
        return self._processes[label].settings.data / label

    def output(self, label: str) -> str:
        return self._processes[label].output(label)

    def look(self, label: str) -> Any:
        """Return the answer to GET /replica, or None if the replica does not answer."""
        try:
            return self.get(label, "/replica")
        except requests.RequestException:
            return None

    def get(self, label: str, path: str, **query: str) -> Any:
        answer = requests.get(self.rest[label] + path, params=query, timeout=LOOK_TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()

    def post(self, label: str, path: str, body: dict[str, Any], timeout_s: float = LOOK_TIMEOUT_S) -> requests.Response:
        return requests.post(self.rest[label] + path, json=body, headers=USER, timeout=timeout_s)

    def stop(self) -> None:
        """Resume frozen processes, and stop all replicas. No replica starts after that."""
        with self._starting:
            self._stopped = True
        for label, processes in self._processes.items():
            with contextlib.suppress(ProcessLookupError, KeyError):
                self.signal_server(label, signal.SIGCONT)
            self.signal_redis(label, signal.SIGCONT)
            processes.stop(label)


@contextlib.contextmanager
def chaotic(folder: Path, labels: Sequence[str], seed: str, namespaces: Namespaces | None) -> Iterator[Replicas]:
    """Start replicas on a network without faults, and stop all of them at the end. The first label is the primary."""
    addresses = _addresses(labels, namespaces)
    targets = {label: read_address(found["anti_entropy"]) for label, found in addresses.items()}
    with (
        disks([folder.resolve() / "data" / label for label in labels]) as present,
        Network({label: (target.host, target.port) for label, target in targets.items()}, seed, namespaces) as network,
    ):
        processes: dict[str, Processes] = {
            label: ProcessesInNamespace(_configure(folder, label, addresses, network), namespaces) for label in labels
        }
        rest = {label: f"http://{addresses[label]['rest']}" for label in labels}
        replicas = Replicas(processes, network, rest, present)
        try:
            for label in labels:
                replicas.start(label)
            for label in labels:
                replicas.await_serving(label)
            yield replicas
        finally:
            replicas.stop()


def _addresses(labels: Sequence[str], namespaces: Namespaces | None) -> dict[str, dict[str, str]]:
    if namespaces is None:
        free = free_addresses(2 * len(labels))
        return {label: {"rest": next(free), "anti_entropy": next(free)} for label in labels}
    hosts = {label: namespaces.address(label) for label in labels}
    return {
        label: {"rest": f"{host}:{REST_PORT}", "anti_entropy": f"{host}:{ANTI_ENTROPY_PORT}"}
        for label, host in hosts.items()
    }


def _configure(folder: Path, own: str, addresses: dict[str, dict[str, str]], network: Network) -> Path:
    replicas = {
        label: found if label == own else {**found, "anti_entropy": network.address(own, label)}
        for label, found in addresses.items()
    }
    path = folder / f"{own}.yaml"
    whole = {
        "cluster": "chaos",
        "primary": next(iter(addresses)),
        "data": str(folder.resolve() / "data"),
        "rooms": ROOMS,
        "replicas": replicas,
        "anti_entropy": ANTI_ENTROPY,
    }
    path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    return path
