"""A replica, as an application's handlers see it."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from apps.api.request import ClientSession
from bayou.application import Accepted, FeedRevision, History, OutcomeChange, Snapshot
from bayou.write import Draft, Write


class Service(Protocol):
    """A replica, as an application's handlers see it. `submit`, `read` and `list_entries` keep the guarantees of the
    client's session: they raise Behind if the replica has not seen what the session has seen."""

    @property
    def settings(self) -> Any:
        """The configuration (replica/config.py)."""

    def now(self) -> datetime:
        """The current time in UTC. A test can set it."""

    def submit(self, draft: Draft, session: ClientSession, shown: Sequence[str] = ()) -> Accepted:
        """Atomically accept and play a write, and read the pages `shown` after it; or refuse it and record nothing."""

    def read(self, pages: Sequence[str], session: ClientSession, view: str = "tentative") -> Snapshot:
        """Read pages in both views, at one moment. A page that does not exist is empty. `view` is the view that the
        client is shown."""

    def list_entries(self, name: str, session: ClientSession) -> list[str]:
        """The entries of a list that the application's `lists` keeps, sorted bytewise. A list only grows, so it is safe
        to read it before the pages that it names."""

    def history(self, page: str) -> History:
        """The notes on a page and the tentative writes that declare it, read at one moment."""

    def outcome_changes(self, ids: Collection[str]) -> tuple[list[OutcomeChange], datetime | None]:
        """How the outcomes of these writes changed at this replica, oldest first; and the time since which changes are
        kept, or None if none is kept."""

    def writes(self, ids: Sequence[str]) -> Mapping[str, Write]:
        """The writes with these ids that are still in the log, by id."""

    def label(self, server: str) -> str:
        """The label of a server id; the id itself if no server of the cluster has it."""

    def feed_revisions(self, name: str, shown: Mapping[str, tuple[str, int]]) -> Mapping[str, FeedRevision]:
        """Note what a feed shows now: for each thing its text, without tabs, and until when to keep it once it is gone,
        in seconds since 1970. Returns everything that is noted, including things that are gone."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The Lua that plays a write: the tag of the application (NAME/VERSION), and the names of the dependency check and
    the merge procedure, for an application that has several and for people who read the log."""

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
    """The draft of what `user` asks at the moment `at`. If the client named no request, the draft gets a new request
    id."""
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
    """An id that no other request has."""
    return secrets.token_hex(6)
