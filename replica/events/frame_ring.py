"""Records the frames of this replica's sessions for diagrams, and keeps the newest FRAMES_MAX records.

Frames are recorded only with manual pace, or if the environment variable BAYOU_FRAMES is `recorded`. A record says what
a frame carries. It does not contain the bytes of the frame. The sender and the receiver each make a record of a frame.
A diagram draws an arrow between two records with the same `kind` and `carries`.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bayou.frames import Ack, Answer, Batch, Done, Frame, Hello, Holds, Question, Refuse, StateChunk, StateFinish, Sync
from bayou.payloads import Item
from bayou.stamps import stamp_text
from bayou.state import Vector

FRAMES_MAX = 10_000
ENTRIES_MAX = 50  # writes, or entries of a vector, that a record names
FRAMES_VARIABLE = "BAYOU_FRAMES"
RECORDED = "recorded"
KINDS = {
    Hello: "hello",
    Batch: "batch",
    StateChunk: "state_part",
    StateFinish: "state_end",
    Question: "question",
    Answer: "answer",
    Ack: "ack",
    Holds: "holds",
    Sync: "sync",
    Done: "done",
    Refuse: "refuse",
}


class FrameRing:
    """The newest frames that were sent and received. Any thread may call the methods.

    New frames are recorded only while `is_wanted` returns true. Older records stay. `is_wanted` must not block.
    """

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        self._is_wanted = is_wanted
        self._records: deque[dict[str, Any]] = deque(maxlen=FRAMES_MAX)
        self._last = 0  # the time of the newest record
        self._sessions = itertools.count(1)
        self._lock = threading.Lock()

    @property
    def is_recording(self) -> bool:
        return self._is_wanted()

    def session(self, peer: str) -> SessionFrames:
        """Return a recorder for the frames that this replica sends and receives in a new session. `peer` is the label
        of the other replica or, if this server is joining, the address of the other replica."""
        return SessionFrames(self, next(self._sessions), peer)

    def after(self, at: int, count_max: int) -> list[dict[str, Any]]:
        """Return up to `count_max` records that were made after the time `at`, oldest first. A record has these keys:

        at       the time of the record; no two records have the same time
        session  the number of the session; other replicas do not know this number
        peer     the label of the other replica
        way      `sent` or `received`
        kind     the kind of the frame
        carries  the content of the frame

        Times are in microseconds since 1970, by the machine's clock.
        """
        with self._lock:
            newer = [*itertools.takewhile(lambda record: record["at"] > at, reversed(self._records))]
        return newer[::-1][:count_max]

    def add(self, record: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._last = max(time.time_ns() // 1000, self._last + 1)
            self._records.append({"at": self._last, **record})
            return self._records[-1]


NOT_RECORDING = FrameRing(lambda: False)


class SessionFrames:
    """Records the frames that this replica sends and receives in one session."""

    def __init__(self, ring: FrameRing, session: int, peer: str) -> None:
        self._ring = ring
        self._session = session
        self._peer = peer
        self._opening: dict[str, Any] = {}  # the record of the first frame

    def sent(self, frame: Frame) -> None:
        self._note("sent", frame)

    def received(self, frame: Frame) -> None:
        if isinstance(frame, Hello):
            self._peer = self._opening["peer"] = frame.label  # a server that joins calls an address
        self._note("received", frame)

    def _note(self, way: str, frame: Frame) -> None:
        if not self._ring.is_recording:
            return
        record = {"session": self._session, "peer": self._peer, "way": way}
        added = self._ring.add(record | {"kind": KINDS[type(frame)], "carries": _carried(frame)})
        self._opening = self._opening or added


def _carried(frame: Frame) -> dict[str, Any]:
    found: dict[str, Any] = {}
    match frame:
        case Hello():
            found = {"server": frame.server, "label": frame.label, "csn": frame.csn, "vector": _vector(frame.vector)}
            found |= {"clock": stamp_text(frame.clock), "standing": frame.standing}
        case Batch(plan, selection):
            writes = [_item(item) for item in selection.items[:ENTRIES_MAX]]
            found = {"plan": plan, "after_csn": selection.after_csn, "count": len(selection.items), "writes": writes}
        case StateChunk(plan, number):
            found = {"plan": plan, "number": number, "pages": frame.pages.count, "lists": len(frame.lists)}
        case StateFinish(plan, number, end):
            found = {"plan": plan, "parts": number, "csn": end.csn, "vector": _vector(end.vector)}
        case Question(csns, ids) | Answer(csns, ids):
            found = {"csns": len(csns), "ids": _some(ids)}
        case Ack():
            found = {"plan": frame.plan, "replan": frame.replan}
            if frame.replan:  # only then does the receiver say what it holds
                found |= {"csn": frame.csn, "vector": _vector(frame.vector)}
        case Holds():
            found = {"csn": frame.csn, "vector": _vector(frame.vector)}
        case Sync(number, is_answer):
            found = {"number": number, "is_answer": is_answer}
        case Refuse(code, message):
            found = {"code": code, "message": message}
    return found


def _item(item: Item) -> Mapping[str, Any]:
    """Return what a record says about a write of a batch: the id of the write, its CSN, and whether its body is in the
    batch."""
    return {"write": item.id, "csn": item.csn, "body": bool(item.body)}


def _vector(vector: Vector) -> dict[str, str]:
    return {server: stamp_text(vector[server]) for server in _some(sorted(vector))}


def _some(entries: Sequence[str]) -> list[str]:
    return list(entries[:ENTRIES_MAX])
