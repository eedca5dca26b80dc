"""A session between two nodes, a frame at a time: both ends are the real state machine, the wires are lists."""

from __future__ import annotations

from collections import deque

from bayou.anti_entropy import ProtocolError, Session
from bayou.frames import Batch, Frame, Refuse
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.protobuf_codec import decode, encode
from tests.simulation.nodes import TAGS, Node

LOST_TAIL = {"tail_lost": True, "tail_lost_there": False}  # code: is it the side that refuses that has lost its tail?


class Meeting:
    """`nodes` are the initiator and the responder; `wires[end]` are the frames on their way to it."""

    def __init__(self, initiator: Node, responder: Node) -> None:
        self.nodes = (initiator, responder)
        self.ends = (Session(initiator.store, TAGS, initiator=True), Session(responder.store, TAGS, initiator=False))
        self.wires: tuple[deque[Frame], deque[Frame]] = (deque(), deque())
        self.has_caller_retired = initiator.store.state().retired  # before the session began
        self.tail_lost: Node | None = None
        self._came: tuple[set[str], set[str]] = (set(), set())  # ids of the writes that each end was handed
        self._echoed: set[str] = set()  # those that it sent back
        self._receipts = [node.store.receipts for node in self.nodes]  # before, and in this session
        self.gone: set[int] = set()  # ends that hear nothing any more, and do not say so
        for end in (0, 1):
            self.wires[1 - end].extend(self.ends[end].start())

    @property
    def pair(self) -> tuple[str, str]:
        return self.nodes[0].label, self.nodes[1].label

    @property
    def over(self) -> bool:
        return not any(self.is_waiting(end) for end in (0, 1))

    @property
    def succeeded(self) -> bool:
        return not self.gone and all(end.finished and end.report.error is None for end in self.ends)

    @property
    def error(self) -> str:
        return next((end.report.error.code for end in self.ends if end.report.error), "" if self.succeeded else "cut")

    @property
    def echo(self) -> set[str]:
        """Ids of writes that went back to where they came from; a session that another one crossed is not judged."""
        return self._echoed if self._receipts == [node.store.receipts for node in self.nodes] else set()

    def is_waiting(self, end: int) -> bool:
        return bool(self.wires[end]) and not self.ends[end].finished and end not in self.gone

    def leave(self, end: int) -> None:
        """This end is gone; the other one gets what is on its way, and no more."""
        self.gone.add(end)
        self.wires[end].clear()

    def deliver(self, end: int, *, double: bool = False, encoded: bool = False) -> str:
        """Hand the next frame to `end`; returns its kind."""
        frame = self.wires[end].popleft()
        if encoded:
            frame = decode(wire.Frame.FromString(encode(frame).SerializeToString()))
        self._came[end].update(_writes_of(frame))
        before = self.nodes[end].store.receipts
        for _ in range(2 if double else 1):
            session = self.ends[end]
            if session.finished:
                break
            try:
                answers = session.receive(frame)
            except ProtocolError as error:
                answers = session.refuse("protocol", str(error))
            for answer in answers:
                if isinstance(answer, Refuse) and answer.code in LOST_TAIL:
                    self.tail_lost = self.nodes[end if LOST_TAIL[answer.code] else 1 - end]
                self._echoed |= _writes_of(answer) & self._came[end]
            if 1 - end not in self.gone:
                self.wires[1 - end].extend(answers)
        self._receipts[end] += self.nodes[end].store.receipts - before
        return type(frame).__name__


def _writes_of(frame: Frame) -> set[str]:
    """Ids of the writes in a frame; a notification brings none."""
    return {item.id for item in frame.selection.items if item.body} if isinstance(frame, Batch) else set()
