"""What the REST resources of a replica work on, and how much of the store operators may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from apps.api.application import Application
from bayou.application import Snapshot
from bayou.store import AntiEntropyStore
from replica.anti_entropy.peers import Peers
from replica.config import Config
from replica.events.feed import Tail
from replica.http.service import ReplicaService
from replica.membership.commands import Membership
from storage.store import Digest, LogEntry, Member, Vitals


class OperatorStore(AntiEntropyStore, Protocol):
    """The part of storage.store.Store that operators use, beside that of sessions: a file is one as well."""

    def digest(self) -> Digest: ...

    def log(self, after: str | None, count_max: int) -> list[LogEntry] | None: ...

    def commit(self) -> int: ...

    def truncate(self, keep: int, *, older_than_us: int | None = None) -> int: ...

    def members_of_cluster(self) -> list[Member]: ...

    def vitals(self) -> Vitals: ...

    def read(self, pages: Sequence[str]) -> Snapshot: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one running replica. `membership` is absent where nobody can join or leave, as in a simulation;
    `operator_hash`, of the operator's token, where no tokens are asked for."""

    label: str
    settings: Config
    service: ReplicaService
    store: OperatorStore
    peers: Peers
    tail: Tail
    applications: Sequence[Application]
    membership: Membership | None = None
    operator_hash: str | None = None
