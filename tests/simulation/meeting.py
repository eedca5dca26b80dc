"""A session between two nodes, one frame at a time. Both ends are the real state machine; the wires are lists."""

from __future__ import annotations

from collections import deque

from bayou.anti_entropy import ProtocolError, Session
from bayou.frames import Answer, Batch, Frame, StateFinish
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.protobuf_codec import decode, encode
from tests.simulation.nodes import BEGIN_US, RULES, Node


class Meeting:
    """A session. `nodes` are its initiator and its responder; `wires[end]` has the frames in flight to that end.
    `now_us` is the true time."""

    def __init__(self, initiator: Node, responder: Node, now_us: int = BEGIN_US) -> None:
        self.nodes = (initiator, responder)
        self.ends = (
            Session(initiator.store, RULES, initiator=True, clock_us=lambda: now_us + initiator.offset_us),
            Session(responder.store, RULES, initiator=False, clock_us=lambda: now_us + responder.offset_us),
        )
        self.wires: tuple[deque[Frame], deque[Frame]] = (deque(), deque())
        self.has_caller_retired = initiator.store.state().retired  # before the session began
        self.caller_server = initiator.store.state().server
        self._came: tuple[set[str], set[str]] = (set(), set())  # ids of the writes that each end received
        self._echoed: set[str] = set()  # ids of the writes that each end sent back
        self._receipts = [node.store.receipts for node in self.nodes]  # before, and in this session
        self.gone: set[int] = set()  # ends that have silently gone
        self.partial: set[int] = set()  # ends whose log the last full state's sender could not compare whole
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
        """Return the ids of the writes that an end sent back to their sender. Invariant 15 forbids this.

        Return an empty set if one of the nodes received something in another session meanwhile. Invariant 15 excepts
        this case.
        """
        return self._echoed if self._receipts == [node.store.receipts for node in self.nodes] else set()

    def is_waiting(self, end: int) -> bool:
        return bool(self.wires[end]) and not self.ends[end].finished and end not in self.gone

    def leave(self, end: int) -> None:
        """Remove this end from the session. The other end still receives the frames that this end has already sent."""
        self.gone.add(end)
        self.wires[end].clear()

    def deliver(self, end: int, *, double: bool = False, encoded: bool = False) -> str:
        """Deliver the next frame to `end`, and return the kind of the frame.

        If `double` is true, the frame is delivered twice. If `encoded` is true, it is first encoded and decoded.
        """
        frame = self.wires[end].popleft()
        if encoded:
            frame = decode(wire.Frame.FromString(encode(frame).SerializeToString()))
        self._came[end].update(_writes_of(frame))
        if isinstance(frame, StateFinish):
            self.partial.discard(end)
        elif isinstance(frame, Answer) and frame.unknown and not any(frame.commits):
            self.partial.add(end)
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
                self._echoed |= _writes_of(answer) & self._came[end]
            if 1 - end not in self.gone:
                self.wires[1 - end].extend(answers)
        self._receipts[end] += self.nodes[end].store.receipts - before
        return type(frame).__name__


def _writes_of(frame: Frame) -> set[str]:
    """Return the ids of the writes whose bodies are in a frame."""
    return {item.id for item in frame.selection.items if item.body} if isinstance(frame, Batch) else set()
