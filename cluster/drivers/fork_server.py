"""The fork server: starts many servers quickly. It loads the code of a server once, and forks itself for each server.

A server that starts from scratch needs almost a second to load its code, and a script may start twenty servers. A
forked server has its own Redis, and shares nothing with other servers. When its input ends, the fork server stops all
its servers and ends. The input also ends if the process that uses the fork server is killed.

    python -m cluster.drivers.fork_server

Each line of the input is a JSON object with the keys `arguments`, `output` and `environment`. For each line of the
input, the fork server prints the process id of a new server.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
LOADED = ("apps", "replica.main", "replica.anti_entropy.scheduler")


class ForkServer:
    """Starts a fork server as a process. The constructor does not wait until this process has loaded the code."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cluster.drivers.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"PYTHONUTF8": "1", "NO_COLOR": "1"},
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C must not reach it
        )

    def start(self, arguments: Sequence[str], output: Path, environment: Mapping[str, str]) -> int:
        """Start `server.py ARGUMENTS`, and append its output to the file `output`. Return the process id of the new
        server, without waiting until this server answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"arguments": list(arguments), "output": str(output), "environment": dict(environment)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the fork server, which stops all its servers."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()


def is_running(pid: int) -> bool:
    """Return whether a server of a fork server still runs. `pid` is the process id of the server."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Fork a server for each line of input, until the input ends."""
    gc.disable()  # as in server.py
    for module in LOADED:
        importlib.import_module(module)
    running: set[int] = set()

    def reap(*_: object) -> None:
        """Collect the forked processes that have ended. Forget their ids, because the kernel may give the same ids to
        other processes."""
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
    """Run `server.py ARGUMENTS` in the forked process, then end the process."""
    from apps import APPLICATIONS  # noqa: PLC0415
    from replica.main import main as serve  # noqa: PLC0415

    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        os.setsid()
        os.environ.update(order["environment"])
        empty = os.open(os.devnull, os.O_RDONLY)
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for descriptor, standard in ((empty, 0), (output, 1), (output, 2)):
            os.dup2(descriptor, standard)
        status = serve(order["arguments"], APPLICATIONS)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(status)  # skips exit handlers, which belong to the fork server


if __name__ == "__main__":
    main()
