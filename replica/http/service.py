"""What a replica offers to its applications: apps.api.service.Service, over the store and the peers.

The guarantees of the client's session (client_session.py) are kept here, so that applications need not know of them:
 what a session needs is checked in the transaction that reads or accepts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from flask import request

from bayou.application import Accepted, History, Sighting, Snapshot, Turn
from bayou.errors import BadInput, Behind, Unauthorized
from bayou.names import NAME
from bayou.state import Vector
from bayou.write import Draft, Write
from replica.anti_entropy.peers import Peers
from replica.clock import Clock, microseconds, utc_now
from replica.config import Config
from replica.http.caller import present_asking
from replica.http.client_session import asked_view, present
from replica.http.concurrency_limit import Places
from storage.members import Member, label_of

USER_HEADER = "Bayou-User"
WAITING_MAX = 6  # requests that may wait for what their session needs at a time, below the number of threads

Result = TypeVar("Result")


class ServiceStore(Protocol):
    """The part of storage.store.Store that an application's requests need."""

    def accept(self, draft: Draft, now_us: int, needs: Vector, shown: Sequence[str]) -> Accepted: ...

    def read(self, pages: Sequence[str], needs: Vector, view: str) -> Snapshot: ...

    def members(self, name: str) -> list[str]: ...

    def history(self, page: str) -> History: ...

    def turns(self, ids: Collection[str]) -> tuple[list[Turn], datetime | None]: ...

    def writes(self, ids: Sequence[str]) -> dict[str, Write]: ...

    def members_of_cluster(self) -> list[Member]: ...

    def sightings(self, name: str, shown: Mapping[str, tuple[str, int]], now_s: int) -> Mapping[str, Sighting]: ...


class Change(Protocol):
    """A position among the events; see replica.events.feed.Follower."""

    @property
    def ended(self) -> bool:
        """Whether nothing new will come, for the replica stops."""

    def take(self, timeout_s: float) -> object:
        """Wait for something new behind it."""


class ReplicaService:
    """One a replica; every thread may use it. `clock` gives aware UTC moments.

    `follow` gives the present position among the events, for requests that may wait; without it none waits.
    """

    def __init__(
        self,
        settings: Config,
        store: ServiceStore,
        peers: Peers,
        clock: Clock = utc_now,
        follow: Callable[[], Change | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._peers = peers
        self._clock = clock
        self._follow = follow
        self._places = Places(WAITING_MAX, "too_many_waiting", "requests that wait for their session")

    @property
    def settings(self) -> Config:
        return self._settings

    def now(self) -> datetime:
        return self._clock()

    def user(self) -> str:
        """Who makes the present request: whose token it carries; where none is asked for, whom its header names."""
        holder = present_asking().name
        if holder is not None:
            return holder
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

    def role(self) -> str:
        """user | manager | guest; `user` where no tokens are asked for."""
        return present_asking().role

    def submit(self, draft: Draft, shown: Sequence[str] = ()) -> Accepted:
        """One transaction; peers hear of it soon if it was logged. Behind where the session is ahead."""
        session = present()
        needs = session.needs_of_write()
        accepted = self._waiting(lambda: self._store.accept(draft, microseconds(self._clock()), needs, shown))
        if accepted.id is not None:
            session.note_write(accepted.id)
            self._peers.poke()
        elif accepted.status == "duplicate":
            session.note_repeat(self._store.read((), {}, "tentative").vector)
        return accepted

    def read(self, pages: Sequence[str]) -> Snapshot:
        """Of one moment. Behind where the session is ahead of the view that the request asks for."""
        session, view = present(), asked_view()
        needs = session.needs_of_read()
        snapshot = self._waiting(lambda: self._store.read(pages, needs, view))
        session.note_read(snapshot, view)
        return snapshot

    def members(self, name: str) -> list[str]:
        """As read before whatever is then looked up by it: what a replica holds only grows."""
        if present().needs_of_read():
            self.read(())
        return self._store.members(name)

    def history(self, page: str) -> History:
        return self._store.history(page)

    def turns(self, ids: Collection[str]) -> tuple[list[Turn], datetime | None]:
        return self._store.turns(ids)

    def writes(self, ids: Sequence[str]) -> Mapping[str, Write]:
        return self._store.writes(ids)

    def label(self, server: str) -> str:
        """That of its id, or of the member that it is; an id that nobody knows any more stays as it is."""
        return label_of(server, ()) or label_of(server, self._store.members_of_cluster()) or server

    def sightings(self, name: str, shown: Mapping[str, tuple[str, int]]) -> Mapping[str, Sighting]:
        return self._store.sightings(name, shown, int(self._clock().timestamp()))

    def _waiting(self, attempt: Callable[[], Result]) -> Result:
        """Attempt it; while the replica is behind the session, again at each event, for as long as the client
        allows."""
        wait_ms = present().wait_ms
        change = self._follow() if wait_ms else None
        try:
            return attempt()
        except Behind:
            if change is None:
                raise
        self._places.take()
        try:
            return self._attempt_until(time.monotonic() + wait_ms / 1000, change, attempt)
        finally:
            self._places.give_back()

    def _attempt_until(self, deadline: float, change: Change, attempt: Callable[[], Result]) -> Result:
        while True:
            left_s = deadline - time.monotonic()
            change.take(max(left_s, 0))
            try:
                return attempt()
            except Behind:
                if change.ended or time.monotonic() >= deadline:
                    raise
