"""million: one replica, measured first with 100,000 reservations and then with 1,000,000 reservations.

The reservations are like those of a university: 100 rooms, eight hours of each working day, almost five years, and
4,501 users. The user `desk` makes every tenth reservation. The replica receives the reservations in batches, as from a
peer, and stores them in its embedded Redis. The time to make the writes does not count.

The row asks the replica the same questions at both sizes. At the larger size, a user has more reservations, and a
calendar feed has more events. Every other question is about the same amount of data at both sizes. If such a question
takes longer at the larger size, its cost depends on data that the question is not about.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from apps import APPLICATIONS
from bench.measure import Size, report, seconds_of
from bench.rows.anti_entropy import transferred
from bench.rows.memory import resident_mib
from bench.rows.start import loading_s, started
from bench.table import Row, at_most, figure
from bench.workload import BATCH, FIRST_MONDAY, MANY_ROOMS, ZONE, spread, take
from bench.workspace import LOADER, WithLog, Workspace, store_of
from cluster.processes import Processes
from replica.membership.identity import mark
from storage.redis.connect import open_storage
from storage.store import Store

COUNT, TENTHS = 1_000_000, 10
TIMES = 9  # that each question is asked; the median counts
SETTINGS = {
    "rooms": MANY_ROOMS,
    "timezone": ZONE.key,
    "log": {"keep_committed": 1_000_000_000},  # so that only this row truncates it
}
GROWN_MAX = 2.0  # a cost that is proportional to the number of reservations would grow tenfold
TRANSFER_S = 900.0  # as long as a session may last
MIB = 1 << 20
USER = "user-0001"


class Filled(NamedTuple):
    """How long the replica took to receive one tenth of the reservations. `processor_s` is the processor time of the
    replica's Redis."""

    seconds: float
    processor_s: float


