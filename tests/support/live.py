"""Helpers for end-to-end tests: start real replicas, cut links, run commands, and wait for equal replicas."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cluster.local import running, write_configuration
from cluster.processes import Processes
from cluster.rest import Rest
from tests.support.forked import ForkedProcesses
from tests.support.waiting import BOUND_S, wait_until

__all__ = ["command", "link", "live", "processes_with", "wait_until_equal", "write_configuration"]

ROOT = Path(__file__).parent.parent.parent
LABELS = ("one", "two", "three")


@contextlib.contextmanager
def live(folder: Path, labels: Sequence[str] = LABELS, **settings: Any) -> Iterator[Processes]:
    """Start replicas on free ports, each with an embedded Redis in `folder`, and stop all of them at the end.

    The first label is the primary. `settings` are added to config.yaml. The yielded Processes control the replicas. For
    example, `processes.kill("one")` kills the replica `one`, and `processes.rest("one")` is the REST interface of
    this replica.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with running(folder, labels, settings, processes_of=ForkedProcesses) as processes:
        yield processes


def wait_until_equal(processes: Processes, *labels: str, bound_s: float = BOUND_S) -> None:
    """Wait until these replicas have equal pages. Without labels, wait for all replicas."""
    rests = [processes.rest(label) for label in labels or processes.labels]
    wait_until(lambda: len({_digest(rest) for rest in rests}) == 1, bound_s)


def link(processes: Processes, one: str, other: str, *, up: bool) -> None:
    """Cut the link between two replicas (`up=False`), or restore the link. Send the request to both replicas."""
    processes.rest(one).put(f"/replica/links/{other}", {"up": up})
    processes.rest(other).put(f"/replica/links/{one}", {"up": up})


def command(
    *words: str | Path, environment: dict[str, str] | None = None, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    """Start a command of the project, such as `command("cluster.py", "demo")`; stdout and stderr share one pipe."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=inherited | {"PYTHONUTF8": "1"} | (environment or {}),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def processes_with(*words: str | Path) -> dict[int, str]:
    """Find the processes whose command line contains all of these words. Return a map from process id to command
    line."""
    wanted = [str(word) for word in words]
    return {pid: line for pid, line in _command_lines() if all(word in line for word in wanted)}


def _digest(rest: Rest) -> str:
    return str(rest.get("/replica/digest"))


def _command_lines() -> Iterator[tuple[int, str]]:
    if not Path("/proc/self/cmdline").exists():
        shown = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, check=True, text=True)
        yield from (
            (int(pid), line) for pid, _, line in (row.strip().partition(" ") for row in shown.stdout.splitlines())
        )
        return
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # the process has ended meanwhile
            yield int(folder.name), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
