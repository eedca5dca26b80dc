"""apply and full-state: how many reservations per second an empty replica receives in a session over gRPC. Each replica
is a process with its own Redis.

For `apply`, the sender's log has all writes; for `full-state`, the log is truncated, so pages are sent instead.
"""

from __future__ import annotations

import shutil

from bench.load import TIMEOUT_S, Connection, post
from bench.measure import Size, in_turn, seconds_of
from bench.rows.store import received
from bench.table import Row, at_least
from bench.workload import undisputed
from bench.workspace import Workspace, store_of
from cluster.processes import Processes

ROUNDS = 7
WRITES, RESERVATIONS = 50_000, 100_000


def measure_apply(workspace: Workspace, size: Size) -> list[Row]:
    count = size.of(WRITES, 10)
    items = undisputed(count, "peer~aaaaaa")
    with workspace.replicas({"one": count, "two": 0}) as processes, workspace.redis() as client:
        rates = in_turn(
            size.rounds(ROUNDS),
            lambda: transferred(processes, count),
            lambda: count / received(client, items, primary=True),
        )
    return [at_least("apply", "writes/s", rates, 0.6)]


def measure_full_state(workspace: Workspace, size: Size) -> list[Row]:
    writes, reservations = size.of(WRITES, 10), size.of(RESERVATIONS, 10)
    with (
        workspace.replicas({"one": reservations, "two": 0}) as truncated,
        workspace.replicas({"one": writes, "two": 0}) as whole,
    ):
        store_of(truncated, "one")[0].truncate(0)
        rates = in_turn(
            size.rounds(ROUNDS), lambda: transferred(truncated, reservations), lambda: transferred(whole, writes)
        )
    return [at_least("full-state", "reservations/s", rates, 2.0)]


def transferred(processes: Processes, count: int, timeout_s: float = TIMEOUT_S) -> float:
    """Return the reservations per second that replica `two`, which starts empty, receives in one session with `one`.
    All `count` commits must have arrived within `timeout_s`."""
    processes.stop("two")
    shutil.rmtree(processes.settings.data / "two")
    processes.start("two")
    processes.wait_until_serving("two")
    connection = Connection(processes.settings.replica("two").rest, timeout_s)
    try:
        seconds = seconds_of(lambda: connection.ask(post("/replica/sync/one", {})))
    finally:
        connection.close()
    csn = processes.rest("two").get("/replica")["csn"]
    assert csn == count, f"{csn} of {count} have arrived"
    return count / seconds