def measure(workspace: Workspace, size: Size) -> list[Row]:
    tenth = size.of(COUNT // TENTHS, 100)
    with workspace.replicas_of(WithLog, {"one": 0, "two": 0}, SETTINGS) as processes:
        filled = _fill(processes, tenth, range(1))
        hours = itertools.count()
        few = _figures(processes, hours)
        filled += _fill(processes, tenth, range(1, TENTHS))
        many = _figures(processes, hours)
        csn = processes.rest("one").get("/replica")["csn"]
        report("  a session brings the log to an empty replica")
        from_log = transferred(processes, csn, TRANSFER_S)
        report("  truncating the log")
        truncated_s = seconds_of(lambda: store_of(processes, "one")[0].truncate(0))
        report("  a session brings the full state to an empty replica")
        full_state = transferred(processes, csn, TRANSFER_S)
    first, half, last = (tenth / filled[number].seconds for number in (0, TENTHS // 2 - 1, TENTHS - 1))
    spent_us = [filled[number].processor_s / tenth * 1e6 for number in (TENTHS - 1, 0)]
    return [
        figure("million", f"s to receive {tenth * TENTHS:,}", sum(one.seconds for one in filled)),
        figure("million", "writes/s, the fifth tenth and the first", half, first),
        figure("million", "writes/s, the last tenth and the first", last, first),
        at_most("million", "µs of Redis's processor per write, the last tenth and the first", spent_us, GROWN_MAX),
        *(figure("million", unit, many[unit], few[unit]) for unit in many),
        figure("million", "writes/s to an empty replica, from the log", from_log),
        figure("million", "writes/s truncated", csn / truncated_s),
        figure("million", "reservations/s to an empty replica, as full state", full_state),
    ]


def _fill(processes: Processes, tenth: int, numbers: range) -> list[Filled]:
    """Add reservations to the replica `one`, in parts of `tenth` reservations. Return the time for each part.

    The replica does not run meanwhile. It starts again before this function returns.

    tenth    the number of reservations in each part, which is a tenth of all
    numbers  the numbers of the parts, from 0 to 9
    """
    processes.stop("one")
    opened = open_storage("embedded", processes.settings.data, "one")
    store, filled = Store(opened.client, "one", APPLICATIONS), []
    try:
        assert opened.identity_file is not None
        opened.confirm(opened.identity_file)  # so that the mark of this change counts at the next start
        for number in numbers:
            seconds, before = 0.0, _processor_s(opened.client)
            for first in range(number * tenth, (number + 1) * tenth, BATCH):
                items = spread(min(BATCH, (number + 1) * tenth - first), LOADER, first=first)
                seconds += seconds_of(lambda items=items: take(store, items))  # type: ignore[misc]
            filled.append(Filled(seconds, _processor_s(opened.client) - before))
            spent_us = 1e6 * filled[-1].processor_s / tenth
            report(
                f"  {(number + 1) * tenth:,} reservations: {tenth / seconds:,.0f} writes/s, {spent_us:.1f} µs"
                " of Redis each"
            )
    finally:
        opened.close(clean=True, mark=mark(store))
    processes.start("one")
    processes.wait_until_serving("one")
    return filled


def _processor_s(client: Any) -> float:
    """Return the processor time that the main thread of this Redis has used, in seconds."""
    found = client.info("cpu")
    return float(found["used_cpu_user_main_thread"] + found["used_cpu_sys_main_thread"])


def _figures(processes: Processes, hours: Iterator[int]) -> dict[str, float]:
    """Measure the replica `one`. Return unit -> figure, for example `ms, /rooms` -> 1.2. `hours` counts up, so that
    each new reservation has a free hour."""
    report("  starting the replica again, and sending requests")
    start_s = started(processes)
    loading = loading_s(processes)
    found = {"s to start, without the time in which Redis reads": start_s - loading, "s in which Redis reads": loading}
    for question, ask in _questions(processes, hours).items():
        ask()
        found[f"ms, {question}"] = 1000 * median(seconds_of(ask) for _ in range(TIMES))
    _, client = store_of(processes, "one")
    files = (file for file in (processes.settings.data / "one").rglob("*") if file.is_file())
    found |= {
        "MiB, memory of Redis": client.info("memory")["used_memory"] / MIB,
        "MiB, the replica's process": resident_mib(processes.pid("one")),
        "MiB on the disk": sum(file.stat().st_size for file in files) / MIB,
    }
    for unit, value in found.items():
        report(f"  {value:,.3g} {unit}")
    return found


def _questions(processes: Processes, hours: Iterator[int]) -> dict[str, Callable[[], object]]:
    """Return the questions to the replica `one`: name in the table -> function that asks the question. `hours` counts
    up, so that each new reservation has a free hour."""
    rest, room = processes.rest("one"), MANY_ROOMS[0]
    day = FIRST_MONDAY.replace(hour=0) + timedelta(days=1)
    whole_day, one_hour = _period(day, 24), _period(day + timedelta(hours=17), 1)
    return {
        "a reservation": lambda: rest.post(
            "/reservations",
            {"room": room, "slots": [_slot(FIRST_MONDAY + timedelta(days=7000, hours=next(hours)))]},
            USER,
        ),
        "a day of a room": lambda: rest.get(f"/rooms/{room}/calendar", **whole_day),
        "free rooms in an hour": lambda: rest.get("/rooms/free", **one_hour),
        "/replica": lambda: rest.get("/replica"),
        "100 writes of the log": lambda: rest.get("/replica/log", limit="100"),
        "/rooms": lambda: rest.get("/rooms"),
        "/metrics": lambda: rest.get("/metrics"),
        "/local-times": lambda: rest.get("/local-times"),
        "100 reservations of `desk`, who has a tenth": lambda: rest.get("/users/desk/reservations", limit="100"),
        "the calendar feed of a user": lambda: rest.get(f"/users/{USER}/calendar.ics"),
        "the calendar feed of a room": lambda: rest.get(f"/rooms/{room}/calendar.ics"),
    }


def _period(start: datetime, hours: int) -> dict[str, str]:
    return {"from": start.isoformat(), "to": (start + timedelta(hours=hours)).isoformat()}


def _slot(start: datetime) -> dict[str, str]:
    return {"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()}
