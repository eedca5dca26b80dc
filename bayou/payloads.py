"""What one replica sends another of its log, and what became of it there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bayou.state import Vector


@dataclass(frozen=True, slots=True)
class Item:
    """A write on its way: committed when it has a CSN; a bare notification when it has no body."""

    id: str
    csn: int | None
    body: bytes

    @property
    def is_notification(self) -> bool:
        return self.csn is not None and not self.body


@dataclass(frozen=True, slots=True)
class Selection:
    """What a peer lacks: commits, CSN by CSN behind the commit (`after_csn`, `after_id`), then tentative writes.

    `history` (the epochs, as canonical JSON) is that of the sender's log: the same write may have the same CSN in two.
    """

    after_csn: int
    after_id: str
    items: tuple[Item, ...]
    history: str = "[]"

    def behind(self, taken: int) -> Selection:
        """What is left once the first items were taken."""
        left, commits = self.items[taken:], [item.id for item in self.items[:taken] if item.csn is not None]
        if not commits:
            return replace(self, items=left)
        return replace(self, after_csn=self.after_csn + len(commits), after_id=commits[-1], items=left)


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a batch: `taken` items were dealt with, `new` of them changed something.

    `status`: taken | more (a bound was reached, send the rest again) | hole | unknown (plan anew) | fork | diverged
    (refuse and report).
    """

    status: str
    taken: int
    new: int
    csn: int
    rolled_back: int
    replayed: int


@dataclass(frozen=True, slots=True)
class StatePages:
    """Some committed pages of a full state, so many, as the one store gives them and the other takes them.

    `text` is JSON: [[name, CSN of the commit that changed it last, as text, [field, value, ...]], ...].
    """

    count: int = 0
    text: bytes = b"[]"


@dataclass(frozen=True, slots=True)
class ListPart:
    """Some entries of a list of an application."""

    name: str
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateEnd:
    """What a full state is a state of: C and CSN of the moment, and the history that led there (its canonical JSON)."""

    csn: int
    last: str
    clock: int
    birth: str
    primary: str
    history: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class StatePart:
    """Pages of a full state, in the order of sending: those behind `cursor` (CSN, page) go next, and `end` comes with
    the last of them.

    Parts of two generations are of two states: another one was installed here in between.
    """

    pages: StatePages
    cursor: tuple[int, str]
    end: StateEnd | None
    generation: str


@dataclass(frozen=True, slots=True)
class Installed:
    """What became of a full state: `installed`, `superseded` or `stale`.

    `revoked` writes were committed here and are tentative again; `lost` ones follow a write that is nowhere here;
    `lost_pages` were changed by revoked commits that had been dropped from the log.
    """

    status: str
    kept: int
    revoked: tuple[str, ...]
    lost: tuple[str, ...]
    lost_pages: tuple[str, ...]
