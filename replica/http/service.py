"""Implements apps.api.service.Service, the interface that a replica offers to the handlers of its applications.

This module enforces the guarantees of the client session, so handlers need not know the guarantees. A transaction that
reads pages or accepts a write first checks whether this replica holds the writes that the client session needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Protocol, TypeVar

from apps.api.one_at_a_time import OneAtATime
from apps.api.request import ClientSession
from bayou.application import Accepted, FeedRevision, Snapshot, refusal_of_judge
from bayou.errors import Behind, Forbidden
from bayou.write import Draft
from replica.anti_entropy.peers import Peers
from replica.clock import Clock, microseconds, utc_now
from replica.config import Config
from replica.http.concurrency_limit import ConcurrencyLimit
from storage.members import label_of
from storage.store import SESSION_FOREIGN, Store

WAITING_MAX = 10  # requests that may wait for what their session needs at a time, below the number of threads
WAITING_ADDRESS_MAX = 5
WAITING_USER_MAX = 2
LARGE_LIST = 100_000  # entries; one such list at a time is read

Result = TypeVar("Result")


class Change(Protocol):
    """A position in the sequence of events. FeedFollower in replica/events/feed.py implements this interface."""

    @property
    def ended(self) -> bool:
        """Whether no more events will come, because the replica stops."""

    def take(self, timeout_s: float) -> object:
        """Wait up to `timeout_s` seconds for an event after the position. Move the position to that event."""


class ReplicaService:
    """Implements apps.api.service.Service. A method with a client session raises TooMany if too many requests already
    wait for writes of their client sessions. `clock` returns the current time as an aware datetime in UTC.

    `follow` returns the current position in the sequence of events. A request can wait for the next event after that
    position. If `follow` returns None, no request waits.
    """

    def __init__(
        self,
        settings: Config,
        store: Store,
        peers: Peers,
        clock: Clock = utc_now,
        follow: Callable[[], Change | None] = lambda: None,
    ) -> None:
        self.settings = settings
        self._store = store
        self._peers = peers
        self._clock = clock
        self._follow = follow
        self._waiting = ConcurrencyLimit(
            WAITING_MAX,
            "too_many_waiting",
            "requests that wait for writes of their client session",
            address_max=WAITING_ADDRESS_MAX,
            user_max=WAITING_USER_MAX,
        )
        self._reading_list = OneAtATime("a very long list")
        # The store answers what does not depend on the client session.
        self.history, self.log_entry, self.newest_writes = store.history, store.log_entry, store.newest_writes
        self.outcome_changes, self.writes, self.active_tag = store.outcome_changes, store.writes, store.active_tag

    def now(self) -> datetime:
        return self._clock()

    def submit(self, draft: Draft, session: ClientSession, shown: Sequence[str] = ()) -> Accepted:
        """Accept and play a draft in one transaction. If the write was logged, notify the peers.

        A replica that commits writes at once, such as a primary, raises Forbidden if the user was revoked or has too
        low a role.
        """
        needs, birth = session.needs_of_write(), session.birth
        now_us = microseconds(self._clock())
        accepted = self._attempt(session, lambda: self._store.accept(draft, now_us, needs, shown, birth))
        if accepted.id is not None:
            session.note_write(accepted.id, accepted.birth)
            self._peers.notify_new_write()
        elif accepted.status == "duplicate":
            session.note_duplicate(self._store.read(()))
        elif refusal := refusal_of_judge(accepted.outcome):
            raise _forbidden(refusal)
        return accepted

    def read(self, pages: Sequence[str], session: ClientSession, view: str = "tentative") -> Snapshot:
        needs, birth = session.needs_of_read(), session.birth
        snapshot = self._attempt(session, lambda: self._store.read(pages, needs, view, birth))
        session.note_read(snapshot, view)
        return snapshot

    def list_entries(self, name: str, session: ClientSession) -> list[str]:
        self._require_session(session)
        is_large = self._store.count_entries(name) > LARGE_LIST
        with self._reading_list if is_large else nullcontext():
            return self._store.list_entries(name)

    def is_entry(self, name: str, entry: str, session: ClientSession) -> bool:
        self._require_session(session)
        return self._store.is_entry(name, entry)

    def _require_session(self, session: ClientSession) -> None:
        """Raise Behind if this replica lacks writes that the client session has seen."""
        if session.birth or session.needs_of_read():
            self.read((), session)

    def holders(self, ids: Collection[str]) -> list[str]:
        return [self._store.label, *self._peers.holders(ids)]

    def label(self, server: str) -> str:
        return label_of(server, ()) or label_of(server, self._store.members()) or server

    def feed_revisions(self, name: str, shown: Mapping[str, tuple[str, int]]) -> Mapping[str, FeedRevision]:
        return self._store.feed_revisions(name, shown, int(self._clock().timestamp()))

    def _attempt(self, session: ClientSession, attempt: Callable[[], Result]) -> Result:
        """Call `attempt`, and return its result. If `attempt` raises Behind, this replica lacks writes that the client
        session has seen. Then call `attempt` again after each event. Raise Behind if no call succeeds within the
        session's `wait_ms`."""
        wait_ms = session.wait_ms
        change = self._follow() if wait_ms else None
        try:
            return attempt()
        except Behind as behind:
            if change is None or behind.code == SESSION_FOREIGN:
                raise
        deadline = time.monotonic() + wait_ms / 1000
        with self._waiting.holding(session.client):
            while True:
                change.take(max(deadline - time.monotonic(), 0))
                try:
                    return attempt()
                except Behind as behind:
                    if change.ended or time.monotonic() >= deadline or behind.code == SESSION_FOREIGN:
                        raise


def _forbidden(refusal: str) -> Forbidden:
    """Return the error for a write that its user may not make. `refusal` is `revoked` or `needs ROLE`."""
    if refusal == "revoked":
        return Forbidden("forbidden", "The user of this request was revoked. A manager can add the user again.")
    needed = refusal.removeprefix("needs ")
    return Forbidden(
        "forbidden",
        f"This request needs the role {needed}, which its user does not have. Ask a manager for another role.",
        needs=needed,
    )
