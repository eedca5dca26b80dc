"""Places what happened at the replicas on the columns of a space-time diagram.

Time is logical: an event is to the right of everything that happened before it at its replica, and a received frame is
to the right of where it was sent. Events in one column are concurrent. Each step of a diagram begins to the right of
all steps before it. web/static/cluster/diagram-layout.js does the same for the cluster page.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CARRIES_WRITES = {"batch", "state_end"}  # kinds of frames after which a replica has a transaction


@dataclass(frozen=True, slots=True)
class Step:
    """What happened in one step, such as a line of a script.

    `lanes` maps the label of each replica that runs to what it recorded: `transactions` and `frames`, in the form of
    `GET /replica/diagram`.
    """

    title: str
    lanes: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
    number: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """One event of a write, or of several, at a replica."""

    lane: str
    column: int
    mark: Mapping[str, Any]


@dataclass(slots=True)
class Arrow:
    """One frame. An end that nobody recorded has no column: the frame was lost, or one replica records nothing."""

    sender: str
    receiver: str
    kind: str
    carries: Mapping[str, Any]
    session: str
    sent: int | None = None
    received: int | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a link was cut, or a replica did not run: from one column up to another."""

    names: tuple[str, ...]
    start: int
    end: int


@dataclass(slots=True)
class Layout:
    """A diagram with all columns. `steps` has the first column of each step, and `ends` the number of columns."""

    lanes: list[str]
    columns: int = 0
    steps: list[int] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    cuts: list[Gap] = field(default_factory=list)
    absences: list[Gap] = field(default_factory=list)


@dataclass(slots=True)
class _Item:
    """A thing that happens at a replica: a mark, a change of a link, or one end of an arrow."""

    lane: str
    mark: Mapping[str, Any] | None = None
    link: tuple[str, bool] | None = None  # the peer, and whether the link is cut
    arrow: Arrow | None = None
    is_sent: bool = False
    placed: int = 0  # the column of a mark

    @property
    def column(self) -> int | None:
        """The column of a mark or of an end of an arrow."""
        if self.arrow is None:
            return self.placed
        return self.arrow.sent if self.is_sent else self.arrow.received


def lay_out(steps: Sequence[Step]) -> Layout:
    """Return the layout of these steps. The lanes are in the order in which the steps name them."""
    layout = Layout(list(dict.fromkeys(lane for step in steps for lane in step.lanes)))
    placer = _Placer(layout)
    matcher = _Matcher()
    items = [{lane: list(_items(lane, found, matcher)) for lane, found in step.lanes.items()} for step in steps]
    matcher.join()
    for step, found in zip(steps, items, strict=True):
        placer.begin(step.lanes)
        placer.place(found)
    placer.finish()
    layout.arrows = matcher.arrows()
    return layout


def _items(lane: str, found: Mapping[str, Sequence[Mapping[str, Any]]], matcher: _Matcher) -> Iterator[_Item]:
    """Yield what happened at a replica, in order. Redis gives the time of a transaction in milliseconds only. So a
    transaction that stores the writes of a frame comes after that frame, whatever the times say."""
    frames, at = list(found["frames"]), 0
    for transaction in found["transactions"]:
        upto = _place_of(transaction, frames)
        for frame in frames[at:upto]:
            yield matcher.item(lane, frame)
        at = max(at, upto)
        if transaction["link"] is not None:
            yield _Item(lane, link=(transaction["peer"], transaction["link"] == "cut"))
        for mark in transaction["marks"]:
            yield _Item(lane, mark=mark)
    for frame in frames[at:]:
        yield matcher.item(lane, frame)


def _place_of(transaction: Mapping[str, Any], frames: Sequence[Mapping[str, Any]]) -> int:
    """Return how many of the frames come before a transaction."""
    after = transaction["at"] + 1000
    for index in range(len(frames) - 1, -1, -1):
        frame = frames[index]
        brings = frame["way"] == "received" and frame["kind"] in CARRIES_WRITES
        if frame["at"] < after and brings and frame["peer"] == transaction["peer"]:
            return index + 1
    return sum(frame["at"] < transaction["at"] for frame in frames)


