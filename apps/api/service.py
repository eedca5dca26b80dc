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
    """A replica, as the handlers of an application see it. `submit`, `read`, `list_entries` and `is_entry` keep the
    guarantees of the client's session. They raise Behind if the replica lacks writes that these guarantees require."""

    @property
    def settings(self) -> Any:
        """The configuration; see replica/config.py."""

    def now(self) -> datetime:
        """Return the current time in UTC. Tests can set this time."""

    def submit(self, draft: Draft, session: ClientSession, shown: Sequence[str] = ()) -> Accepted:
        """Accept and play a write, and then read the pages `shown`, all in one transaction. If the write is refused,
        nothing is recorded."""

    def read(self, pages: Sequence[str], session: ClientSession, view: str = "tentative") -> Snapshot:
        """Return pages in both views, as they were at one moment. A page that does not exist is empty. `view` is the
        view that the client asked for. Only this view must satisfy the guarantees of the client's session."""

    def list_entries(self, name: str, session: ClientSession) -> list[str]:
        """Return the entries of a list, sorted bytewise. Raise Away `busy` if the list is very long and another very
        long list is still being read.

        The Lua function `lists` of the application says which entries a write adds. Lists only grow. So a handler may
        first read a list, and then the pages that the entries name.
        """

    def is_entry(self, name: str, entry: str, session: ClientSession) -> bool:
        """Return whether a list has this entry, without reading the list."""

    def history(self, page: str) -> History:
        """Return the history of a page: the notes that committed writes left on the page, and the tentative writes that
        declare the page. The notes and the writes are read at the same moment."""

    def log_entry(self, identifier: str) -> LogEntry:
        """Return the write with this id, with its present outcome. Raise Unknown `write_dropped` if the write was
        committed and then dropped from the log. Raise Unknown `write_unknown` if this replica does not hold the
        write."""

    def newest_writes(
        self, app: str, *, user: str = "", request: str = "", words: Sequence[str] = ()
    ) -> Sequence[LogEntry]:
        """Return up to 200 of the newest writes of the application `app` (NAME/VERSION). Tentative writes come first,
        then the committed writes that the log still holds. In each group, the newest write comes first.

        `user`, `request` (the request id) and `words` select writes. An empty argument selects all writes. With
        `words`, the outcome of a write must contain one of the words. Without `words`, only the newest 5,000 writes of
        the log are searched; with `words`, the newest 20,000 writes.
        """

    def outcome_changes(self, ids: Collection[str]) -> tuple[list[OutcomeChange], datetime | None]:
        """Return how the outcomes of these writes changed at this replica; the oldest change comes first. Also return
        the time of the oldest event that this replica still keeps. This time is None if the replica keeps no events."""

    def writes(self, ids: Sequence[str]) -> Mapping[str, Write]:
        """Return id -> write for the writes with these ids. Writes that are no longer in the log are left out."""

    def holders(self, ids: Collection[str]) -> list[str]:
        """Return the labels of the replicas that are known to hold all of these writes. The caller must know that this
        replica holds the writes. The label of this replica comes first. Then come the peers that held the writes at the
        end of their last session with this replica."""

    def active_tag(self, name: str) -> str:
        """Return the tag NAME/VERSION for clients' writes of the application `name`. Usually VERSION is the activated
        version. If no version was activated, VERSION is the oldest version that this replica can play. But if the log
        has writes of a newer version, VERSION is the newest version in the log.

        An application with one version need not call this method.
        """

    def label(self, server: str) -> str:
        """Return the label of a server. If no server of the cluster has this id, return the id itself."""

    def feed_revisions(self, name: str, shown: Mapping[str, tuple[str, int]]) -> Mapping[str, FeedRevision]:
        """Record which things the feed `name` shows now. A thing is, for example, a reservation. Return the revision of
        each recorded thing. The result includes things that the feed no longer shows.

        `shown` maps each thing to (text, keep_until_s). The text is what the feed shows of the thing; it has no tabs.
        After the feed has stopped showing a thing, the replica keeps the revision of the thing until `keep_until_s`.
        This time is in seconds since 1970.
        """


@dataclass(frozen=True, slots=True)
class Rules:
    """The Lua rules that play a write: the tag of the application (NAME/VERSION), and the names of one dependency check
    and one merge procedure of this application. People see these names in the log."""

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
