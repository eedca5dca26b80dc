"""The network namespaces of chaos runs. Packet filters drop the right packets. `namespaces` raises Unavailable if
a program is not installed. The next run deletes what a killed run has left."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.waiting import wait_until
from tests.chaos.leftovers import FOLDER, sweep
from tests.chaos.namespaces import CLOSED_PORT, FILTERS, Filter, Namespaces, Unavailable, namespaces

STARTED_S_MAX = 60.0
DROPPED_S = 0.3


@pytest.fixture
def present() -> Iterator[Namespaces]:
    try:
        with namespaces(["one", "two"]) as made:
            yield made
    except Unavailable as reason:
        pytest.skip(f"no network namespaces: {reason}")


def arrives(source: str, target: str) -> bool:
    """Return whether a packet from `source` reaches `target`. No program listens at `target`. So an attempt to connect
    is refused if the packet arrives, and times out if the packet is dropped."""
    try:
        socket.create_connection((target, CLOSED_PORT), DROPPED_S, (source, 0)).close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        return False
    raise AssertionError(f"a program listens at {target}:{CLOSED_PORT}, where no program should")


@pytest.mark.parametrize("packet_filter", FILTERS, ids=lambda found: found.command[0])
def test_a_filter_drops_what_one_replica_receives_from_one_source(
    present: Namespaces, packet_filter: Filter, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(packet_filter.command[0]) is None:
        pytest.skip(f"{packet_filter.command[0]} is not installed")
    present.set_loss("one", {})
    monkeypatch.setattr(present, "filter", packet_filter)
    dropped, passed = present.wire_address(), present.wire_address()
    present.set_loss("one", {dropped: 1.0})
    assert not arrives(dropped, present.address("one"))
    assert arrives(passed, present.address("one"))
    assert arrives(dropped, present.address("two"))
    present.set_loss("one", {passed: 0.5})
    assert arrives(dropped, present.address("one"))


def test_a_machine_without_a_packet_filter_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match=r"need root|is not installed"), namespaces(["one"]):
        pass


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="what a killed run leaves is found through /proc")
@pytest.mark.timeout(120)
def test_the_next_run_deletes_what_a_killed_run_has_left() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.chaos", "--replicas", "3"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as killed:
        here = f"{FOLDER}{killed.pid}-*"
        wait_until(
            lambda: len(list(Path(tempfile.gettempdir()).glob(f"{here}/data/*/redis.pid"))) == 3,
            STARTED_S_MAX,
            "all replicas have a Redis",
        )
        os.kill(killed.pid, signal.SIGKILL)
    sweep()
    assert not list(Path(tempfile.gettempdir()).glob(here))
    assert not [name for _, name in socket.if_nameindex() if name.startswith(f"bayou{killed.pid}")]
    assert not list(Path("/var/run/netns").glob(f"{FOLDER}{killed.pid}-*"))
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if f"{FOLDER}{killed.pid}-".encode() in _read(path)]
    assert not left


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
