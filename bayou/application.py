"""The interface between the store and applications: their Lua code, and the values that they exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from bayou.write import Write

DONE = ("updated", "merged")  # the statuses of writes that did something; a client's write is only logged with these
MEMBERSHIP = "members/1"  # the protocol's own application, which every replica plays; see storage/members.py
_NAMES_MEMBERSHIP = f'"app":"{MEMBERSHIP}"'.encode()  # inside a text of a write, its quotes are escaped


def had_no_effect(outcome: str) -> bool:
    """Return whether a logged write with this outcome did nothing. It was acknowledged, but a later play found a state
    that the write does not expect. A `duplicate` does not count, because its request had its effect before."""
    return outcome.partition(" ")[0] not in {*DONE, "duplicate"}


def membership_write(body: bytes) -> Write | None:
    """Return the write with these canonical bytes if it belongs to the protocol's own application; None if it does not.
    For speed, a body without the name of that application is not decoded."""
    if _NAMES_MEMBERSHIP not in body:
        return None
    write = Write.decode(body)
    return write if write.app == MEMBERSHIP else None


def refusal_of_judge(outcome: str) -> str | None:
    """Return a judge's reason for forbidding a write that has this outcome; None if no judge forbade it. An outcome
    `forbidden` without a detail comes from the application of the write, and not from a judge."""
    status, _, detail = outcome.partition(" ")
    return detail if status == "forbidden" and detail else None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The result of a submitted draft.

    id         the write's id; None if the draft was refused, because a refused draft is not stored
    outcome    `STATUS DETAIL`; the write is logged if STATUS is `updated` or `merged`
    committed  whether the primary committed the write at once
    birth      the birth of the cluster, as State.birth
    pages      the pages that the caller asked for, as they are after the write; empty if the draft was refused
    """

    id: str | None
    outcome: str
    committed: bool
    birth: str = ""
    pages: Mapping[str, PageViews] = field(default_factory=dict)

    @property
    def logged(self) -> bool:
        return self.id is not None

    @property
    def status(self) -> str:
        return self.outcome.partition(" ")[0]

    @property
    def detail(self) -> str:
        return self.outcome.partition(" ")[2]


@dataclass(frozen=True, slots=True)
class PageViews:
    """One page in both views, read at the same moment. Each view maps fields to values."""

    tentative: Mapping[str, str]
    committed: Mapping[str, str]
    notes: Mapping[int, str] = field(default_factory=dict)  # CSN -> what the application noted about that commit


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Pages and vectors, read at the same moment. `history` is the list of epochs as JSON; see bayou/history.py.
    `birth` is the birth of the cluster, as State.birth."""

    vector: Mapping[str, int]
    committed_vector: Mapping[str, int]
    csn: int
    pages: Mapping[str, PageViews]
    history: str = "[]"
    birth: str = ""


@dataclass(frozen=True, slots=True)
class FeedRevision:
    """The newest version of a thing, such as a reservation, that a feed of this replica has shown.

    number     grows with each change
    changed_s  when it last changed, in seconds since 1970
    here       False once the thing is gone
    text       what the feed shows of the thing; if it is gone, what the feed showed last
    """

    number: int
    changed_s: int
    here: bool
    text: str


@dataclass(frozen=True, slots=True)
class History:
    """The history of a page. `notes` has the note that the application made at each commit, by CSN. `tentative` has the
    tentative writes that declare the page, in order, each with its outcome."""

    notes: Mapping[int, str]
    tentative: tuple[tuple[Write, str], ...]


class Change(NamedTuple):
    """How a transaction changed a write.

    csn  its CSN if it is committed now
    was  its outcome before; None if the write is new here
    now  its outcome after
    """

    write: str
    csn: int | None
    was: str | None
    now: str
    is_membership: bool = False


class Undone(NamedTuple):
    """A tentative write that a transaction rolled back. The transaction then played the write in its new place, or set
    it aside.

    csn  its CSN if it was played as a commit
    was  its outcome before
    now  its outcome after; None if it was set aside
    """

    write: str
    csn: int | None
    was: str
    now: str | None


@dataclass(frozen=True, slots=True)
class OutcomeChange:
    """A write whose outcome changed here in a replay. `others` has the outcomes, by write id, of all other writes that
    the same transaction played. One of these writes caused the replay."""

    at: datetime
    write: str
    was: str
    now: str
    others: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A write of the log. `csn` is None while the write is tentative; `outcome` is the outcome of its latest play."""

    write: Write
    csn: int | None
    outcome: str


@dataclass(frozen=True, slots=True)
class LuaApplication:
    """An application in the form that the store plays. `lua` is the path of its Lua file; docs/write-an-application.md
    says what the file returns. `older` maps earlier versions to their Lua files, since writes of these versions may
    still be in a log. If `is_judge` is true, the application judges each commit, also the commits of other
    applications: it decides whether the user may make the write."""

    name: str
    version: int
    lua: Path
    older: Mapping[int, Path] = field(default_factory=dict, kw_only=True)
    is_judge: bool = field(default=False, kw_only=True)

    @property
    def tag(self) -> str:
        """NAME/VERSION, which each write of this application carries."""
        return f"{self.name}/{self.version}"

    @property
    def rules(self) -> dict[str, Path]:
        """The main Lua file of each version, by tag. A write is always played by the rules of its own version."""
        versions = {**self.older, self.version: self.lua}
        return {f"{self.name}/{version}": lua for version, lua in versions.items()}
