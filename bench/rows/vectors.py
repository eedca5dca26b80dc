"""vectors: the cost of a session if the version vectors have many servers.

The servers form either a star or a chain. In a star, one server has created all other servers. In a chain, each server
has created the next server.

As in Petersen 1997, section 6, a session carries 100 writes of 3,000 bytes. No server is really created: the entries of
the servers are written directly into the vectors of both replicas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import redis

from bayou.frames import Frame, Hello
from bayou.stamps import stamp_text
from bench.measure import Measure, Size, in_turn, seconds_of
from bench.meeting import meet
from bench.table import Row, figure
from bench.workload import FIRST_STAMP, long_writes, take
from bench.workspace import Workspace, open_store
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.protobuf_codec import decode, encode
from storage.keys import Namespace

ROUNDS = 7
FEW, STAR, CHAIN = 3, 5_000, 350
WRITES, WRITE_BYTES = 100, 3_000
ID_BYTES_MAX = 8 * 1024  # a replica accepts ids of at most 512 bytes, a chain of 29
CREATOR = "one~aaaaaa"
PAPER_S = {"few": 7.0, "star": 17.0, "chain": 51.0}


def measure(workspace: Workspace, size: Size) -> list[Row]:
    servers = {"few": _star(FEW), "star": _star(size.of(STAR, 5)), "chain": _chain(size.of(CHAIN, 5))}
    kinds = list(servers)
    with workspace.redis() as client:
        seconds = dict(
            zip(kinds, in_turn(size.rounds(ROUNDS), *(_session(client, servers[kind]) for kind in kinds)), strict=True)
        )
    hello_bytes = {kind: _hello_bytes(servers[kind]) for kind in kinds}
    lines = []
    for kind, formula in (("star", _star_bytes), ("chain", _chain_bytes)):
        count = len(servers[kind])
        lines += [
            figure(
                "vectors",
                f"× a session with {FEW} servers: {count:,} in a {kind}; 1997's",
                seconds[kind] / seconds["few"],
                PAPER_S[kind] / PAPER_S["few"],
            ),
            figure(
                "vectors",
                f"ms, a session with {count:,} in a {kind}; with {FEW}",
                seconds[kind] * 1000,
                seconds["few"] * 1000,
            ),
            figure("vectors", f"bytes of a vector of {count:,} in a {kind}; 1997's", hello_bytes[kind], formula(count)),
        ]
    return lines


def _star_bytes(count: int) -> int:
    return 20 * count - 4


def _chain_bytes(count: int) -> int:
    return 4 * count**2 + 8 * count + 4


def _star(count: int) -> list[str]:
    """Return the ids of servers. CREATOR has created all of them."""
    return [f"{stamp_text(FIRST_STAMP + number)}:{CREATOR}" for number in range(count)]


def _chain(count: int) -> list[str]:
    """Return the ids of servers. CREATOR has created the first server, and each server has created the next server."""
    ids = [CREATOR]
    for number in range(count):
        ids.append(f"{stamp_text(FIRST_STAMP + number)}:{ids[-1]}")
    return ids[1:]


def _session(client: redis.Redis, servers: Sequence[str]) -> Measure:
    """Return a function that measures how long a session takes, in seconds. Every frame is encoded and decoded."""
    items = long_writes(WRITES, CREATOR, FIRST_STAMP + 10**9, WRITE_BYTES)

    def measured() -> float:
        client.flushall()
        one, two = (open_store(client, label, primary=label == "one") for label in ("one", "two"))
        for label in ("one", "two"):
            _know(client, label, servers)
        take(one, items)
        with patch("bayou.frame_validation.SERVER_BYTES_MAX", ID_BYTES_MAX):
            return seconds_of(lambda: meet(two, one, _carried))

    return measured


def _know(client: Any, label: str, servers: Sequence[str]) -> None:
    entries = {server: stamp_text(FIRST_STAMP) for server in servers}
    for key in (Namespace(label).vector, Namespace(label).committed_vector):
        client.hset(key, mapping=entries)


def _carried(frame: Frame) -> Frame:
    return decode(wire.Frame.FromString(encode(frame).SerializeToString()))


def _hello_bytes(servers: Sequence[str]) -> int:
    """Return the number of bytes that these servers add to a hello."""
    empty = encode(_hello({})).ByteSize()
    return encode(_hello(dict.fromkeys(servers, FIRST_STAMP))).ByteSize() - empty


def _hello(vector: dict[str, int]) -> Hello:
    return Hello(
        protocol=1,
        cluster="c",
        server=CREATOR,
        label="one",
        birth=CREATOR,
        met=True,
        history="[]",
        csn=0,
        last="",
        vector=vector,
        retired_servers=(),
        retired=False,
        applications={},
        clock=FIRST_STAMP,
        log_applications=(),
        settings={},
    )
