"""A replica as a process with embedded Redis: how it starts, refuses to start, stops and restarts."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from cluster.processes import NotServing, Processes
from replica.free_addresses import free_addresses
from tests.support.forked import ForkedProcesses
from tests.support.live import live, write_configuration
from tests.support.storage_harness import empty
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent
VISH = {"Bayou-User": "vish"}


class OneReplica:
    """A replica with its own folder, its own configuration and free ports. Each start is a new Python process, which
    loads the code again."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.yaml"
        rest, peers = free_addresses(2)
        self.url = f"http://{rest}"
        self.config.write_text(
            f"cluster: c\nprimary: one\nrooms: ['6.12']\nreplicas: {{one: {{rest: {rest}, anti_entropy: {peers}}}}}\n"
        )

    @contextmanager
    def running(self, stop_with: signal.Signals = signal.SIGTERM) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "server.py", "one", "--config", str(self.config)],
            cwd=ROOT,
            env={**os.environ, "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            wait_until(lambda: process.poll() is not None or self.answers())
            assert process.poll() is None, process.communicate()
            yield process
        finally:
            process.send_signal(stop_with)
            self.output, self.errors = process.communicate(timeout=30)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/replica", timeout=5).ok
        except requests.ConnectionError:
            return False


@pytest.fixture
def replica(tmp_path: Path) -> OneReplica:
    return OneReplica(tmp_path)


def test_a_replica_starts_serves_stops_and_keeps_its_id(replica: OneReplica) -> None:
    slot = {"start": "2026-12-01T09:00:00+00:00", "end": "2026-12-01T10:00:00+00:00"}
    body = {"room": "6.12", "slots": [slot], "purpose": "x", "merge": "give_up", "request": "r1"}
    with replica.running() as process:
        identity = requests.get(f"{replica.url}/replica", timeout=20).json()["id"]
        answer = requests.post(f"{replica.url}/reservations", json=body, headers=VISH, timeout=20)
        assert (answer.status_code, answer.json()["state"]) == (201, "committed")
        stream = requests.get(f"{replica.url}/events?after=0-0", stream=True, timeout=20)
        names = (line for line in stream.iter_lines(chunk_size=1) if line.startswith(b"event:"))
        assert [next(names), next(names)] == [b"event: accepted", b"event: committed"]
    assert process.returncode == 0
    assert replica.errors == ""
    assert f"id            {identity}" in replica.output
    assert "primary       this replica" in replica.output
    assert "one  accepted ✓ #1 vish 6.12 2026-12-01 09:00–10:00" in replica.output
    birth = json.loads((replica.config.parent / "data" / "one" / "identity.json").read_text())
    assert (birth["id"], birth["clean"]) == (identity, True)

    with replica.running(signal.SIGHUP) as process:
        assert requests.get(f"{replica.url}/replica", timeout=20).json()["id"] == identity
        assert requests.get(f"{replica.url}/reservations/vish/r1", timeout=20).json()["slot"] == slot
    assert process.returncode == 0
    assert "holds         1 committed, 0 tentative" in replica.output


def test_a_full_disk_ends_the_start_with_a_sentence(replica: OneReplica) -> None:
    process = subprocess.run(
        [sys.executable, "server.py", "one", "--config", str(replica.config)],
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),  # each write fails
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr == "one does not start.\nFile too large. Nothing acknowledged is lost.\n"


# The replicas of the following tests are forked.


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Run replica `one`."""
    with live(tmp_path, ("one",)) as found:
        yield found


def start(processes: Processes) -> None:
    processes.start("one")
    processes.wait_until_serving("one")


def output_at_end(processes: Processes, label: str = "one") -> str:
    """Wait until a replica has ended by itself with status 1, and return its output."""
    wait_until(lambda: processes.status(label) is not None)
    with pytest.raises(NotServing, match="it ended with status 1") as ended:
        processes.wait_until_serving(label)
    assert "Traceback" not in ended.value.output
    return ended.value.output


def test_a_kill_loses_nothing_that_was_acknowledged(processes: Processes) -> None:
    identity = processes.rest("one").get("/replica")["id"]
    processes.kill("one")
    start(processes)
    assert processes.rest("one").get("/replica")["id"] == identity
    processes.stop("one")
    assert "warning" not in processes.output("one")


def test_a_port_in_use_is_named(processes: Processes) -> None:
    processes.stop("one")
    address = processes.settings.replica("one").rest
    with socket.create_server((address.host, address.port)):
        processes.start("one")
        assert f"Cannot listen on {address}: Address already in use." in output_at_end(processes)
    start(processes)


def test_a_replica_of_another_cluster_at_the_address_does_not_count(processes: Processes, tmp_path: Path) -> None:
    configuration = tmp_path / "elsewhere" / "config.yaml"
    configuration.parent.mkdir()
    shutil.copy(processes.configuration, configuration)
    other = Processes(configuration)
    other.start("one")
    try:
        with pytest.raises(NotServing, match="Address already in use"):
            other.wait_until_serving("one")
    finally:
        other.stop()


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_replica_whose_folder_is_deleted_stops(processes: Processes, is_replaced: bool) -> None:
    folder = processes.settings.data / "one"
    shutil.copytree(folder, folder.parent / "copy", ignore=shutil.ignore_patterns("*.sock"))
    shutil.rmtree(folder)
    if is_replaced:
        (folder.parent / "copy").rename(folder)
    assert f"The data folder {folder} was deleted or replaced while the replica ran" in output_at_end(processes)
    start(processes)


def test_an_unknown_label_is_refused(tmp_path: Path) -> None:
    processes = ForkedProcesses(write_configuration(tmp_path, ("one",), {}))
    processes.start("two")
    assert output_at_end(processes, "two") == (
        "two does not start.\nThere is no replica 'two'; the configuration has one."
        " To let two join the running cluster as a new replica, add --join and the label of a running replica."
    )


def test_another_cluster_in_the_same_folder_is_refused(processes: Processes) -> None:
    processes.stop("one")
    right = processes.configuration.read_text()
    processes.configuration.write_text(right.replace(f"cluster: {processes.settings.cluster}\n", "cluster: d\n"))
    processes.start("one")
    assert "belongs to another cluster" in output_at_end(processes)
    processes.configuration.write_text(right)
    start(processes)
    assert processes.rest("one").get("/replica")["primary"]["here"]


def test_an_emptied_storage_brings_a_new_id_and_a_warning(processes: Processes) -> None:
    identity = processes.rest("one").get("/replica")["id"]
    processes.stop("one")
    empty(processes.settings.data / "one")
    start(processes)
    state = processes.rest("one").get("/replica")
    assert state["id"] != identity
    assert state["primary"] == {"id": None, "label": None, "here": False, "gone": False}
    processes.stop("one")
    assert f"warning: The namespace is empty, so the writes of {identity} are missing." in processes.output("one")
