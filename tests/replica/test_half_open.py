"""One side of a connection stops without closing the connection. The keep-alives of gRPC show this to the other side,
even while no session sends anything."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from replica.anti_entropy.conversation import SILENCE_S_MAX
from tests.replica.test_policies_live import addresses, last_session, met, state
from tests.support.joined import reserve
from tests.support.live import live
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process


def test_a_peer_that_stands_still_is_noticed_within_seconds(tmp_path: Path) -> None:
    """The process of the peer is stopped, but its kernel keeps the connection open. Sessions start only after a write,
    so neither side sends anything meanwhile."""
    with live(tmp_path, ("one", "two"), anti_entropy={"interval_s": 0, "after_write": True}) as processes:
        one, two = addresses(processes)
        wait_until(lambda: met(one) and met(two))
        pid = processes.pid("two")
        os.kill(pid, signal.SIGSTOP)
        began_s = time.monotonic()
        try:
            wait_until(lambda: not met(one), SILENCE_S_MAX)
            assert time.monotonic() - began_s < SILENCE_S_MAX / 2
            assert last_session(one)["error"]
        finally:
            os.kill(pid, signal.SIGCONT)
        reserve(one, "r1", 9)
        wait_until(lambda: state(two, "r1") == "committed")
