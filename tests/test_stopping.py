"""A signal is heard whenever it comes, also at the moment when the program begins to wait for it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

HOUSE = Path(__file__).parent.parent
ROUNDS = 300
PROGRAM = f"""
import threading, time
from replica.stopping import Stopping
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


def test_a_signal_that_comes_as_the_wait_begins_is_heard() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=HOUSE, stdout=subprocess.PIPE, text=True) as process:
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
