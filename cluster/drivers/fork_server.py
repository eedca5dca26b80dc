"""Starting many servers quickly: each is forked from one process that has loaded their code already.

A server that starts anew spends most of a second on loading code, and a script may start twenty on a small machine.
What is forked is a process like any other: it has its own Redis, is killed like any other, and shares nothing.
Should the one who asked for them end without a word, they are stopped in order.

    python -m cluster.drivers.fork_server

in: {"arguments", "output", "environment"} as JSON, one a line. Out: a process id each.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HOUSE = Path(__file__).parent.parent.parent
LOADED = ("apps", "replica.main", "replica.anti_entropy.scheduler")


class Nursery:
    """The process that forks; started at once, so that it loads the code while others do something else."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cluster.drivers.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=HOUSE,
            env=os.environ | {"PYTHONUTF8": "1", "NO_COLOR": "1"},
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for whoever started it
        )

    def start(self, arguments: Sequence[str], output: Path, environment: Mapping[str, str]) -> int:
        """Start `server.py ARGUMENTS` with its output going to a file; returns its process id at once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"arguments": list(arguments), "output": str(output), "environment": dict(environment)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it. What it has started and still runs is told to stop."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()


def runs(pid: int) -> bool:
    """Whether a process that a nursery started has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def serve_orders() -> None:
    """The nursery's own process: fork a server for each line, until there are no more."""
    for module in LOADED:
        importlib.import_module(module)
    running: set[int] = set()

    def reap(*_: object) -> None:
        """A process id is not ours any more once its process is reaped."""
        with contextlib.suppress(ChildProcessError):
            while pid := os.waitpid(-1, os.WNOHANG)[0]:
                running.discard(pid)

    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin:
        order = json.loads(line)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            _serve(order)
        running.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        print(pid, flush=True)
    for pid in list(running):
        os.kill(pid, signal.SIGTERM)


def _serve(order: Mapping[str, Any]) -> None:
    """In the forked process: what `python server.py ARGUMENTS` does. Does not return."""
    from apps import APPLICATIONS  # noqa: PLC0415
    from replica.anti_entropy.scheduler import Scheduler  # noqa: PLC0415
    from replica.main import main  # noqa: PLC0415

    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        os.setsid()
        os.environ.update(order["environment"])
        silence = os.open(os.devnull, os.O_RDONLY)
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for descriptor, standard in ((silence, 0), (output, 1), (output, 2)):
            os.dup2(descriptor, standard)
        status = main(order["arguments"], APPLICATIONS, Scheduler)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(status)  # what the nursery had prepared for its own end is not for its children


if __name__ == "__main__":
    serve_orders()
