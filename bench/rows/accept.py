"""accept: reservations per second at one replica. The limit is the rate of empty POSTs to the same web server.

accept-flat: reservations per second at a replica that holds many reservations. The limit is the rate at a replica that
holds few reservations.

A replica answers only after the reservation is on the disk. An empty POST does not use the disk.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta

from bench.empty import empty_server
from bench.load import post, rate
from bench.measure import Measure, Size, in_turn
from bench.table import Row, at_least
from bench.workload import FIRST_DAY, ROOMS
from bench.workspace import Workspace
from cluster.processes import Processes
from replica.config import Address

ROUNDS, SECONDS = 11, 1.0  # short turns, because the speed of the machine varies
HELD = (100_000, 1_000)
HOURS = 10
UNUSED = FIRST_DAY + timedelta(days=2000)  # after the loaded reservations


def measure(workspace: Workspace, size: Size) -> list[Row]:
    wanted, empty = reservations(), _at("/", reservations())
    with workspace.replicas({"one": 0}) as processes, empty_server() as limit:
        addresses = [(processes.settings.replica("one").rest, wanted), (limit, empty)]
        figures = in_turn(size.rounds(ROUNDS), *(rate_at(*pair, size) for pair in addresses))
    return [at_least("accept", "reservations/s", figures, 0.26)]


def measure_flat(workspace: Workspace, size: Size) -> list[Row]:
    many, few = (size.of(held, 10) for held in HELD)
    with workspace.replicas({"one": many}) as one, workspace.replicas({"one": few}) as other:
        figures = in_turn(size.rounds(ROUNDS), *(_rate_of(processes, size) for processes in (one, other)))
    return [
        at_least("accept-flat", f"reservations/s with {many:,} reservations stored, and with {few:,}", figures, 0.9)
    ]


def _rate_of(processes: Processes, size: Size) -> Measure:
    return rate_at(processes.settings.replica("one").rest, reservations(), size)


def rate_at(address: Address, requests: Iterator[bytes], size: Size) -> Measure:
    return lambda: rate(address, requests, SECONDS * size.scale)


def reservations(rooms: int = len(ROOMS), hours: int = HOURS) -> Iterator[bytes]:
    """Yield requests for ever. Each request reserves one free hour of one room. First come all rooms at the first hour
    of a day, then all rooms at the next hour. After the last hour comes the next day."""
    for number in itertools.count():
        row, room = divmod(number, rooms)
        day, hour = divmod(row, hours)
        start = UNUSED + timedelta(days=day, hours=8 + hour)
        slot = {"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()}
        yield post("/reservations", {"room": ROOMS[room], "slots": [slot], "purpose": "Seminar"})


def _at(path: str, requests: Iterator[bytes]) -> Iterator[bytes]:
    """Yield each request with the path `path` instead of `/reservations`."""
    return (request.replace(b"POST /reservations ", f"POST {path} ".encode(), 1) for request in requests)
