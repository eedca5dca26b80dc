"""From transactions to screen events: pure. What happened in one step of the store, told write by write.

A screen event has an id `STREAMID.INDEX`: the transaction, and its place in it. Each change gives, in this order:
accepted or received (the write was not held before), moved or rejected (its outcome changed), committed. A full state
that was installed gives a revoked for each commit that it took back, and a reset: whatever is shown may have changed.

Transactions can be told in sum, for whoever only counts: then the log need not be read.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import Any, NamedTuple, Self

from bayou.application import Change
from bayou.write import Write
from replica.events.describe import Describer

PLACE_LAST = 2**31  # behind every event of a transaction
_ID = re.compile(r"(\d{1,20})-(\d{1,20})(?:\.(\d{1,9}))?")
_SEQUENCE_LAST = 2**64 - 1
_PLACED = {"updated", "merged"}


class Cursor(NamedTuple):
    """A position in the events: behind the event with this id."""

    moment_ms: int
    sequence: int
    place: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of `MS-SEQ.INDEX`, or `MS-SEQ` for behind that whole transaction; ValueError otherwise."""
        found = _ID.fullmatch(text)
        if found is None or max(int(found[1]), int(found[2])) > _SEQUENCE_LAST:
            raise ValueError(f"{text!r} is not the id of an event")
        return cls(int(found[1]), int(found[2]), PLACE_LAST if found[3] is None else int(found[3]))

    def __str__(self) -> str:
        return f"{self.moment_ms}-{self.sequence}" + ("" if self.place == PLACE_LAST else f".{self.place}")

    def before_transaction(self) -> str:
        """The stream id behind which the rest of this transaction is read, together with all later ones."""
        if self.place == PLACE_LAST:
            return f"{self.moment_ms}-{self.sequence}"
        if self.sequence > 0:
            return f"{self.moment_ms}-{self.sequence - 1}"
        return f"{self.moment_ms - 1}-{_SEQUENCE_LAST}" if self.moment_ms > 0 else "0-0"


@dataclass(frozen=True)
class ScreenEvent:
    """One line on a screen. `data` is JSON-able."""

    cursor: Cursor
    name: str
    data: dict[str, Any]

    @cached_property
    def encoded(self) -> str:
        """`data` as JSON, made once for all streams that send it."""
        return json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Transaction:
    """One step of the store: its kind, what it counts, and its events in order.

    Of one told in sum, `events` lack those of writes that arrived or were committed and did nothing else;
    `summed` counts these by name, and `csns` are the CSNs among them.
    """

    id: str
    kind: str
    source: str | None
    rolled_back: int
    replayed: int
    events: tuple[ScreenEvent, ...]
    summed: Counter[str] = field(default_factory=Counter)
    csns: tuple[int, ...] = ()


def write_ids(transactions: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """The writes that must be known to expand these transactions, each once."""
    found: dict[str, None] = {}
    for _, entry in transactions:
        found.update(dict.fromkeys(change.write for change in entry.get("changes", ())))
        found.update(dict.fromkeys(entry.get("revoked", ())))
    return list(found)


def in_sum(entry: Mapping[str, Any]) -> tuple[Mapping[str, Any], Counter[str], tuple[int, ...]]:
    """The entry with the changes that have to be expanded, and the sum of the others: `summed` and `csns`."""
    told: list[Change] = []
    csns, count = [], 0
    for change in entry.get("changes", ()):
        if _is_plain(change):
            count += change.was is None
            if change.csn is not None:
                csns.append(change.csn)
        else:
            told.append(change)
    summed = Counter({_arrived(entry): count, "committed": len(csns)})
    return ({**entry, "changes": told} if "changes" in entry else entry), +summed, tuple(csns)


def _is_plain(change: Change) -> bool:
    """Whether the write only arrived or was committed; the terminal tells each membership write."""
    return not change.is_membership and change.was in {None, change.now}


def _arrived(entry: Mapping[str, Any]) -> str:
    return "accepted" if entry["kind"] == "accepted" else "received"


def expand(
    identifier: str, entry: Mapping[str, Any], writes: Mapping[str, Write], describer: Describer, label: str
) -> Transaction:
    """One entry of the store's events as a transaction of the replica `label`."""
    kind = str(entry["kind"])
    if "changes" in entry:
        told = list(_of_changes(entry, writes, describer, label))
    elif kind == "revoked":
        told = list(_of_revoked(entry, writes, describer, label))
    else:
        told = [(kind, {key: value for key, value in entry.items() if key != "kind"} | {"replica": label})]
    moment_ms, sequence, _ = Cursor.parse(identifier)
    return Transaction(
        id=identifier,
        kind=kind,
        source=entry.get("from") or entry.get("peer") or None,
        rolled_back=int(entry.get("rolled_back", 0)),
        replayed=int(entry.get("replayed", 0)),
        events=tuple(ScreenEvent(Cursor(moment_ms, sequence, i), name, data) for i, (name, data) in enumerate(told)),
    )


def _of_changes(
    entry: Mapping[str, Any], writes: Mapping[str, Write], describer: Describer, label: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    arrived, source = _arrived(entry), entry.get("from") or None
    for write, csn, was, now, _ in entry["changes"]:
        start = {"write": write, "csn": csn, "from": source}
        for data in _known(start, writes.get(write), was, now, describer):
            data["replica"] = label
            if was is None:
                yield arrived, data
            elif was != now and (name := _turn(data["outcome"], data["before"], data["after"])):
                yield name, data
            if csn is not None:
                yield "committed", data


def _of_revoked(
    entry: Mapping[str, Any], writes: Mapping[str, Write], describer: Describer, label: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """`lost` writes follow one that is nowhere here, so they could not be kept; of `lost_pages` the writes had been
    dropped from the log, so that nobody knows whose they were."""
    peer = entry.get("peer") or None
    for fate in ("revoked", "lost"):
        for identifier in entry.get(fate, ()):
            start = {"write": identifier, "csn": None, "from": peer}
            for data in _known(start, writes.get(identifier), None, "revoked", describer):
                yield "revoked", {**data, "outcome": fate, "replica": label}
    yield "reset", {"replica": label, "peer": peer, "lost_pages": list(entry.get("lost_pages", ()))}


def _known(
    start: Mapping[str, Any], write: Write | None, was: str | None, now: str, describer: Describer
) -> Iterator[dict[str, Any]]:
    """`start`, and what the write and its application tell; a write that is not in the log any more tells nothing. One
    that is about several things (`parts`) tells of each."""
    status = now.partition(" ")[0]
    if write is None:
        nothing: dict[str, Any] = dict.fromkeys(("app", "op", "user", "request", "reservation", "before", "after"))
        yield {**start, **nothing, "outcome": status}
        return
    after = describer.describe(write, now)
    before = describer.describe(write, was) if was is not None and was != now else after if was is not None else {}
    nobody: dict[str, Any] = {}
    for then, part in zip_longest(before.get("parts", (before,)), after.get("parts", (after,)), fillvalue=nobody):
        data = {
            **start,
            "app": write.app,
            "op": part.get("op", write.op),
            "user": write.user,
            "request": write.request,
            "reservation": part.get("reservation"),
            "before": then.get("result"),
            "after": part.get("result"),
            "outcome": part.get("outcome", status),
        }
        if "membership" in part:
            data["membership"] = part
        yield data


def _turn(status: str, before: Any, after: Any) -> str | None:
    """What a changed outcome is to people: nothing where the place stays, or where another copy of the write counts."""
    if status in _PLACED:
        return "moved" if before != after else None
    return "rejected" if status != "duplicate" else None
