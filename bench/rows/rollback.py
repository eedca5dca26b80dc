"""rollback-far and rollback-near: the time to receive an early write. An early write arrives after other writes, but
stands before them in the order.

In rollback-far, the early write has a page of its own, so nothing is replayed. In rollback-near, all writes are on one
page, so every write after the early write is replayed.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import redis

from bayou.payloads import Selection
from bench.measure import Measure, Size, in_turn, seconds_of
from bench.table import Row, at_most, below
from bench.workload import FIRST_STAMP, alone, in_one_room, take, undisputed
from bench.workspace import Workspace, open_store
from storage.store import Store

FAR = (100_000, 1_000)
FAR_ROUNDS, EACH = 5, 100  # early writes in each round
NEAR = (0, 10, 100, 1_000)
NEAR_ROUNDS = 25
LATER = FIRST_STAMP + 10**12


def measure_far(workspace: Workspace, size: Size) -> list[Row]:
    many, few = (size.of(count, 10) for count in FAR)
    with workspace.redis() as client:
        stores = [open_store(client, label, primary=False) for label in ("many", "few")]
        for store, count in zip(stores, (many, few), strict=True):
            take(store, undisputed(count, "peer~aaaaaa"))
        early = [_early_writes(store, size.of(EACH, 2)) for store in stores]
        figures = in_turn(size.rounds(FAR_ROUNDS), *(writes.__next__ for writes in early))
    return [at_most("rollback-far", f"ms, before {many:,} and before {few:,}", figures, 1.3, "≤ 1.3 ×")]


def _early_writes(store: Store, count: int) -> Iterator[float]:
    """In each round, let the store receive `count` early writes. Yield the mean time of one write, in milliseconds.
    Each write has a page of its own."""
    numbers, prev = itertools.count(), 0
    while True:
        selections = []
        for number in itertools.islice(numbers, count):
            stamp = FIRST_STAMP // 2 + number
            selections.append(Selection(0, "", (alone(number, "early~aaaaaa", stamp, prev),)))
            prev = stamp

        began = time.perf_counter()
        for selection in selections:
            received = store.receive(selection, "early")
            assert (received.new, received.rolled_back) == (1, 0), received
        yield (time.perf_counter() - began) / count * 1000


def measure_near(workspace: Workspace, size: Size) -> list[Row]:
    counts = [size.of(count) if count else 0 for count in NEAR]
    with workspace.redis() as client:
        none, *figures = in_turn(size.rounds(NEAR_ROUNDS), *(_near(client, count) for count in counts))
    each_us = [(seconds - none) / count * 1e6 for seconds, count in zip(figures, counts[1:], strict=True)]
    units = [f"µs for each of k = {count:,}" for count in counts[1:]]
    return [
        *(below("rollback-near", unit, ours, 60) for unit, ours in zip(units, each_us, strict=True)),
        at_most("rollback-near", f"{units[-1]} and of k = {counts[-2]:,}", each_us[:-3:-1], 2.0, "linear: ≤ 2"),
    ]


def _near(client: redis.Redis, count: int) -> Measure:
    """Return a function that measures how long a replica takes to receive one early write, in seconds. The early write
    makes the replica replay `count` writes of the same page."""
    later = in_one_room(count, "peer~aaaaaa", LATER)
    before = in_one_room(1, "early~aaaaaa", FIRST_STAMP)
    elsewhere = [alone(0, "far~aaaaaa", FIRST_STAMP, 0)]

    def measured() -> float:
        client.flushall()
        store = open_store(client, "near", primary=False)
        take(store, later)
        take(store, elsewhere)  # so that the log is not empty if count is 0

        def receive() -> None:
            received = store.receive(Selection(0, "", tuple(before)), "early")
            assert received.rolled_back == count, received

        return seconds_of(receive)

    return measured
