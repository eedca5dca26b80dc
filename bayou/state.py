"""The state of a replica at one moment: its identity, its vectors and its counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Vector = Mapping[str, int]  # server id -> the newest stamp of that server that is held (0 if absent)


@dataclass(frozen=True, slots=True)
class State:
    """The state of a replica at one moment. Invariant 1: `vector` covers `committed_vector`, entry by entry.
    bayou/vectors.py explains a missing entry.

    birth             server id of the cluster's first primary; empty while unknown
    met               true if this replica has met another replica with the same birth
    primary           server id of the primary; empty while unknown
    history           the epochs as JSON; see bayou/history.py
    last              id of the last committed write
    log_applications  the tags of the applications whose writes the log has ever held. A new cluster begins with the tag
                      of the newest version of each application.
    retired_servers   the minted ids (LABEL~NONCE) of the servers that are known to have retired
    retires           true if this server will retire once no write is set aside any more
    tentative         how many writes are tentative
    set_aside         how many writes are set aside
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
    retires: bool
    tentative: int
    set_aside: int
    clock: int
    log_applications: tuple[str, ...] = ()

    @property
    def is_primary(self) -> bool:
        return self.primary == self.server

    @property
    def has_place(self) -> bool:
        """True if new writes under the present server id have a place in the order. False if the server has retired.
        Also False if the server was created and this replica does not hold the creation."""
        return not self.retired and (":" not in self.server or self.server in self.vector)


def covers(vector: Vector, other: Vector) -> bool:
    """Whether `vector` covers `other`: for each server, the entry of `vector` is not less than the entry of `other`. A
    missing entry counts as 0."""
    return all(vector.get(server, 0) >= stamp for server, stamp in other.items())
