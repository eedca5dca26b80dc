"""The replicas of one configuration as processes on this machine.

Each replica has its own process group. So a signal from the terminal, such as Ctrl-C, reaches only the program that
started the replica. This program then stops the replica with `stop`.

This module starts `server.py` as a command. It asks the replicas for information only through their REST interface.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from bayou.errors import Conflict
from cluster.rest import Refused, Rest, Silent
from cluster.waiting import wait_until
from replica.config import load
from storage.redis.embedded import stop_left_behind

SERVER = Path(__file__).parent.parent / "server.py"
UNAUTHORIZED = 401
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0  # longer than a replica takes to stop
LINES_KEPT = 40
BEGUN = "Bayou replica "  # the beginning of the first line that a replica prints when it has begun to serve

OnOutput = Callable[[str, str | None], object]  # (label, a line of output, or None at its end)


class NotServing(Exception):
    """A replica ended before it answered. `output` has the last lines of the replica's output."""

    def __init__(self, label: str, status: int, output: str) -> None:
        super().__init__(f"{label} is not running; it ended with status {status}:\n{output}")
        self.output = output


class Process(Protocol):
    """The part of subprocess.Popen that this module uses."""

    @property
    def pid(self) -> int: ...
    @property
    def stdout(self) -> IO[str] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Processes:
    """Starts and stops the replicas of one configuration. Each replica is a process.

    `on_output` is called with each line that a replica prints. Several threads call `on_output`. If `color` is true,
    the replicas print in colour.
    """

    def __init__(self, configuration: Path, on_output: OnOutput | None = None, *, color: bool = False) -> None:
        self.configuration = configuration
        self.settings = load(configuration)
        self.labels = list(self.settings.replicas)
        self._on_output = on_output or (lambda _label, _line: None)
        self.environment = {
            name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}
        } | {"PYTHONUTF8": "1", "FORCE_COLOR" if color else "NO_COLOR": "1"}
        self._running: dict[str, _Running] = {}

    def start(self, *labels: str) -> None:
        """Start the replicas with these labels; without labels, start all. Return at once."""
        for label in labels or self.labels:
            self._running[label] = _Running(label, self.launch(label), self._on_output)

    def command(self, label: str) -> list[str]:
        """Return the command that runs a replica."""
        return [sys.executable, str(SERVER), label, "--config", str(self.configuration)]

    def launch(self, label: str) -> Process:
        """Start a replica as a process in its own process group. The output of the replica goes to a pipe."""
        return subprocess.Popen(
            self.command(label),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=self.environment,
            start_new_session=True,
        )

    def wait_until_serving(self, *labels: str, stopping: threading.Event | None = None) -> None:
        """Wait until these replicas answer; without labels, wait for all.

        Raise NotServing if a replica ends, and TooLong if a replica does not answer in time. Raise Stopped once
        `stopping` is set.
        """
        for label in labels or self.labels:
            wait_until(lambda label=label: self._serves(label), START_TIMEOUT_S, f"{label} answers", stopping)  # type: ignore[misc]

    def rest(self, label: str) -> Rest:
        return Rest(label, self.settings.replica(label).rest)

    def pid(self, label: str) -> int:
        return self._running[label].process.pid

    def status(self, label: str) -> int | None:
        """Return the exit status of a replica. The status is negative if a signal ended the replica. Return None while
        the replica runs."""
        return self._running[label].process.poll()

    def output(self, label: str) -> str:
        """Return the last lines of a replica's output."""
        return "\n".join(self._running[label].lines)

    def kill(self, label: str) -> None:
        """Kill a replica. Its embedded Redis keeps running until the replica starts again or `stop` is called."""
        self._running[label].kill()

    def stop(self, *labels: str) -> list[str]:
        """Stop these replicas; without labels, stop all. Also stop the Redis servers that killed replicas left behind.
        Return the labels of the replicas that had to be killed."""
        stopped = [self._running[label] for label in labels or self.labels if label in self._running]
        for running in stopped:
            running.process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        killed = [running.label for running in stopped if not running.ended_by(deadline)]
        for running in stopped:
            running.kill()
            if self.settings.redis_of(running.label) == "embedded":
                with contextlib.suppress(Conflict):  # another process serves this replica
                    stop_left_behind(self.settings.data / running.label)
        return killed

    def _serves(self, label: str) -> bool:
        running = self._running[label]
        status = running.process.poll()
        if status is not None:
            running.ended_by(time.monotonic() + STOP_TIMEOUT_S)
            raise NotServing(label, status, self.output(label))
        if not running.has_begun:
            return False  # if anything answers at the address, it is another program
        try:
            return bool(self.rest(label).get("/replica")["label"] == label)
        except Refused as refused:
            return refused.status == UNAUTHORIZED  # it serves, but wants a token
        except Silent:
            return False


class _Running:
    """A process of a replica, and the thread that reads its output."""

    def __init__(self, label: str, process: Process, on_output: OnOutput) -> None:
        self.label = label
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self.has_begun = False  # to serve
        self.process = process
        self._reader = threading.Thread(target=self._read, args=(on_output,), name=f"output of {label}", daemon=True)
        self._reader.start()

    def ended_by(self, deadline: float) -> bool:
        """Wait until the process has ended and its output has been read. Return False if the process has not ended at
        `deadline`."""
        try:
            self.process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            return False
        self._reader.join(max(deadline - time.monotonic(), 0))
        return True

    def kill(self) -> None:
        """Kill the process. Do nothing if it has ended."""
        self.process.kill()
        self.process.wait()
        self._reader.join(STOP_TIMEOUT_S)

    def _read(self, on_output: OnOutput) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))
                self.has_begun = self.has_begun or line.startswith(BEGUN)
                on_output(self.label, self.lines[-1])
        self.process.wait()
        on_output(self.label, None)