class _Matcher:
    """Makes arrows. An arrow joins a frame that was sent and the frame with the same content that the peer received in
    the same session. Two replicas number their sessions differently, so the hellos show which numbers mean the same
    session."""

    def __init__(self) -> None:
        self._sent: list[tuple[str, _Item]] = []
        self._received: list[tuple[str, _Item]] = []
        self._arrows: list[Arrow] = []

    def item(self, lane: str, frame: Mapping[str, Any]) -> _Item:
        peer, is_sent = frame["peer"], frame["way"] == "sent"
        sender, receiver = (lane, peer) if is_sent else (peer, lane)
        arrow = Arrow(sender, receiver, frame["kind"], frame["carries"], f"{lane} {peer} {frame['session']}")
        item = _Item(lane, arrow=arrow, is_sent=is_sent)
        content = json.dumps([sender, receiver, arrow.kind, arrow.carries], sort_keys=True)
        (self._sent if is_sent else self._received).append((content, item))
        return item

    def join(self) -> None:
        """Give the two ends of each frame the same arrow. Call this method when all frames are known."""
        self._join_sessions()
        sent: defaultdict[tuple[str, str], deque[Arrow]] = defaultdict(deque)
        for content, item in self._sent:
            assert item.arrow is not None
            sent[item.arrow.session, content].append(item.arrow)
            self._arrows.append(item.arrow)
        for content, item in self._received:
            assert item.arrow is not None
            found = sent[item.arrow.session, content]
            if found:
                item.arrow = found.popleft()
            else:
                self._arrows.append(item.arrow)

    def _join_sessions(self) -> None:
        """Give a session one name at both ends."""
        hellos: defaultdict[str, deque[str]] = defaultdict(deque)
        other_end: dict[str, str] = {}
        for content, item in self._sent:
            if item.arrow and item.arrow.kind == "hello":
                hellos[content].append(item.arrow.session)
        for content, item in self._received:
            if item.arrow and item.arrow.kind == "hello" and hellos[content]:
                session = hellos[content].popleft()
                other_end[session], other_end[item.arrow.session] = item.arrow.session, session
        for _, item in [*self._sent, *self._received]:
            if item.arrow:
                item.arrow.session = min(item.arrow.session, other_end.get(item.arrow.session, item.arrow.session))

    def arrows(self) -> list[Arrow]:
        """Return the arrows by their columns."""

        def column(arrow: Arrow) -> int:
            known = arrow.sent if arrow.sent is not None else arrow.received
            return 0 if known is None else known

        return sorted(self._arrows, key=column)


class _Placer:
    """Gives each item its column, step by step."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._free = dict.fromkeys(layout.lanes, 0)  # the first column of each lane in which nothing is
        self._cut: dict[frozenset[str], tuple[set[str], int]] = {}  # link -> the ends that say so, and since when
        self._absent = dict.fromkeys(layout.lanes, 0)  # since when

    def begin(self, lanes: Mapping[str, Any]) -> None:
        """Begin a step in which these lanes run. A step takes at least one column."""
        layout = self._layout
        start = max([layout.columns, *self._free.values()])
        layout.steps.append(start)
        layout.columns = start + 1
        for lane in layout.lanes:
            self._free[lane] = start
            if lane in lanes and lane in self._absent:
                self._end_absence(lane, start)
            elif lane not in lanes:
                self._absent.setdefault(lane, start)

    def place(self, found: Mapping[str, Sequence[_Item]]) -> None:
        """Place the items of a step."""
        waiting = {lane: deque(items) for lane, items in found.items() if items}
        unsent = {id(item.arrow) for items in found.values() for item in items if item.is_sent}
        while waiting:
            # An arrow is received after it was sent. If clocks or gaps in the records say otherwise, go on anyway.
            ready = [lane for lane, items in waiting.items() if items[0].is_sent or id(items[0].arrow) not in unsent]
            for lane in ready or [next(iter(waiting))]:
                item = waiting[lane].popleft()
                self._put(item)
                if item.is_sent:
                    unsent.discard(id(item.arrow))
                if not waiting[lane]:
                    del waiting[lane]
        for items in found.values():
            _send_late(items)

    def finish(self) -> None:
        layout = self._layout
        layout.columns = max([layout.columns, *self._free.values()])
        for link, (_, start) in self._cut.items():
            layout.cuts.append(Gap(self._in_order(link), start, layout.columns))
        for lane in list(self._absent):
            self._end_absence(lane, layout.columns)
        layout.cuts.sort(key=lambda gap: (gap.start, gap.names))

    def _put(self, item: _Item) -> None:
        layout, column = self._layout, self._free[item.lane]
        if item.link is not None:
            self._note_link(item.lane, *item.link, column)
            return
        if item.mark is not None:
            item.placed = column
            layout.marks.append(Mark(item.lane, column, item.mark))
        elif item.arrow is not None and item.is_sent:
            item.arrow.sent = column
        elif item.arrow is not None:
            if item.arrow.sent is not None:
                column = max(column, item.arrow.sent + 1)
            item.arrow.received = column
        self._free[item.lane] = column + 1

    def _note_link(self, lane: str, peer: str, is_cut: bool, column: int) -> None:
        link = frozenset((lane, peer))
        ends, start = self._cut.pop(link, (set(), column))
        ends = ends | {lane} if is_cut else ends - {lane}
        if ends:
            self._cut[link] = ends, start
        elif column > start:
            self._layout.cuts.append(Gap(self._in_order(link), start, column))

    def _in_order(self, link: frozenset[str]) -> tuple[str, ...]:
        known = {lane: place for place, lane in enumerate(self._layout.lanes)}
        return tuple(sorted(link, key=lambda lane: (known.get(lane, len(known)), lane)))

    def _end_absence(self, lane: str, column: int) -> None:
        start = self._absent.pop(lane)
        if column > start:
            self._layout.absences.append(Gap((lane,), start, column))


def _send_late(items: Sequence[_Item]) -> None:
    """Move the start of each arrow to the right, as far as its end and the next item of the sender allow. This keeps
    arrows short, even if their senders had nothing to do for long."""
    limit: int | None = None
    for item in reversed(items):
        arrow = item.arrow
        if arrow is not None and item.is_sent and arrow.sent is not None and arrow.received is not None:
            latest = arrow.received - 1 if limit is None else min(arrow.received - 1, limit - 1)
            arrow.sent = max(arrow.sent, latest)
        limit = item.column if item.link is None else limit
