"""Expands transactions of the store into screen events, write by write.

A screen event has the id `STREAMID.NUMBER`: the id of the transaction, and the number of the event in the transaction.
A change of a write gives these events, in this order:

accepted, received  if the write is new at this replica
moved, rejected     if the outcome of the write changed
committed           if the write was committed

A write that was made again under a new id gives an event `accepted`. If this write has no effect, an event `rejected`
follows, because the user was told that the request is accepted.

If a transaction rolls writes back, its first event is `replay`. This event names the writes that were rolled back.

When a full state is installed, two kinds of writes give an event `revoked`: the writes that were committed and are
tentative again, and the writes that are lost (see `_of_revoked`). The last event is `reset`, because all data on a
screen may have changed.

For a listener that only counts, this module can summarise transactions without reading the log.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import zip_longest
from typing import Any, NamedTuple, Self

from bayou.application import DONE, Change, Undone, had_no_effect
from bayou.write import Write
from replica.events.describe import Describer

NUMBER_LAST = 2**31  # after every event of a transaction
_ID = re.compile(r"(\d{1,20})-(\d{1,20})(?:\.(\d{1,9}))?")
_SEQUENCE_LAST = 2**64 - 1
MADE_AGAIN = "resubmitted"  # the kind of a transaction; see storage/lua/commands/resubmit.lua


class Cursor(NamedTuple):
    """A position among the events, directly after one event. The three fields are the parts of that event's id,
    MS-SEQ.NUMBER."""

    moment_ms: int
    sequence: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `MS-SEQ.NUMBER`, or `MS-SEQ` for the position after a transaction. Raises ValueError for any other
        text."""
        found = _ID.fullmatch(text)
        if found is None or max(int(found[1]), int(found[2])) > _SEQUENCE_LAST:
            raise ValueError(f"{text!r} is not the id of an event")
        return cls(int(found[1]), int(found[2]), NUMBER_LAST if found[3] is None else int(found[3]))

    def __str__(self) -> str:
        return f"{self.moment_ms}-{self.sequence}" + ("" if self.number == NUMBER_LAST else f".{self.number}")

    def before_transaction(self) -> str:
        """Return the id of a stream entry. All events after the cursor are in the entries after this entry. If the
        cursor is inside a transaction, the entries include this whole transaction."""
        if self.number == NUMBER_LAST:
            return f"{self.moment_ms}-{self.sequence}"
        if self.sequence > 0:
            return f"{self.moment_ms}-{self.sequence - 1}"
        return f"{self.moment_ms - 1}-{_SEQUENCE_LAST}" if self.moment_ms > 0 else "0-0"


@dataclass(frozen=True)
class ScreenEvent:
    """One event for screens; `data` can be encoded as JSON."""

    cursor: Cursor
    name: str
    data: dict[str, Any]

    @cached_property
    def encoded(self) -> str:
        """The `data` as JSON. All streams that send the event share this text."""
        return _encode(self.data)


