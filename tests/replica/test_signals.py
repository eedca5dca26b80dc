"""A replica never misses a signal, even if the signal comes just when the replica begins to wait.

A replica stops on a signal even if Redis does not answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.processes import Processes
from storage.identity_file import load
from tests.support.joined import ask
from tests.support.live import command, write_configuration
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent
ROUNDS = 300
PROGRAM = f"""
import threading, time
from replica.signals import Stopping
def work():
    while True:
        sum(range(1000))
        time.sleep(0)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
stopping = Stopping()
for number in range({ROUNDS}):
    print(number, flush=True)
    stopping.wait()
"""


def test_a_signal_at_the_moment_when_the_wait_begins_is_not_missed() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        bound = threading.Timer(60, process.kill)
        bound.start()
        for number, line in enumerate(process.stdout):
            assert int(line) == number
            process.send_signal((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[number % 3])
            if number == ROUNDS - 1:
                break
        assert process.wait() == 0
        bound.cancel()


# server.py with shorter bounds.
SHORT = """
import sys
import replica.replica, replica.events.feed, storage.redis.embedded
from apps import APPLICATIONS
from replica.main import main
replica.events.feed.WAIT_MAX_S = 0.5
replica.replica.SILENCE_S_MAX = 1.5
storage.redis.embedded.STOP_TIMEOUT_S = 1
storage.redis.embedded.CLIENT_OPTIONS["socket_timeout"] = 1.0
sys.exit(main(sys.argv[1:], APPLICATIONS))
"""
SILENT = "Redis does not answer. The replica stops within 25 s"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Yield a cluster with one replica, `one`. The test starts this replica."""
    found = Processes(write_configuration(tmp_path, ["one"], {}))
    found.settings.data.mkdir()
    yield found
    with contextlib.suppress(OSError, ValueError):
        os.kill(redis_pid(found), signal.SIGCONT)
    found.stop("one")


def redis_pid(processes: Processes) -> int:
    return int(json.loads((processes.settings.data / "one" / "redis.pid").read_text())["pid"])


def test_a_stop_ends_although_redis_is_silent_and_nothing_acknowledged_is_lost(processes: Processes) -> None:
    rest, address = processes.rest("one"), str(processes.settings.replica("one").rest)
    with command("-c", SHORT, "one", "--config", processes.configuration) as stopped:
        try:
            wait_until(lambda: rest.get("/replica"))
            assert ask(address, "PUT", "/playlist/kept", {"url": "u"}, Bayou_User="vish").status_code == 200
            before = rest.get("/replica")["id"]
            os.kill(redis_pid(processes), signal.SIGSTOP)
            stopped.terminate()
            said, _ = stopped.communicate(timeout=60)
        finally:
            stopped.kill()
    assert stopped.returncode == 0, said
    assert SILENT in said
    assert "does not end, so it is killed" in said

    processes.start("one")
    processes.wait_until_serving("one")
    assert rest.get("/playlist/kept")["url"] == "u"
    assert rest.get("/replica")["id"] == before

    # If Redis is only slow, the replica stops with status 0.
    os.kill(redis_pid(processes), signal.SIGSTOP)
    os.kill(processes.pid("one"), signal.SIGTERM)
    wait_until(lambda: SILENT in processes.output("one"))
    os.kill(redis_pid(processes), signal.SIGCONT)
    assert wait_until(lambda: processes.status("one") is not None)
    assert processes.status("one") == 0
    assert "killed" not in processes.output("one")
    birth = load(processes.settings.data / "one")
    assert birth is not None
    assert birth.clean
