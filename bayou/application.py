"""What the protocol and the store know of applications: their Lua code, and the values that pass between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from bayou.write import Write

MEMBERSHIP = "members/1"  # the protocol's own application, which every replica plays; see storage/members.py


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a submitted draft.

    id         the write's id; None if it was not logged, which leaves no trace of the draft
    outcome    `STATUS DETAIL`; the write is logged if STATUS is `updated` or `merged`
    committed  whether the primary committed the write at once
    pages      the pages that the caller asked for, as they are after the write; none if it was not logged
    """

    id: str | None
    outcome: str
    committed: bool
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
    """One page in both views of the same moment; each view maps fields to values."""

    tentative: Mapping[str, str]
    committed: Mapping[str, str]
    notes: Mapping[int, str] = field(default_factory=dict)  # CSN -> what the application noted about that commit


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Pages and the vectors of one moment. `history` is the list of epochs as JSON; see bayou/history.py."""

    vector: Mapping[str, int]
    committed_vector: Mapping[str, int]
    csn: int
    pages: Mapping[str, PageViews]
    history: str = "[]"


@dataclass(frozen=True, slots=True)
class FeedRevision:
    """What a feed of this replica has shown of a thing. `number` grows with each change, `changed_s` is the time of the
    last change (seconds since 1970), `here` is False once the thing is gone, and `text` is what is shown (or was shown
    last)."""

    number: int
    changed_s: int
    here: bool
    text: str


@dataclass(frozen=True, slots=True)
class History:
    """The history of a page: the notes of commits by CSN, and the tentative writes that declare the page, in order,
    each with its outcome."""

    notes: Mapping[int, str]
    tentative: tuple[tuple[Write, str], ...]


class Change(NamedTuple):
    """What a transaction did to a write: its CSN if it is committed now, its outcome before (None if the write is new
    here), and its outcome after."""

    write: str
    csn: int | None
    was: str | None
    now: str
    is_membership: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeChange:
    """A write whose outcome changed here when it was replayed. `others` are the outcomes of the other writes of the
    same transaction, which include those that caused the change."""

    at: datetime
    write: str
    was: str
    now: str
    others: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LuaApplication:
    """An application as the store plays it. `lua` is the path of the file that returns {check, update, merge, lists};
    see docs/design.md."""

    name: str
    version: int
    lua: Path

    @property
    def tag(self) -> str:
        """The tag NAME/VERSION that writes of this application carry."""
        return f"{self.name}/{self.version}"
