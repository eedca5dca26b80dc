"""A session between two nodes. The simulation delivers one frame at a time.

Each side of the session is a real `Session`. Queues take the place of the network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from bayou.anti_entropy import ProtocolError, Session
from bayou.errors import PeerRefusalCode
from bayou.frames import Ack, Answer, Batch, Frame, StateChunk, StateFinish
from bayou.stamps import split_id
from bayou.vectors import complete
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.protobuf_codec import decode, encode
from tests.simulation.nodes import BEGIN_US, RULES, Node


class Meeting:
    """A session between two nodes.

    `nodes` has the initiator, then the responder. In this class, `end` is the number of a side: 0 for the initiator, 1
    for the responder. `wires[end]` has the frames in flight to this side.

    `now_us` returns the true time. If `stands` is true, both sides want the session to stay open.
    """

    def __init__(
        self, initiator: Node, responder: Node, now_us: Callable[[], int] = lambda: BEGIN_US, *, stands: bool = False
    ) -> None:
        self.nodes = (initiator, responder)
        self.ends = (
            self._end(initiator, now_us, is_initiator=True, stands=stands),
            self._end(responder, now_us, is_initiator=False, stands=stands),
        )
        self.faults: list[str] = []  # violations of invariant 21
        self.offers = 0  # full states that began although the sender's log had what the receiver lacks
        self._sent: tuple[set[str], set[str]] = (set(), set())  # ids of the bodies that each end sent in this plan
        # The history of each side when the side last told the other side what it holds. Another session may then bring
        # a full state to the side. At first, the other side does not know of this full state.
        self._histories = [node.store.state().history for node in self.nodes]
        self.wires: tuple[deque[Frame], deque[Frame]] = (deque(), deque())
        self.has_caller_retired = initiator.store.state().retired  # before the session began
        self.caller_server = initiator.store.state().server
        self._came: tuple[set[str], set[str]] = (set(), set())  # ids of the writes that each end received
        self._echoed: set[str] = set()  # ids of the writes that each end sent back
        self._receipts = [node.store.receipts for node in self.nodes]  # receipts before and in this session
        self.gone: set[int] = set()  # ends that left without a frame
        self.partial: set[int] = set()  # ends whose log the sender of a full state could not compare whole
        for end in (0, 1):
            self.wires[1 - end].extend(self.ends[end].start())

    @staticmethod
    def _end(node: Node, now_us: Callable[[], int], *, is_initiator: bool, stands: bool) -> Session:
        clock_us, arrivals = lambda: now_us() + node.offset_us, node.arrivals if stands else None
        return Session(
            node.store,
            RULES,
            initiator=is_initiator,
            clock_us=clock_us,
            now_s=lambda: now_us() / 1e6,
            arrivals=arrivals,
            memory=node.memory,
        )

    @property
    def pair(self) -> tuple[str, str]:
        return self.nodes[0].label, self.nodes[1].label

    @property
    def over(self) -> bool:
        return not self.stands and not any(self.is_waiting(end) for end in (0, 1))

    @property
    def stands(self) -> bool:
        """True if both sides keep the session open. The session then goes on even if no frame is in flight."""
        return not self.gone and all(end.is_open for end in self.ends)

    @property
    def succeeded(self) -> bool:
        return not self.gone and all(end.finished and end.report.error is None for end in self.ends)

    @property
    def error(self) -> str:
        reports = [end.report for number, end in enumerate(self.ends) if number not in self.gone]
        return next((report.error.code for report in reports if report.error), "" if self.succeeded else "cut")

    @property
    def echo(self) -> set[str]:
        """Return the ids of the writes that one side received and then sent back. By invariant 15, no side may send a
        write back.

        The invariant does not apply if one of the nodes has received something in another session meanwhile. Then
        return an empty set.
        """
        return self._echoed if self._receipts == [node.store.receipts for node in self.nodes] else set()

    def is_waiting(self, end: int) -> bool:
        return bool(self.wires[end]) and not self.ends[end].finished and end not in self.gone

    def leave(self, end: int) -> None:
        """Remove the side `end` from the session. The other side still receives the frames that were already sent."""
        self.gone.add(end)
        self.wires[end].clear()
        self._break(end)

    def break_off(self) -> None:
        """End the session on both sides, as a replica does when a connection breaks."""
        for end in (0, 1):
            self._break(end)

    def _break(self, end: int) -> None:
        if not self.ends[end].finished:
            self.ends[end].refuse(PeerRefusalCode.UNREACHABLE, "the connection broke")

    def deliver(self, end: int, *, double: bool = False, encoded: bool = False) -> str:
        """Deliver the next frame to the side `end`, and return the kind of the frame.

        If `double` is true, deliver the frame twice. If `encoded` is true, encode and decode the frame first.
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
            if isinstance(frame, Ack) and frame.replan:
                self._sent[end].clear()
            if any(isinstance(answer, Ack) and answer.replan for answer in answers):
                self._histories[end] = self.nodes[end].store.state().history
            self.send(end, answers)
        self._receipts[end] += self.nodes[end].store.receipts - before
        return type(frame).__name__

    def send(self, end: int, frames: Iterable[Frame]) -> None:
        """Send frames from the side `end` to the other side."""
        if 1 - end in self.gone:  # the end may have another storage by now
            return
        for frame in frames:
            if isinstance(frame, Batch):
                self._check_batch(end, frame)
            elif isinstance(frame, StateChunk) and frame.first:
                here, there = (self.nodes[one].store.state() for one in (end, 1 - end))
                self.offers += here.history == there.history and here.osn <= there.csn
            self.wires[1 - end].append(frame)

    def _check_batch(self, end: int, batch: Batch) -> None:
        """Check two rules of invariant 21 for a batch that the side `end` sends. Record each violation.

        1. Within one plan, the sender sends no body twice.
        2. The sender sends a commit without its body only if the receiver holds the write, or if the sender has sent
           the body in the same plan.

        Rule 2 is not checked while the sender does not know that the receiver's history has changed.
        """
        sent, there = self._sent[end], self.nodes[1 - end].store.state()
        for item in batch.selection.items:
            if item.body and item.id in sent:
                self.faults.append(f"{item.id} is sent twice")
            stamp, origin = split_id(item.id)
            holds = complete(there.vector, there.retired_servers, origin) >= stamp
            is_known = there.history == self._histories[1 - end]
            if not item.body and item.id not in sent and not holds and is_known:
                self.faults.append(f"the commit of {item.id} is sent before it")
            if item.body:
                sent.add(item.id)


def _writes_of(frame: Frame) -> set[str]:
    """Return the ids of the writes whose bodies are in a frame."""
    return {item.id for item in frame.selection.items if item.body} if isinstance(frame, Batch) else set()
