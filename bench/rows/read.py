"""read: a room's week in both views, in turn, against an empty GET of the same server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

from bench.empty import empty_server
from bench.ground import Ground
from bench.load import get, rate
from bench.measure import Size, in_turn
from bench.table import Row, at_least
from bench.workload import FIRST_DAY, ROOMS

ROUNDS, SECONDS = 5, 2.0
HELD = 10_000  # with this workload, every room has 24 reservations on each of its first ten days


def measure(ground: Ground, size: Size) -> list[Row]:
    weeks, empty = _weeks(), itertools.repeat(get("/"))
    with ground.replicas({"one": size.of(HELD, 10)}) as processes, empty_server() as limit:
        ours = processes.settings.replica("one").rest
        figures = in_turn(
            size.rounds(ROUNDS),
            lambda: rate(ours, weeks, SECONDS * size.scale),
            lambda: rate(limit, empty, SECONDS * size.scale),
        )
    return [at_least("read", "weeks of a room/s", figures, 0.6)]


def _weeks() -> Iterator[bytes]:
    for number in itertools.count():
        room, view = ROOMS[number // 2 % len(ROOMS)], ("tentative", "committed")[number % 2]
        query = {"from": FIRST_DAY.isoformat(), "to": (FIRST_DAY + timedelta(days=7)).isoformat(), "view": view}
        yield get(f"/rooms/{room}/calendar?{urlencode(query)}")
