"""Replicas that are forked from a process with the code already loaded. Each test worker has one such process.

A replica that starts from scratch spends most of its start on loading code. A forked replica runs the same program with
the same arguments and environment. The program is `server.py`, or another program that a test runs instead.

A program that needs other versions of our modules has to start from scratch. A program that a test starts with
`command` (tests/support/live.py) starts from scratch too.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import chdir
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from cluster.processes import Process, Processes

ROOT = Path(__file__).parent.parent.parent
LOADED = ["apps", "replica.main", "replica.anti_entropy.scheduler", __name__]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(LOADED)


class Forked:
    """A forked process that runs `PROGRAM ARGUMENTS`. It implements cluster.processes.Process. A Python warning in the
    process is an error."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        read_end, write_end = multiprocessing.Pipe(duplex=False)
        self._process = _context.Process(target=_run, args=(list(words), dict(environment), write_end))
        with chdir(ROOT):  # the fork server, which the first process starts, finds our modules there
            self._process.start()
        write_end.close()
        self.stdout: IO[str] | None = os.fdopen(os.dup(read_end.fileno()), encoding="utf-8", errors="replace")
        read_end.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired("server.py", timeout or 0)
        return status

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


class ForkedProcesses(Processes):
    """The forked processes of the replicas in a configuration."""

    def launch(self, label: str) -> Process:
        _, *words = self.command(label)
        return Forked(words, self.environment)


def _run(words: Sequence[str], environment: Mapping[str, str], output: Connection) -> None:
    """Run `PROGRAM ARGUMENTS` in the forked process."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    for standard in (1, 2):
        os.dup2(output.fileno(), standard)
    output.close()
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "'imghdr' is deprecated", DeprecationWarning)  # as in pyproject.toml
    sys.stdout, sys.stderr = (os.fdopen(standard, "w", encoding="utf-8") for standard in (1, 2))
    sys.argv = list(words)
    runpy.run_path(words[0], run_name="__main__")
