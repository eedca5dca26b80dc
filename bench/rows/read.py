"""read: how many room calendars of one week are read per second. The requests ask for the tentative view and for the
committed view in turn.

The limit is the rate of empty GETs to the same web server.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

from bench.empty import empty_server
from bench.load import Connection, get
from bench.measure import Size, in_turn
from bench.rows.accept import UNUSED, rate_at, reservations
from bench.table import Row, at_least
from bench.workload import ROOMS
from bench.workspace import Workspace

ROUNDS = 11
ROOMS_READ, DAYS, HOURS = 10, 5, 8  # each room has a reservation in every hour of a working week


def measure(workspace: Workspace, size: Size) -> list[Row]:
    weeks, empty = _weeks(), itertools.repeat(get("/"))
    with workspace.replicas({"one": 0}) as processes, empty_server() as limit:
        ours = processes.settings.replica("one").rest
        connection = Connection(ours)
        for request in itertools.islice(reservations(ROOMS_READ, HOURS), size.of(ROOMS_READ * DAYS * HOURS)):
            connection.ask(request)
        connection.close()
        addresses = [(ours, weeks), (limit, empty)]
        figures = in_turn(size.rounds(ROUNDS), *(rate_at(*pair, size) for pair in addresses))
    return [at_least("read", f"weeks of {DAYS * HOURS} reservations/s", figures, 0.28)]


def _weeks() -> Iterator[bytes]:
    for number in itertools.count():
        room, view = ROOMS[number // 2 % ROOMS_READ], ("tentative", "committed")[number % 2]
        query = {"from": UNUSED.isoformat(), "to": (UNUSED + timedelta(days=7)).isoformat(), "view": view}
        yield get(f"/rooms/{room}/calendar?{urlencode(query)}")
