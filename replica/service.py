"""What a replica offers to its applications: bayou.application.Service, over the store and the peers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from flask import request

from bayou.application import Accepted, Snapshot
from bayou.errors import BadInput, Unauthorized
from bayou.write import Draft
from replica.config import NAME, Config
from replica.peers import Peers

USER_HEADER = "Bayou-User"


class ServiceStore(Protocol):
    """The part of storage.store.Store that an application's requests need."""

    def accept(self, draft: Draft, now_us: int) -> Accepted: ...

    def read(self, pages: Sequence[str]) -> Snapshot: ...

    def members(self, name: str) -> list[str]: ...


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class ReplicaService:
    """One a replica; every thread may use it. `clock` gives aware UTC moments."""

    def __init__(
        self, settings: Config, store: ServiceStore, peers: Peers, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings = settings
        self._store = store
        self._peers = peers
        self._clock = clock

    @property
    def settings(self) -> Config:
        return self._settings

    def now(self) -> datetime:
        return self._clock()

    def user(self) -> str:
        """Who makes the present request, by its header; there is no authentication."""
        name = request.headers.get(USER_HEADER)
        if name is None:
            raise Unauthorized("user_missing", f"Say who you are with the header {USER_HEADER}: NAME.")
        if not NAME.fullmatch(name):
            raise BadInput(
                "bad_input",
                f"{USER_HEADER} is a name of 1 to 64 letters, digits and . _ @ + -.",
                field=USER_HEADER,
            )
        return name

    def submit(self, draft: Draft) -> Accepted:
        """One transaction; peers hear of it soon if it was logged."""
        accepted = self._store.accept(draft, _microseconds(self._clock()))
        if accepted.logged:
            self._peers.poke()
        return accepted

    def read(self, pages: Sequence[str]) -> Snapshot:
        return self._store.read(pages)

    def members(self, name: str) -> list[str]:
        return self._store.members(name)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
