"""papers: repeats measurements of two papers. Terry 1995 measured storage, undo, redo, reads and writes. Petersen 1997
measured sessions.

The column `limit` has the figure of the paper, measured on a machine of that time. Terry 1995 used a bibliographic
database of 1,550 entries. Some entries were tentative. This row uses reservations instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import redis

from apps import APPLICATIONS
from bench.load import Connection, get, post
from bench.measure import Size, in_turn, seconds_of
from bench.table import Row, figure
from bench.workload import FIRST_DAY, FIRST_STAMP, ROOMS, conflicting, long_writes, take
from bench.workspace import Workspace, open_store, store_of
from storage.keys import Namespace
from storage.members import MEMBERS
from storage.scripts import FOLDER, script

ENTRIES = 1550
TENTATIVE = (0, 50, 100, 500, 1550)
LOG_KB, TOTAL_KB = (9, 129, 259, 1302, 4028), (405, 513, 630, 1571, 4029)
UNDO_MS, REDO_MS = (0, 31, 70, 330, 866), (0, 237, 611, 2796, 7838)
READ_ONE_MS, READ_HUNDRED_MS, WRITE_MS, CONFLICT_MS = 27, 206, 159, 207
SESSION_S = {100: 5.0, 3000: 7.2}  # bytes of a write -> seconds of a session with a hundred writes, over Ethernet
ROUNDS, REQUESTS = 5, 50
LOG_KEYS = ("writes", "outcomes", "effects", "committed", "tentative", "origins", "origin", "index")


def measure(workspace: Workspace, size: Size) -> list[Row]:
    tentative = TENTATIVE if size.scale >= 1 else TENTATIVE[:2]
    tables: list[list[Row]] = [[], [], [], []]
    with workspace.redis() as client:
        for column, count in enumerate(tentative):
            log, total = _storage_kb(client, count)
            undo, redo = _undo_redo_ms(client, size)
            at = f"at {count:,} tentative writes"
            for table, name, ours, theirs in (
                (0, "KB, write log", log, LOG_KB),
                (1, "KB, total", total, TOTAL_KB),
                (2, "ms, undo all", undo, UNDO_MS),
                (3, "ms, redo all", redo, REDO_MS),
            ):
                tables[table].append(figure("papers", f"{name} {at}", ours, theirs[column]))
    return [
        *(row for table in tables for row in table),
        *_client_rows(workspace, size),
        *_session_rows(workspace, size),
    ]


def _storage_kb(client: redis.Redis, count: int) -> tuple[float, float]:
    """Store ENTRIES reservations in an empty replica. The last `count` reservations stay tentative. The others are
    committed, and their writes are no longer in the log.

    Return (size of the log, size of all keys without the events), in kB.
    """
    client.flushall()
    store = open_store(client, "papers", primary=True)
    items = conflicting(ENTRIES, "peer~aaaaaa")
    take(store, items[: ENTRIES - count])
    store.truncate(0)
    client.hset(Namespace("papers").meta, "primary", "other~aaaaaa")  # so that the rest stays tentative
    take(store, items[ENTRIES - count :])
    keys = Namespace("papers")
    log = sum(_bytes(client, getattr(keys, name)) for name in LOG_KEYS)
    return log / 1000, (_bytes(client, keys.prefix) - _bytes(client, keys.events)) / 1000


def _bytes(client: Any, prefix: str) -> int:
    return sum(client.memory_usage(key, samples=0) for key in client.scan_iter(match=prefix + "*", count=1000))


def _undo_redo_ms(client: redis.Redis, size: Size) -> Sequence[float]:
    """Return how long it takes to undo all tentative writes, and to play them again, in milliseconds."""
    played = (MEMBERS, *APPLICATIONS)
    verb = (FOLDER / "commands" / "commit_tentative.lua").read_text(encoding="utf-8")
    own = Path(__file__).parent.parent.joinpath("undo_redo.lua").read_text(encoding="utf-8")
    run = client.register_script(script("commit_tentative", played).replace(verb, own))
    prefix = [Namespace("papers").prefix]
    undo, both = in_turn(
        max(size.rounds(ROUNDS), 2),
        lambda: seconds_of(lambda: run(prefix, [0])),
        lambda: seconds_of(lambda: run(prefix, [1])),
    )
    return undo * 1000, (both - undo) * 1000


def _client_rows(workspace: Workspace, size: Size) -> Iterator[Row]:
    requests = size.of(REQUESTS, 2)
    with workspace.replicas({"one": 0}) as processes:
        connection = Connection(processes.settings.replica("one").rest)

        def ms(send: Iterator[bytes]) -> Any:
            return lambda: seconds_of(lambda: connection.ask(next(send))) * 1000

        for number in range(100):
            connection.ask(_reserve(f"seed-{number}", ROOMS[0], number))
        day = {"from": FIRST_DAY.isoformat(), "to": (FIRST_DAY + timedelta(days=5)).isoformat()}
        figures = in_turn(
            requests,
            ms(_again(get("/reservations/vish/seed-0"))),
            ms(_again(get(f"/rooms/{ROOMS[0]}/calendar?{urlencode(day)}"))),
            ms(_reserve(f"free-{number}", ROOMS[1], number) for number in range(requests + 1)),
            ms(_reserve(f"late-{number}", ROOMS[0], number, 2000 + number) for number in range(requests + 1)),
        )
        connection.close()
    names = ("read one", "read a hundred", "write without conflict", "write with conflict")
    for name, ours, theirs in zip(names, figures, (READ_ONE_MS, READ_HUNDRED_MS, WRITE_MS, CONFLICT_MS), strict=True):
        yield figure("papers", f"ms, {name}", ours, theirs)


def _again(request: bytes) -> Iterator[bytes]:
    while True:
        yield request


def _reserve(request: str, room: str, *hours: int) -> bytes:
    starts = [FIRST_DAY + timedelta(hours=hour) for hour in hours]
    slots = [{"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()} for start in starts]
    return post("/reservations", {"room": room, "slots": slots, "purpose": "Seminar", "request": request})


def _session_rows(workspace: Workspace, size: Size) -> Iterator[Row]:
    """Measure sessions over gRPC between two replicas. A session carries a hundred short writes, a hundred long writes,
    or a thousand short writes. Yield the lines of the table."""
    count = size.of(100, 2)
    rounds = max(size.rounds(ROUNDS), 2)
    with workspace.replicas({"one": 0, "two": 0}) as processes:
        connection = Connection(processes.settings.replica("two").rest)
        connection.ask(post("/replica/sync/one", {}))
        sender = _Sender(processes, connection)
        short, long, many = in_turn(
            rounds,
            lambda: sender.session_s(count, 100),
            lambda: sender.session_s(count, 3000),
            lambda: sender.session_s(10 * count, 100),
        )
        connection.close()
    yield figure("papers", f"s, session of {count} writes of {sender.least} bytes (100 in 1997)", short, SESSION_S[100])
    yield figure("papers", f"s, session of {count} writes of 3,000 bytes", long, SESSION_S[3000])
    yield figure("papers", "× the time for ten times the writes", many / short, 10)


class _Sender:
    """Replica `one`. Before each session with `two`, it receives new writes of another replica."""

    def __init__(self, processes: Any, connection: Connection) -> None:
        self._store, _ = store_of(processes, "one")
        self._connection = connection
        self._sent = 0
        self.least = 0

    def session_s(self, count: int, size_bytes: int) -> float:
        prev = FIRST_STAMP + (self._sent - 1) * 10 if self._sent else 0
        items = long_writes(count, "peer~aaaaaa", FIRST_STAMP + self._sent * 10, size_bytes, prev, self._sent)
        self.least = len(items[0].body) if size_bytes == 100 else self.least
        self._sent += count
        take(self._store, items)
        return float(self._connection.ask(post("/replica/sync/one", {}))["seconds"])
