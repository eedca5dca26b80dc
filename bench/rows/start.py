"""start: the time from the command until a replica with 100,000 reservations answers requests. The limit is the time of
a replica without reservations.

At a start, Redis reads its append-only file. The log of Redis says how long Redis takes. The row subtracts this time.

Before each start, the replica was stopped in the normal way. A start after a crash takes longer, because
redis-check-aof reads the file too. redis-check-aof takes a third to a half of the time that Redis takes.
"""

from __future__ import annotations

import re

from bench.measure import Size, in_turn, seconds_of
from bench.table import Row, at_most
from bench.workspace import Workspace
from cluster.processes import Processes

ROUNDS = 5
HELD = 100_000
LOADED = re.compile(r"DB loaded from append only file: ([0-9.]+) seconds")


def measure(workspace: Workspace, size: Size) -> list[Row]:
    held = size.of(HELD, 10)
    with workspace.replicas({"one": held}) as full, workspace.replicas({"one": 0}) as empty:
        ours, limit, loading = in_turn(
            size.rounds(ROUNDS), lambda: started(full), lambda: started(empty), lambda: loading_s(full)
        )
    unit = f"s with {held:,} reservations, without the {loading:.2f} s in which Redis reads them"
    return [at_most("start", unit, (ours - loading, limit), 1.5, "≤ 1.5 ×")]


def started(processes: Processes) -> float:
    """Stop the replica `one`, start it again, and return how long the start takes in seconds."""
    processes.stop("one")
    processes.start("one")
    return seconds_of(lambda: processes.wait_until_serving("one"))


def loading_s(processes: Processes) -> float:
    """Return how long Redis took to read its append-only file at the last start of `one`, in seconds."""
    log = processes.settings.data / "one" / "redis.log"
    return float(LOADED.findall(log.read_text(encoding="utf-8"))[-1])
