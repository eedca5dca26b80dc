"""apply, full-state and far-behind: how fast an empty replica receives reservations in a session over gRPC. Each
replica is a process with its own Redis.

apply       The sender sends its log. The limit is the rate of a single process that receives the same writes without
            gRPC.
full-state  The sender has truncated its log, so it sends the full state. The limit is the rate of a sender that sends
            its log.
far-behind  The sender has the whole log, but the full state takes less time. So the sender sends the full state. The
            limit is the time of a sender that sends its log.
"""

from __future__ import annotations

import shutil

from bench.load import TIMEOUT_S, Connection, post
from bench.measure import Size, in_turn, seconds_of
from bench.rows.store import received
from bench.table import Row, at_least, at_most
from bench.workload import undisputed
from bench.workspace import WithLog, Workspace, store_of
from cluster.processes import Processes

ROUNDS = 7
FAR_ROUNDS = 3
FAR_RESERVATIONS_MIN = 30_000  # with fewer, the log takes less time than the full state with the newest commits
WRITES, RESERVATIONS = 50_000, 100_000


def measure_apply(workspace: Workspace, size: Size) -> list[Row]:
    count = size.of(WRITES, 10)
    items = undisputed(count, "peer~aaaaaa")
    replicas = workspace.replicas_of(WithLog, {"one": count, "two": 0}, {})
    with replicas as processes, workspace.redis() as client:
        rates = in_turn(
            size.rounds(ROUNDS),
            lambda: transferred(processes, count),
            lambda: count / received(client, items, primary=True),
        )
    return [at_least("apply", "writes/s", rates, 0.75)]


def measure_full_state(workspace: Workspace, size: Size) -> list[Row]:
    writes, reservations = size.of(WRITES, 10), size.of(RESERVATIONS, 10)
    with (
        workspace.replicas({"one": reservations, "two": 0}) as truncated,
        workspace.replicas_of(WithLog, {"one": writes, "two": 0}, {}) as whole,
    ):
        store_of(truncated, "one")[0].truncate(0)
        rates = in_turn(
            size.rounds(ROUNDS), lambda: transferred(truncated, reservations), lambda: transferred(whole, writes)
        )
    return [at_least("full-state", "reservations/s", rates, 2.0)]


def measure_far_behind(workspace: Workspace, size: Size) -> list[Row]:
    count = size.of(RESERVATIONS, FAR_RESERVATIONS_MIN)
    held = {"one": count, "two": 0}
    with workspace.replicas(held) as offering, workspace.replicas_of(WithLog, held, {}) as logging:
        seconds = in_turn(
            size.rounds(FAR_ROUNDS),
            lambda: count / transferred(offering, count),
            lambda: count / transferred(logging, count),
        )
        kept = offering.rest("two").get("/replica")["committed"]
    assert kept < count, "the log was sent instead of the full state"
    return [at_most("far-behind", f"s for {count:,} reservations; as the log", seconds, 0.5)]


def transferred(processes: Processes, count: int, timeout_s: float = TIMEOUT_S) -> float:
    """Start replica `two` without data, and run one session with replica `one`. Return the number of reservations that
    `two` receives per second.

    Raise AssertionError unless `two` holds `count` commits after the session. `timeout_s` limits the session's time.
    """
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
