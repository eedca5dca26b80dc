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
    """Return whether a logged write with this outcome did nothing. A write is acknowledged after its first play, and a
    later play may end with such an outcome. For `duplicate`, return False: another write of the same request has had
    the effect."""
    return outcome.partition(" ")[0] not in {*DONE, "duplicate"}


def membership_write(body: bytes) -> Write | None:
    """Decode the canonical bytes of a write, and return the write. Return None if the write does not belong to the
    protocol's own application. For speed, only a body that contains the name of that application is decoded."""
    if _NAMES_MEMBERSHIP not in body:
        return None
    write = Write.decode(body)
    return write if write.app == MEMBERSHIP else None


def refusal_of_judge(outcome: str) -> str | None:
    """Return the reason for which a judge forbade the write; None if no judge forbade the write. The reason is the
    detail of the outcome `forbidden`. An outcome `forbidden` without a detail comes from the application of the write,
    and not from a judge."""
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
    """The newest revision of a thing in a feed of this replica. A thing is, for example, a reservation.

    number     grows with each change
    changed_s  time of the last change, in seconds since 1970
    here       whether the feed still shows the thing
    text       the text that the feed shows of the thing, or showed last
    """

    number: int
    changed_s: int
    here: bool
    text: str


@dataclass(frozen=True, slots=True)
class History:
    """The history of a page. `notes` maps a CSN to the note that the application made at that commit. `tentative` has
    the tentative writes that declare the page, in order, each with its outcome."""

    notes: Mapping[int, str]
    tentative: tuple[tuple[Write, str], ...]


class Change(NamedTuple):
    """What a transaction changed about a write.

    csn  the CSN of the write after the transaction; None if the write is tentative
    was  the outcome before the transaction; None if the write is new here
    now  the outcome after the transaction
    """

    write: str
    csn: int | None
    was: str | None
    now: str
    is_membership: bool = False


class Undone(NamedTuple):
    """A tentative write that a transaction rolled back. The transaction then played the write in its new place, or set
    the write aside.

    csn  the CSN, if the write was played as a commit; otherwise None
    was  the outcome before the transaction
    now  the outcome after the transaction; None if the write was set aside
    """

    write: str
    csn: int | None
    was: str
    now: str | None


@dataclass(frozen=True, slots=True)
class OutcomeChange:
    """A write whose outcome changed here in a replay. `others` has all other writes that the same transaction changed:
    write id -> new outcome."""

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
    says what the file returns. `older` maps earlier versions to their Lua files, because a log may still have writes of
    these versions.

    If `is_judge` is true, the application judges the commits of all applications: it decides whether the user of a
    write may make this write.
    """

    name: str
    version: int
    lua: Path
    older: Mapping[int, Path] = field(default_factory=dict, kw_only=True)
    is_judge: bool = field(default=False, kw_only=True)

    @property
    def tag(self) -> str:
        """NAME/VERSION. Each write of this application has this tag."""
        return f"{self.name}/{self.version}"

    @property
    def rules(self) -> dict[str, Path]:
        """The main Lua file of each version, by tag. A write is always played by the rules of its own version."""
        versions = {**self.older, self.version: self.lua}
        return {f"{self.name}/{version}": lua for version, lua in versions.items()}
