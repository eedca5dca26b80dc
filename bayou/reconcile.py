"""One anti-entropy session between two replicas, as a state machine: frames in, frames out (Petersen 1997, section 3).

It knows the two replicas' stores only through `ReconcileStore`, and no network, no clock, no thread. The same class
runs at both ends. One session serves both directions:

    both                Hello
    each, as it can     Batch ... (at most WINDOW of them not acknowledged)      Ack for each, once it is stored
    the initiator       Done, when it has sent all and all is acknowledged
    the responder       what has come up meanwhile (as the commits of what it just received), then Done

What was acknowledged is stored for good: a session may break anywhere, and the next one starts from the vectors. When a
batch does not fit (another session moved the receiver on), the Ack asks for a new plan, and says from where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from bayou.frames import Ack, Batch, Done, Frame, Hello, Refuse
from bayou.items import Received, Selection
from bayou.stamps import split_id
from bayou.state import State, Vector

PROTOCOL = 1
BATCH_COUNT_MAX = 500
BATCH_BYTES_MAX = 1024 * 1024
WINDOW = 4  # batches that may be on their way without an acknowledgement
PLANS_MAX = 20  # new plans in one session; a receiver that never fits is not worth more


class ReconcileStore(Protocol):
    """What a session needs of a replica's store."""

    def state(self) -> State: ...

    def adopt(self, birth: str, primary: str) -> str: ...

    def select(self, csn: int, vector: Vector, count_max: int, bytes_max: int) -> Selection: ...

    def receive(self, selection: Selection, source: str) -> Received: ...


@dataclass(slots=True)
class Report:
    """What a session did. `sent` counts acknowledged items, `received` those that changed something here."""

    peer: str = ""
    sent: int = 0
    received: int = 0
    rolled_back: int = 0
    replayed: int = 0
    error: Refuse | None = None


class ProtocolError(Exception):
    """The peer sent a frame that has no place here; nothing of it was stored."""