def _encode(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class ReplayEvent(ScreenEvent):
    """The event of a replay.

    `details` returns the keys and values that `data` lacks (see `replay`). A call of `details` takes long, and most
    replay events are never sent to a stream. So `details` is called only when a stream sends the event.
    """

    details: Callable[[], dict[str, Any]]

    @cached_property
    def encoded(self) -> str:
        return _encode({**self.data, **self.details()})


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction of the store, with its events in order.

    A transaction may be a summary. A summary has no events for writes that only arrived or were only committed.
    `summed` maps the name of an event to the number of events that were left out. `csns` has the CSNs of the commits
    that were left out.
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
    """Return the ids of all writes that these transactions name, without repetitions."""
    found: dict[str, None] = {}
    for _, entry in transactions:
        found.update(dict.fromkeys(change.write for change in entry.get("changes", ())))
        found.update(dict.fromkeys(entry.get("revoked", ())))
        found.update(dict.fromkeys(one.write for one in entry.get("undone", ())))
    return list(found)


def summarise(entry: Mapping[str, Any]) -> tuple[Mapping[str, Any], Counter[str], tuple[int, ...]]:
    """Return the entry without its plain changes (see `_is_plain`), and a summary of the plain changes. The summary
    consists of the fields `summed` and `csns` of a Transaction. The returned entry does not name the writes that were
    rolled back. An entry of the kind MADE_AGAIN is returned unchanged."""
    if entry["kind"] == MADE_AGAIN:
        return entry, Counter(), ()
    expanded: list[Change] = []
    csns, count = [], 0
    for change in entry.get("changes", ()):
        if _is_plain(change):
            count += change.was is None
            if change.csn is not None:
                csns.append(change.csn)
        else:
            expanded.append(change)
    summed = Counter({_arrived(entry): count, "committed": len(csns)})
    return ({**entry, "changes": expanded, "undone": ()} if "changes" in entry else entry), +summed, tuple(csns)


def _is_plain(change: Change) -> bool:
    """Return whether the change is plain: the write arrived or was committed, and its outcome did not change. A change
    of a membership write is never plain, because the terminal shows every membership write."""
    return not change.is_membership and change.was in {None, change.now}


def _arrived(entry: Mapping[str, Any]) -> str:
    return "accepted" if entry["kind"] in {"accepted", MADE_AGAIN} else "received"


def expand(
    identifier: str, entry: Mapping[str, Any], writes: Mapping[str, Write], describer: Describer, label: str
) -> Transaction:
    """Return an entry of the event stream as a Transaction. `identifier` is the stream id of the entry. `writes` has
    the writes that the entry names. A write that is no longer in the log is missing there. `label` is the label of this
    replica."""
    kind = str(entry["kind"])
    if "changes" in entry:
        found = list(_of_changes(entry, writes, describer, label))
    elif kind == "revoked":
        found = list(_of_revoked(entry, writes, describer, label))
    else:
        found = [(kind, {key: value for key, value in entry.items() if key != "kind"} | {"replica": label})]
    moment_ms, sequence, _ = Cursor.parse(identifier)
    events: list[ScreenEvent] = []
    if entry.get("undone"):
        about = {"replica": label, "from": entry.get("from") or None}
        details = partial(replay, entry, writes, describer)
        events.append(ReplayEvent(Cursor(moment_ms, sequence, 0), "replay", about, details))
    for name, data in found:
        events.append(ScreenEvent(Cursor(moment_ms, sequence, len(events)), name, data))
    return Transaction(
        id=identifier,
        kind=kind,
        source=entry.get("from") or entry.get("peer") or None,
        rolled_back=int(entry.get("rolled_back", 0)),
        replayed=int(entry.get("replayed", 0)),
        events=tuple(events),
    )


def _of_changes(
    entry: Mapping[str, Any], writes: Mapping[str, Write], describer: Describer, label: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    arrived, source = _arrived(entry), entry.get("from") or None
    for write, csn, was, now, _ in entry["changes"]:
        start = {"write": write, "csn": csn, "from": source}
        for data in _data_of(start, writes.get(write), was, now, describer):
            data["replica"] = label
            if was is None:
                yield arrived, data
                if entry["kind"] == MADE_AGAIN and had_no_effect(now):
                    yield "rejected", data
            elif was != now and (name := _outcome_event(data)):
                yield name, data
            if csn is not None:
                yield "committed", data


def replay(entry: Mapping[str, Any], writes: Mapping[str, Write], describer: Describer) -> dict[str, Any]:
    """Return what a screen shows about the writes that a transaction rolled back.

    undone        the undone writes; the last write comes first, because it was undone first
    played_again  the writes that were played again, in the order of the replay, with their new results
    left_out      the number of rolled back writes that are not listed

    If the transaction rolled back many writes, only the writes with the smallest stamps are listed.
    """
    undone: Sequence[Undone] = entry.get("undone", ())
    steps = {one.write: _step(one, writes.get(one.write), describer) for one in undone}
    again = sorted(undone, key=lambda one: math.inf if one.csn is None else one.csn)  # commits are played first
    return {
        "rolled_back": entry["rolled_back"],
        "replayed": entry["replayed"],
        "left_out": entry["rolled_back"] - len(undone),
        "undone": [steps[one.write] for one in reversed(undone)],
        "played_again": [
            {**steps[one.write], **_played_again(one.now, writes.get(one.write), describer), "csn": one.csn}
            for one in again
            if one.now is not None
        ],
    }


def _step(undone: Undone, write: Write | None, describer: Describer) -> dict[str, Any]:
    """Return the data of a write that was undone. `before` is the result of the write before the rollback. `what` is
    the purpose of the write. If the write has no purpose, `what` is the operation. If the write is no longer in the
    log, `write` is None. Then the data have only the id, the stamp and the outcome."""
    step = {"write": undone.write, "stamp": undone.write.partition("@")[0], "outcome": undone.was.partition(" ")[0]}
    if write is None:
        return step | dict.fromkeys(("app", "op", "user", "what", "before"))
    found = _first_part(describer.describe(write, undone.was))
    about = {"app": write.app, "op": write.op, "user": write.user, "what": found.get("purpose") or write.op}
    return step | about | {"before": found.get("result")}


def _played_again(now: str, write: Write | None, describer: Describer) -> dict[str, Any]:
    """Return the data of a write that was played again with the outcome `now`. `after` is its new result. `why` says
    why the write had no effect; None if it had its effect."""
    found = {} if write is None else _first_part(describer.describe(write, now))
    return {"outcome": now.partition(" ")[0], "after": found.get("result"), "why": found.get("why")}


def _first_part(description: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first of the `parts` of a write's description, or the whole description if it has no parts."""
    first: Mapping[str, Any] = description.get("parts", (description,))[0]
    return first


def _of_revoked(
    entry: Mapping[str, Any], writes: Mapping[str, Write], describer: Describer, label: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of an installed full state: an event `revoked` for each write in the lists `revoked` and `lost`
    of the entry, then an event `reset`.

    revoked     the writes that were committed and are tentative again
    lost        the writes that no longer have a place in the order and cannot be made again
    lost_pages  the pages that revoked commits had changed, if the log no longer held these commits
    """
    peer = entry.get("peer") or None
    for fate in ("revoked", "lost"):
        for identifier in entry.get(fate, ()):
            start = {"write": identifier, "csn": None, "from": peer}
            for data in _data_of(start, writes.get(identifier), None, "revoked", describer):
                yield "revoked", {**data, "outcome": fate, "replica": label}
    yield "reset", {"replica": label, "peer": peer, "lost_pages": list(entry.get("lost_pages", ()))}


def _data_of(
    start: Mapping[str, Any], write: Write | None, was: str | None, now: str, describer: Describer
) -> Iterator[dict[str, Any]]:
    """Yield the data for the events of one write. The data have the keys of `start`, values of the write, and values
    from the application's description of the write. If the description has several `parts`, yield data for each part.
    If the write is no longer in the log, `write` is None. Then only `start` and the outcome are known, and all other
    values are None."""
    status = now.partition(" ")[0]
    if write is None:
        names = ("app", "op", "user", "request", "reservation", "before", "after", "why")
        nothing: dict[str, Any] = dict.fromkeys(names)
        yield {**start, **nothing, "outcome": status}
        return
    after = describer.describe(write, now)
    before = describer.describe(write, was) if was is not None and was != now else after if was is not None else {}
    no_part: dict[str, Any] = {}
    for then, part in zip_longest(before.get("parts", (before,)), after.get("parts", (after,)), fillvalue=no_part):
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
            "why": part.get("why"),
        }
        if part.get("owner"):
            data["owner"] = part["owner"]
        if "membership" in part:
            data["membership"] = part
        yield data


def _outcome_event(data: Mapping[str, Any]) -> str | None:
    """Return the name of the event for a changed outcome. Return None if the write was done with the same result as
    before. For a write that was not done, return None if `why` gives no reason. A duplicate, for example, has no
    reason."""
    if data["outcome"] in DONE:
        return "moved" if data["before"] != data["after"] else None
    return "rejected" if data["why"] else None
