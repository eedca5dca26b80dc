"""The interface to a replica that the handlers of an application use."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from apps.api.request import ClientSession
from bayou.application import Accepted, FeedRevision, History, LogEntry, OutcomeChange, Snapshot
from bayou.write import Draft, Write


class Service(Protocol):
    """A replica, as the handlers of an application see it. `submit`, `read` and `list_entries` keep the guarantees of
    the client's session: they raise Behind if the replica does not hold all that the session has seen."""

    @property
    def settings(self) -> Any:
        """The configuration; see replica/config.py."""

    def now(self) -> datetime:
        """Return the current time in UTC. A test can set it."""

    def submit(self, draft: Draft, session: ClientSession, shown: Sequence[str] = ()) -> Accepted:
        """Accept and play a write, and read the pages `shown` after it, all in one transaction. If the write is
        refused, nothing is recorded."""

    def read(self, pages: Sequence[str], session: ClientSession, view: str = "tentative") -> Snapshot:
        """Return pages in both views, read at the same moment. A page that does not exist is empty. `view` is the view
        that the client will be shown."""

    def list_entries(self, name: str, session: ClientSession) -> list[str]:
        """Return the entries of a list that the `lists` function of the application keeps, sorted bytewise. A list only
        grows, so a handler may read the list first and then the pages that it names."""

    def history(self, page: str) -> History:
        """Return the notes on a page, and the tentative writes that declare the page. Both are read at the same
        moment."""

    def not_done(self, app: str, words: Sequence[str]) -> Sequence[LogEntry]:
        """The newest 200 writes of an application, NAME/VERSION, whose outcome holds one of these words: tentative
        ones, then committed ones that the log still holds, newest first."""

    def outcome_changes(self, ids: Collection[str]) -> tuple[list[OutcomeChange], datetime | None]:
        """Return how the outcomes of these writes changed at this replica, oldest first. Also return the time since
        which changes are kept; None if none are kept."""

    def writes(self, ids: Sequence[str]) -> Mapping[str, Write]:
        """Return those of the writes with these ids that are still in the log, by id."""

    def holders(self, ids: Collection[str]) -> list[str]:
        """The labels of the replicas that are known to hold all of these writes, which this replica holds: this one,
        and peers as their last sessions left them."""

    def label(self, server: str) -> str:
        """Return the label of a server. If no server of the cluster has this id, return the id itself."""

    def feed_revisions(self, name: str, shown: Mapping[str, tuple[str, int]]) -> Mapping[str, FeedRevision]:
        """Record what the feed `name` shows now, and return everything that is recorded for the feed, including things
        that are gone.

        `shown` maps each thing to its text, which has no tab, and a time in seconds since 1970. Once the thing is gone,
        the record of it is kept until that time.
        """


@dataclass(frozen=True, slots=True)
class Rules:
    """The Lua that plays a write: the tag of the application (NAME/VERSION), and the names of the dependency check and
    the merge procedure. The names select a procedure if the application has several, and people see them in the log."""

    app: str
    check: str
    merge: str


def new_draft(
    rules: Rules,
    op: str,
    args: Mapping[str, Any],
    pages: Iterable[str],
    *,
    user: str,
    at: datetime,
    request: str | None = None,
) -> Draft:
    """Return the draft of an operation that `user` requests at the moment `at`. If `request` is None, the draft gets a
    new request id."""
    return Draft(
        app=rules.app,
        op=op,
        check=rules.check,
        merge=rules.merge,
        args=args,
        pages=tuple(sorted(set(pages))),
        user=user,
        request=request or new_request_id(),
        accepted_at=at.astimezone(UTC).isoformat(timespec="milliseconds"),
    )


def new_request_id() -> str:
    """Return a request id that has not been used before."""
    return secrets.token_hex(6)
