"""store: how fast a replica receives a peer's batches. The limit is how fast redis-py stores the same keys, without
conflict detection.

For the limit, redis-py sends each batch as one pipeline in MULTI/EXEC. The pipeline has a command for each key of each
write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import redis

from bayou.payloads import Item
from bayou.write import Write
from bench.measure import Size, in_turn, seconds_of
from bench.table import Row, at_least
from bench.workload import BATCH, conflicting, take
from bench.workspace import Workspace, open_store
from storage.keys import Namespace

ROUNDS = 11
COUNT = 5_000
PEER = "peer~aaaaaa"
OF_HSET = 25_000 / 90_000  # least share of the rate of one pipelined HSET per write

Command = tuple[Any, ...]


def measure(workspace: Workspace, size: Size) -> list[Row]:
    items = conflicting(size.of(COUNT, 4), PEER)
    with workspace.redis() as client:
        committed, tentative = (final_commands(client, items, primary=primary) for primary in (True, False))
        figures = in_turn(
            size.rounds(ROUNDS),
            lambda: received(client, items, primary=True),
            lambda: _stored(client, committed),
            lambda: received(client, items, primary=False),
            lambda: _stored(client, tentative),
            lambda: _plain(client, items),
        )
    rates = [len(items) / seconds for seconds in figures]
    return [
        at_least("store", "writes/s, committed at once", rates[:2], 1.0),
        at_least("store", "writes/s, tentative", rates[2:4], 1.0),
        at_least("store", "writes/s, beside a plain HSET", (rates[0], rates[4]), OF_HSET, "≥ 0.28 (25,000 of 90,000)"),
    ]


def received(client: redis.Redis, items: Sequence[Item], *, primary: bool) -> float:
    """Return how long an empty replica takes, in seconds, to receive the items."""
    client.flushall()
    store = open_store(client, "ours", primary=primary)
    return seconds_of(lambda: take(store, items))


def final_commands(client: redis.Redis, items: Sequence[Item], *, primary: bool) -> list[list[Command]]:
    """Return one list of commands for each write. The commands store the keys of the write, with the values that a
    replica holds after it has received all items."""
    received(client, items, primary=primary)
    keys, found = Namespace("ours"), []
    family = keys.committed_page if primary else keys.tentative_page
    writes = [Write.decode(item.body) for item in items]
    with client.pipeline(transaction=False) as pipeline:
        for item, write in zip(items, writes, strict=True):
            pipeline.hget(keys.outcomes, item.id)
            pipeline.hget(keys.effects, item.id)
            pipeline.zscore(keys.committed, item.id)
            for page in write.pages:
                pipeline.hgetall(family + page)
        replies = iter(pipeline.execute())
    for item, write in zip(items, writes, strict=True):
        outcome, effects, csn, mine, room = (next(replies) for _ in range(3 + len(write.pages)))
        start = outcome.split()[1].partition(b"/")[0]
        pages = [mine, {start: room[start]}]
        commands: list[Command] = [
            ("HSET", keys.writes, item.id, item.body),
            ("HSET", keys.outcomes, item.id, outcome),
            ("SADD", f"{keys.list}user:{write.user}", write.request),
            *(("HSET", family + name, *chain(*page.items())) for name, page in zip(write.pages, pages, strict=True)),
        ]
        if primary:
            commands += [("ZADD", keys.committed, int(csn), item.id), ("ZADD", keys.changed, *_changed(csn, write))]
        else:
            zsets = [keys.tentative, keys.origin + write.origin, *(keys.index + page for page in write.pages)]
            commands += [("HSET", keys.effects, item.id, effects)]
            commands += [("ZADD", key, write.stamp, item.id) for key in zsets]
        found.append(commands)
    return found


def _changed(csn: float, write: Write) -> Iterator[int | str]:
    for page in write.pages:
        yield from (int(csn), page)


def _plain(client: redis.Redis, items: Sequence[Item]) -> float:
    """Return how long redis-py takes, in seconds, to store the bodies of all writes, with one `hset` per body in
    pipelines."""
    client.flushall()

    def store() -> None:
        for number in range(0, len(items), BATCH):
            pipeline = client.pipeline()
            for item in items[number : number + BATCH]:
                pipeline.hset("plain", item.id, item.body)
            pipeline.execute()

    return seconds_of(store)


def _stored(client: Any, commands: Sequence[Sequence[Command]]) -> float:
    client.flushall()

    def store() -> None:
        for first in range(0, len(commands), BATCH):
            with client.pipeline() as pipeline:
                for of_a_write in commands[first : first + BATCH]:
                    for command in of_a_write:
                        pipeline.execute_command(*command)
                pipeline.execute()

    return seconds_of(store)
