"""converge: the number of rounds until all replicas hold the same writes, all of them committed. The limit is the
binary logarithm of the number of replicas.

Before the first round, each replica accepts one write. In each round, the replicas form random pairs, and each pair
runs one session.
"""

from __future__ import annotations

import math
import random
from statistics import median

import redis

from bench.measure import Size
from bench.meeting import meet
from bench.table import Row, at_most
from bench.workload import FIRST_STAMP, draft_in_one_room
from bench.workspace import Workspace, open_store
from storage.store import Store

REPLICAS, RUNS, ROUNDS_MAX = 20, 15, 200


def measure(workspace: Workspace, size: Size) -> list[Row]:
    with workspace.redis() as client:
        rounds = [_rounds(client, random.Random(seed)) for seed in range(size.of(RUNS))]
    return [at_most("converge", f"rounds, {REPLICAS} replicas", (median(rounds), math.log2(REPLICAS)), 3.0, "≤ 3 ×")]


def _rounds(client: redis.Redis, choices: random.Random) -> int:
    client.flushall()
    stores = [open_store(client, f"r{number}", primary=number == 0) for number in range(REPLICAS)]
    for number, store in enumerate(stores):
        store.accept(draft_in_one_room(number), FIRST_STAMP + number)
    for number in range(1, ROUNDS_MAX):
        choices.shuffle(stores)
        for one, other in zip(stores[::2], stores[1::2], strict=True):
            meet(one, other)
        if len({_held(store) for store in stores}) == 1 and not stores[0].state().tentative:
            return number
    raise AssertionError(f"the replicas are still not equal after {ROUNDS_MAX} rounds of sessions")


def _held(store: Store) -> tuple[object, ...]:
    state = store.state()
    return state.csn, state.last, state.tentative, tuple(sorted(state.vector.items()))
