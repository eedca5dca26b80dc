"""commit-wan, apply-wan and broken: sessions over a slow link, or over a link that breaks.

The link is a proxy between two replicas. The configuration of each replica gives the proxy's address instead of the
other replica's address.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import quantiles

import yaml

from bench.load import Connection
from bench.measure import Size, in_turn, report, seconds_of
from bench.rows.accept import reservations
from bench.rows.anti_entropy import transferred
from bench.rows.commit import HEALTHY, meet, until_committed
from bench.slow_link import slow_links
from bench.table import Row, at_most, figure
from bench.workspace import WithLog, Workspace
from cluster.processes import Processes
from cluster.waiting import wait_until
from replica.free_addresses import free_addresses

ROUND_TRIP_S = 0.2
SAMPLES = 100
WARM_UP = 2  # the first write of an application ends the sessions; the second one waits for the new session
WRITES, ROUNDS = 50_000, 7
BREAK_EVERY_S = 2.0
WAIT_S = 300.0


class Linked(WithLog):
    """Processes of replicas that call each other through proxies. `routes` has (port, target port) for each proxy."""

    def __init__(self, configuration: Path) -> None:
        super().__init__(configuration)
        self.routes = []
        proxies = free_addresses(len(self.labels))
        for caller in self.labels:
            own = yaml.safe_load(configuration.read_text(encoding="utf-8"))
            for label in self.labels:
                if label != caller:
                    proxy = next(proxies)
                    self.routes.append((int(proxy.rpartition(":")[2]), self.settings.replica(label).anti_entropy.port))
                    own["replicas"][label]["anti_entropy"] = proxy
            self._of(caller).write_text(yaml.safe_dump(own, sort_keys=False), encoding="utf-8")

    def command(self, label: str) -> list[str]:
        return [str(self._of(label)) if part == str(self.configuration) else part for part in super().command(label)]

    def _of(self, label: str) -> Path:
        return self.configuration.with_name(f"{label}.yaml")


@contextlib.contextmanager
def linked(
    workspace: Workspace,
    held: dict[str, int],
    settings: dict[str, object],
    break_every_s: float | None = None,
    round_trip_s: float = ROUND_TRIP_S,
) -> Iterator[Processes]:
    with (
        workspace.replicas_of(Linked, held, settings) as processes,
        slow_links(processes.routes, round_trip_s / 2, break_every_s),
    ):
        yield processes


def measure_commit(workspace: Workspace, size: Size) -> list[Row]:
    wanted = reservations()
    with linked(workspace, {"one": 0, "two": 0}, HEALTHY) as processes:
        connection = Connection(processes.settings.replica("two").rest)
        meet(processes)
        samples = [until_committed(connection, next(wanted)) for _ in range(size.of(SAMPLES, 2) + WARM_UP)][WARM_UP:]
        connection.close()
    hundredths = quantiles(samples, n=100)
    round_trip_ms = ROUND_TRIP_S * 1000
    return [
        at_most("commit-wan", "ms, p50; a round trip", (hundredths[49], round_trip_ms), 1.3),
        at_most("commit-wan", "ms, p99; a round trip", (hundredths[98], round_trip_ms), 2.0),
    ]


def measure_apply(workspace: Workspace, size: Size) -> list[Row]:
    count = size.of(WRITES, 10)
    held = {"one": count, "two": 0}
    with linked(workspace, held, {}, round_trip_s=0.0) as near, linked(workspace, held, {}) as far:
        rates = in_turn(size.rounds(ROUNDS), lambda: transferred(near, count), lambda: transferred(far, count))
    return [at_most("apply-wan", "writes/s, near; over 200 ms", rates, 1.25)]


def measure_broken(workspace: Workspace, size: Size) -> list[Row]:
    """Measure how fast an empty replica receives writes over a link that breaks every two seconds. The limit is the
    rate over a link that does not break. No client starts a session: the replicas start all sessions."""
    count = size.of(WRITES, 10)
    rates = list[float]()
    for break_every_s in (None, BREAK_EVERY_S):
        with linked(workspace, {"one": count, "two": 0}, HEALTHY, break_every_s) as processes:
            rates.append(count / seconds_of(partial(_wait_until_held, processes, count)))
            report(f"  {rates[-1]:,.0f} writes/s")
    return [figure("broken", "writes/s; without breaks", rates[1], rates[0])]


def _wait_until_held(processes: Processes, count: int) -> None:
    two = processes.rest("two")
    wait_until(lambda: two.get("/replica")["csn"] == count, WAIT_S, "everything has arrived")
