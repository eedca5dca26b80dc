"""What the frames carry: writes, parts of a full state, and the receiver's result for each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bayou.state import Vector


@dataclass(frozen=True, slots=True)
class Item:
    """A write in a batch. It is committed if it has a CSN. A commit without a body is a notification: the receiver has
    the write already."""

    id: str
    csn: int | None
    body: bytes

    @property
    def is_notification(self) -> bool:
        return self.csn is not None and not self.body


@dataclass(frozen=True, slots=True)
class Selection:
    """Writes that a peer lacks: commits in CSN order after the commit (`after_csn`, `after_id`), then tentative writes.

    `history` (the epochs, as canonical JSON) belongs to the sender's log: one write may have the same CSN in two
    histories.
    """

    after_csn: int
    after_id: str
    items: tuple[Item, ...]
    history: str = "[]"

    def after(self, taken: int) -> Selection:
        """Return the rest of the selection, once its first `taken` items are stored."""
        rest, commits = self.items[taken:], [item.id for item in self.items[:taken] if item.csn is not None]
        if not commits:
            return replace(self, items=rest)
        return replace(self, after_csn=self.after_csn + len(commits), after_id=commits[-1], items=rest)


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a batch. The receiver has handled `taken` items, and `new` of them changed something.

    status  taken     everything is stored
            more      a bound of the transaction was reached: send the rest again
            hole      the next write does not follow what is held here: make a new plan
            unknown   a notification of a write that is not held here: make a new plan
            fork      two different writes follow the same write: refuse and report
            diverged  the committed log of the sender is not this one: refuse and report
    """

    status: str
    taken: int
    new: int
    csn: int
    rolled_back: int
    replayed: int


@dataclass(frozen=True, slots=True)
class StatePages:
    """The `count` committed pages of a part of a full state, in the form that one store gives and another store takes.

    `text` is JSON: [[name, CSN of the commit that changed it last, as text, [field, value, ...]], ...].
    """

    count: int = 0
    text: bytes = b"[]"


@dataclass(frozen=True, slots=True)
class ListPart:
    """Some entries of an application's list."""

    name: str
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateEnd:
    """The end of a full state, which describes its moment: its CSN, its C (`vector`), and the history that led there,
    as canonical JSON."""

    csn: int
    last: str
    clock: int
    birth: str
    primary: str
    history: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class StatePart:
    """A part of a full state: pages in the order of sending. The next part begins after `cursor` (CSN, page); the last
    part has an `end`.

    `generation` changes when this replica installs another state; parts of two generations do not go together.
    """

    pages: StatePages
    cursor: tuple[int, str]
    end: StateEnd | None
    generation: str


@dataclass(frozen=True, slots=True)
class Installed:
    """The result of an installation; the status is `installed`, `superseded` or `stale`.

    The writes `revoked` were committed here and are tentative again. The writes `lost` follow a write that exists
    nowhere here. The pages `lost_pages` were changed by revoked commits that the log no longer held.
    """

    status: str
    kept: int
    revoked: tuple[str, ...]
    lost: tuple[str, ...]
    lost_pages: tuple[str, ...]
