"""commit: the time from a client's request for a reservation until the client sees that the reservation is committed.
The client uses a replica that is not the primary.

The limit is the time of a session without writes, because every commit needs the round trips of a session.
"""

from __future__ import annotations

import time
from functools import partial
from statistics import quantiles

from bench.load import Connection, get, post
from bench.measure import Size, in_turn
from bench.rows.accept import reservations
from bench.table import Row, below
from bench.workspace import Workspace
from cluster.processes import Processes
from cluster.rest import Refused, Rest
from cluster.waiting import wait_until

SAMPLES = 200
HEALTHY: dict[str, object] = {"anti_entropy": {"interval_s": 5, "after_write": True, "debounce_ms": 10}}
WAIT_S = 20.0


def measure(workspace: Workspace, size: Size) -> list[Row]:
    samples, wanted = [], reservations()
    with workspace.replicas({"one": 0, "two": 0, "three": 0}, **HEALTHY) as processes:
        connection = Connection(processes.settings.replica("two").rest)

        def commit() -> float:
            samples.append(until_committed(connection, next(wanted)))
            return samples[-1]

        def session() -> float:
            return float(connection.ask(post("/replica/sync/one", {}))["seconds"]) * 1000

        meet(processes)
        _, limit = in_turn(size.of(SAMPLES, 2), commit, session)
        connection.close()
    samples = samples[1:]  # the first is the warm-up of in_turn
    hundredths = quantiles(samples, n=100) if len(samples) > 1 else samples * 99
    return [
        below("commit", "ms, p50", hundredths[49], 15, limit),
        below("commit", "ms, p99", hundredths[98], 300, limit),
    ]


def meet(processes: Processes) -> None:
    """Wait until every other replica has completed a session with the primary `one`. Then all replicas know which
    replica is the primary."""
    for label in processes.labels[1:]:
        wait_until(partial(_has_met, processes.rest(label)), WAIT_S, f"{label} meets the primary")


def _has_met(rest: Rest) -> bool:
    try:
        rest.post("/replica/sync/one", {})
    except Refused:  # the other one does not answer yet, or is in another session
        return False
    return True


def until_committed(connection: Connection, request: bytes) -> float:
    """Send a request for a reservation. Return the time until the reservation is committed, in milliseconds."""
    began = time.perf_counter()
    identifier = connection.ask(request)["id"]
    looked = get(f"/reservations/{identifier}")
    while not connection.ask(looked)["final"]:
        assert time.perf_counter() - began < WAIT_S, "the reservation was not committed"
        time.sleep(0.001)
    return (time.perf_counter() - began) * 1000
