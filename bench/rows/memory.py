"""memory: the bytes that a reservation takes in Redis, and the memory of an idle replica.

One line is for committed reservations whose writes are no longer in the log. Another line is for tentative
reservations.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from bench.measure import Size
from bench.table import Row, below
from bench.workload import conflicting, take
from bench.workspace import Workspace, open_store

COMMITTED, TENTATIVE = 50_000, 20_000
KIB_OF_MIB = 1024


def measure(workspace: Workspace, size: Size) -> list[Row]:
    committed, tentative = size.of(COMMITTED, 10), size.of(TENTATIVE, 10)
    with workspace.redis() as client:
        before = _used(client)
        store = open_store(client, "one", primary=True)
        take(store, conflicting(committed, "peer~aaaaaa"))
        store.truncate(0)
        truncated = _used(client)
        take(open_store(client, "two", primary=False), conflicting(tentative, "peer~aaaaaa"))
        after = _used(client)
    with workspace.replicas({"one": 0}) as processes:
        processes.rest("one").get("/rooms")
        at_rest = resident_mib(processes.pid("one"))
    return [
        below("memory", "bytes of Redis, committed and truncated", (truncated - before) / committed, 600),
        below("memory", "bytes of Redis, tentative", (after - truncated) / tentative, 2000),
        below("memory", "MiB, a replica's process at rest", at_rest, 90),
    ]


def _used(client: Any) -> int:
    """Return the memory of Redis in bytes, without the streams of events. The length of these streams is capped."""
    streams = sum(client.memory_usage(key, samples=0) or 0 for key in client.scan_iter(match="*:events"))
    return int(client.memory_stats()["dataset.bytes"]) + int(client.memory_stats()["overhead.total"]) - streams


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB. On Linux, /proc has the figure. On macOS, `ps` reports it."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        kibibytes = int(fields["VmRSS"].removesuffix("kB"))
    else:
        shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True, text=True)
        kibibytes = int(shown.stdout)
    return kibibytes / KIB_OF_MIB
