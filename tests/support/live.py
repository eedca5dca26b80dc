"""What end-to-end tests share: real replicas on ports that are free, each with its Redis, and waiting with a bound."""

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
from tests.support.waiting import BOUND_S, wait_until

__all__ = ["command", "link", "live", "processes_with", "wait_until_equal", "write_configuration"]

HOUSE = Path(__file__).parent.parent.parent
LABELS = ("one", "two", "three")


@contextlib.contextmanager
def live(folder: Path, labels: Sequence[str] = LABELS, **settings: Any) -> Iterator[Processes]:
    """Replicas that serve, on embedded Redis in `folder`, with `settings` of config.yaml; the first is the primary.

    `.rest("one")` speaks to one; `.kill`, `.stop` and `.start` do so to one; all are stopped at the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with running(folder, labels, settings) as processes:
        yield processes


def wait_until_equal(processes: Processes, *labels: str, bound_s: float = BOUND_S) -> None:
    """Wait until these replicas, or all, hold the same, page for page."""
    rests = [processes.rest(label) for label in labels or processes.labels]
    wait_until(lambda: len({_digest(rest) for rest in rests}) == 1, bound_s)


def link(processes: Processes, one: str, other: str, *, up: bool) -> None:
    """Cut or heal a link at both of its ends."""
    processes.rest(one).put(f"/replica/links/{other}", {"up": up})
    processes.rest(other).put(f"/replica/links/{one}", {"up": up})


def command(*words: str | Path, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """One of the project's commands, as in `command("cluster.py", "demo")`; both of its outputs come in one pipe."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=HOUSE,
        env=inherited | {"PYTHONUTF8": "1"} | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def processes_with(*words: str | Path) -> dict[int, str]:
    """The processes of this machine, by id, whose command line has all of these words."""
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
        with contextlib.suppress(OSError):  # it has just ended
            yield int(folder.name), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
