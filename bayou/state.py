"""What a replica is at one moment: its identity, its vectors and its counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Vector = Mapping[str, int]  # server id -> the newest stamp of it that is held (0 when absent)


@dataclass(frozen=True, slots=True)
class State:
    """`birth` and `primary` are server ids, empty while unknown; `met`: a peer of the same birth was met; `history` is
    that of bayou/history.py, as JSON; `last` is the id of the last committed write; `retired_servers` are minted ids.

    Invariant 1: committed_vector <= vector, entry by entry (completed).
    """

    server: str
    label: str
    cluster: str
    birth: str
    met: bool
    primary: str
    history: str
    csn: int
    osn: int
    last: str
    vector: Vector
    committed_vector: Vector
    omitted_vector: Vector
    retired_servers: tuple[str, ...]
    retired: bool
    tentative: int
    clock: int

    @property
    def is_primary(self) -> bool:
        return self.primary == self.server


def covers(vector: Vector, other: Vector) -> bool:
    """Whether everything that `other` counts is counted by `vector` too."""
    return all(vector.get(server, 0) >= stamp for server, stamp in other.items())