class Session:
    """One end of a session. `applications` are the tags (NAME/VERSION) that this replica can play."""

    def __init__(self, store: ReconcileStore, applications: Sequence[str], *, initiator: bool) -> None:
        self._store = store
        self._applications = tuple(applications)
        self._initiator = initiator
        self._peer: Hello | None = None
        # What the peer will hold once all that is on its way has arrived; sending goes on from there.
        self._peer_csn = 0
        self._peer_vector: dict[str, int] = {}
        self._plan = 0
        self._on_their_way: list[int] = []  # sizes of the batches of this plan that are not acknowledged
        self._plan_of_peer = 0
        self._sent_done = False
        self._got_done = False
        self._ended = False
        self.report = Report()

    @property
    def finished(self) -> bool:
        """Both sides are done, or one has refused. Invariant: afterwards no frame is sent or taken."""
        return self._ended or (self._sent_done and self._got_done)

    def start(self) -> list[Frame]:
        """The frame that opens this end."""
        state = self._store.state()
        hello = Hello(
            protocol=PROTOCOL,
            cluster=state.cluster,
            server=state.server,
            label=state.label,
            birth=state.birth,
            primary=state.primary,
            csn=state.csn,
            osn=state.osn,
            vector=state.vector,
            applications=self._applications,
        )
        return [hello]

    def receive(self, frame: Frame) -> list[Frame]:
        """Take one frame of the peer; returns the frames to send, in order. ProtocolError when it has no place here."""
        if self.finished:
            raise ProtocolError(f"{type(frame).__name__} after the end of the session")
        match frame:
            case Refuse():
                return self._end(frame)
            case Hello() if self._peer is None:
                return self._hello(frame)
            case Batch() if self._peer is not None and not self._got_done:
                return self._batch(frame)
            case Ack() if self._on_their_way or frame.plan < self._plan:
                return self._ack(frame)
            case Done() if self._peer is not None and not self._got_done:
                self._got_done = True
                return self._send_on()
        raise ProtocolError(f"{type(frame).__name__} has no place here")

    def refuse(self, code: str, message: str) -> list[Frame]:
        """End the session from this side."""
        refusal = Refuse(code, message)
        self._end(refusal)
        return [refusal]

    def _end(self, refusal: Refuse) -> list[Frame]:
        self._ended = True
        self.report.error = refusal
        return []

    def _hello(self, hello: Hello) -> list[Frame]:
        state = self._store.state()
        self.report.peer = hello.label
        problem = _incompatible(state, self._applications, hello)
        if problem:
            return self.refuse(*problem)
        if hello.birth and self._store.adopt(hello.birth, hello.primary) == "other_birth":
            return self.refuse("other_birth", f"{state.label} and {hello.label} belong to two births of the cluster.")
        self._peer = hello
        self._peer_csn, self._peer_vector = hello.csn, dict(hello.vector)
        return self._send_on()

    def _batch(self, batch: Batch) -> list[Frame]:
        if batch.plan < self._plan_of_peer:
            return []  # sent before the peer learned that it has to plan anew
        received = self._store_all(batch.selection)
        if received.status in {"fork", "diverged"}:
            return self.refuse(received.status, _REFUSALS[received.status])
        if received.status == "taken":
            return [Ack(batch.plan, replan=False, csn=received.csn, vector={})]
        self._plan_of_peer += 1
        state = self._store.state()
        return [Ack(batch.plan, replan=True, csn=state.csn, vector=state.vector)]

    def _store_all(self, selection: Selection) -> Received:
        """Store a batch in as many transactions as the store's bounds ask for."""
        while True:
            received = self._store.receive(selection, self.report.peer)
            self.report.received += received.new
            self.report.rolled_back += received.rolled_back
            self.report.replayed += received.replayed
            if received.status != "more":
                return received
            selection = _rest(selection, received.taken)

    def _ack(self, ack: Ack) -> list[Frame]:
        if ack.plan < self._plan:
            return []
        self.report.sent += self._on_their_way.pop(0)
        if ack.replan:
            self._plan += 1
            self._on_their_way.clear()
            self._peer_csn, self._peer_vector = ack.csn, dict(ack.vector)
            if self._plan > PLANS_MAX:
                return self.refuse("unsteady", f"What was sent did not fit {PLANS_MAX} times. Try again later.")
        return self._send_on()

    def _send_on(self) -> list[Frame]:
        """Send what the window has room for; Done when nothing is left and it is this side's turn to say so."""
        frames: list[Frame] = []
        while not self._sent_done and len(self._on_their_way) < WINDOW:
            selection = self._store.select(self._peer_csn, self._peer_vector, BATCH_COUNT_MAX, BATCH_BYTES_MAX)
            if not selection.items:
                break
            self._foresee(selection)
            self._on_their_way.append(len(selection.items))
            frames.append(Batch(self._plan, selection))
        if not self._on_their_way and not self._sent_done and (self._initiator or self._got_done):
            self._sent_done = True
            frames.append(Done())
        return frames

    def _foresee(self, selection: Selection) -> None:
        for item in selection.items:
            stamp, origin = split_id(item.id)
            self._peer_vector[origin] = max(stamp, self._peer_vector.get(origin, 0))
            if item.csn is not None:
                self._peer_csn = item.csn


_REFUSALS = {
    "fork": "Two different writes follow the same one: a server id was used twice. Give one of the two a new id.",
    "diverged": "The two committed logs are not parts of one history.",
}


def _incompatible(state: State, applications: Sequence[str], hello: Hello) -> tuple[str, str] | None:
    """Why these two cannot talk: (code, sentence)."""
    if hello.protocol != PROTOCOL:
        return "other_protocol", (
            f"{state.label} speaks protocol {PROTOCOL} and {hello.label} protocol {hello.protocol}."
            " Bring both to the same release."
        )
    if hello.cluster != state.cluster:
        return "other_cluster", (
            f"{state.label} belongs to the cluster {state.cluster} and {hello.label} to {hello.cluster}."
            " Give both the same cluster name and list of replicas."
        )
    if hello.server == state.server:
        return "same_server", f"Both ends are {state.server}. Check the addresses in the configuration."
    if set(hello.applications) != set(applications):
        return "other_applications", (
            f"{state.label} plays {', '.join(applications)} and {hello.label} {', '.join(hello.applications)}."
            " Bring both to the same release."
        )
    return None


def _rest(selection: Selection, taken: int) -> Selection:
    """What is left of a selection once its first items were taken."""
    done = selection.items[:taken]
    commits = [item for item in done if item.csn is not None]
    left = replace(selection, items=selection.items[taken:])
    if commits and commits[-1].csn is not None:
        left = replace(left, after_csn=commits[-1].csn, after_id=commits[-1].id)
    return left
