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

from replica.free_addresses import free_addresses
from tests.support.storage_harness import empty
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent
VISH = {"Bayou-User": "vish"}


class OneReplica:
    """A replica with its own folder, its own configuration and free ports."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.yaml"
        rest, peers = free_addresses(2)
        self.port = int(rest.rpartition(":")[2])
        self.url = f"http://{rest}"
        self.config.write_text(
            f"cluster: c\nprimary: one\nrooms: ['6.12']\nreplicas: {{one: {{rest: {rest}, anti_entropy: {peers}}}}}\n"
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", "server.py", *(arguments or ("one",)), "--config", str(self.config)],
            cwd=ROOT,
            env={**os.environ, "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def running(self, stop_with: signal.Signals = signal.SIGTERM) -> Iterator[subprocess.Popen[str]]:
        process = self.start()
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


def test_a_kill_loses_nothing_that_was_acknowledged(replica: OneReplica) -> None:
    with replica.running(signal.SIGKILL):
        identity = requests.get(f"{replica.url}/replica", timeout=20).json()["id"]
    with replica.running():
        assert requests.get(f"{replica.url}/replica", timeout=20).json()["id"] == identity
    assert "warning" not in replica.output


def test_a_second_start_is_refused_and_the_first_goes_on(replica: OneReplica) -> None:
    with replica.running() as process:
        second = replica.start()
        _, errors = second.communicate(timeout=30)
        assert second.returncode == 1
        assert f"already in use (process {process.pid}, which serves replica one)" in errors
        assert replica.answers()


def test_a_port_in_use_is_named(replica: OneReplica) -> None:
    with socket.create_server(("127.0.0.1", replica.port)):
        process = replica.start()
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{replica.port}: Address already in use." in errors
    with replica.running():
        pass


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


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_replica_whose_folder_is_deleted_stops(replica: OneReplica, is_replaced: bool) -> None:
    with replica.running() as process:
        folder = replica.config.parent / "data" / "one"
        shutil.copytree(folder, folder.parent / "copy", ignore=shutil.ignore_patterns("*.sock"))
        shutil.rmtree(folder)
        if is_replaced:
            (folder.parent / "copy").rename(folder)
        wait_until(lambda: process.poll() is not None)
        assert not replica.answers()
    assert f"The data folder {folder} was deleted or replaced while the replica ran" in replica.output
    assert process.returncode == 1
    assert "Traceback" not in replica.errors
    with replica.running():
        pass


def test_an_unknown_label_is_refused(replica: OneReplica) -> None:
    process = replica.start("two")
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (
        1,
        "two does not start.\nThere is no replica 'two'; the configuration has one."
        " To let two join the running cluster as a new replica, add --join and the label of a running replica.\n",
    )


def test_another_cluster_in_the_same_folder_is_refused(replica: OneReplica) -> None:
    with replica.running():
        pass
    right = replica.config.read_text()
    replica.config.write_text(right.replace("cluster: c", "cluster: d"))
    process = replica.start()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "belongs to another cluster" in errors
    replica.config.write_text(right)
    with replica.running():
        assert requests.get(f"{replica.url}/replica", timeout=20).json()["primary"]["here"]


def test_an_emptied_storage_brings_a_new_id_and_a_warning(replica: OneReplica) -> None:
    with replica.running():
        identity = requests.get(f"{replica.url}/replica", timeout=20).json()["id"]
    empty(replica.config.parent / "data" / "one")
    with replica.running():
        state = requests.get(f"{replica.url}/replica", timeout=20).json()
    assert state["id"] != identity
    assert state["primary"] == {"id": None, "label": None, "here": False, "gone": False}
    assert f"warning: The namespace is empty, so the writes of {identity} are missing." in replica.output
