"""Anti-entropy by file ("transportable media" in Petersen 1997, section 3.4). The file has the frames of one side. The
other side cannot answer.

An export is one or more volumes. Each volume begins with a Head, which says what the receiver must hold already. Then
come frames as in a session. The volume ends with an End, which says what the receiver holds afterwards. Each volume
continues the previous volume. A full state is always in one volume. replica/http/export_file.py turns the frames into
bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bayou.anti_entropy import PROTOCOL, Report, hello_of
from bayou.errors import BadInput, Conflict, PeerRefusalCode
from bayou.frame_validation import problem_of, problem_of_writes
from bayou.frames import Ack, Batch, Hello, Refuse, StateChunk, StateFinish
from bayou.full_state import Staging
from bayou.handshake import EARLY_PROMOTION, FORK_OF_MEMBERS, LOGS_DIFFER, LOGS_FORK, judge_hello
from bayou.history import Verdict, heals
from bayou.payloads import Compared, Selection, StateEnd
from bayou.reach import Reach
from bayou.seal_check import SealCheck, Unheld
from bayou.sealing import Sealing
from bayou.seals import Signing
from bayou.sender import BATCH_BYTES_MAX, BATCH_COUNT_MAX
from bayou.state import State, Vector
from bayou.store import AntiEntropyStore
from bayou.trust import check_end, lost_write, place_of_ahead, refuse_ahead, refuse_foreign, refuse_lost
from bayou.vectors import missing


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a volume, with the hello of the replica that wrote the volume. `csn` and `vector` say which
    commits and writes a receiver must hold before it takes the volume. If the volume has a full state, the receiver
    need not hold any of these."""

    hello: Hello
    csn: int
    vector: Vector
    full_state: bool


@dataclass(frozen=True, slots=True)
class End:
    """The end of a volume. `csn` and `vector` say which commits and writes a receiver holds after the volume. The
    receiver may hold more."""

    csn: int
    vector: Vector


ExportFrame = Head | StateChunk | StateFinish | Batch | End

_GAP = (
    "The writes in the file do not continue the log of this replica. Export a new file for this replica, and import"
    " the new file."
)
_MISFITS = {  # status of a batch that is not stored -> message; for any other status, the message is _GAP
    "fork": LOGS_FORK,
    "own": LOGS_FORK,
    "bound": FORK_OF_MEMBERS,
    "diverged": LOGS_DIFFER,
    "early_promotion": EARLY_PROMOTION,
}


def export_volumes(
    store: AntiEntropyStore,
    applications: Mapping[str, str],
    since_csn: int,
    since: Vector,
    volume_bytes_max: int,
    signing: Signing | None = None,
) -> Iterator[ExportFrame]:
    """Yield the frames of all volumes for a receiver. The receiver holds the commits up to `since_csn` and the writes
    that `since` covers. Each volume runs from a Head to an End. With `signing`, the commits are signed. Raise Conflict
    `state_not_signed` if the receiver needs a full state that this replica cannot sign."""
    outgoing = Sealing(store, signing)
    hello = hello_of(store.state(), applications, clock_us=0)  # a file is read later, so its clock says nothing
    reach = Reach(since_csn, dict(since), ())
    first = True
    while True:
        selection = outgoing.select(reach, BATCH_COUNT_MAX, BATCH_BYTES_MAX)
        if selection is not None and not selection.items and not first:
            return
        if outgoing.is_incomplete and first:
            raise Conflict(
                PeerRefusalCode.STATE_NOT_SIGNED,
                "The file needs a full state, and with TLS only the primary can sign a full state. Export from the"
                " primary.",
            )
        yield Head(hello, reach.csn, dict(reach.vector), selection is None)
        first = False
        if selection is None:
            for frame in outgoing.state_frames(0, BATCH_COUNT_MAX, BATCH_BYTES_MAX):
                yield frame
                if isinstance(frame, StateFinish):
                    reach = Reach(frame.end.csn, dict(frame.end.vector), hello.retired_servers)
            selection = outgoing.select(reach, BATCH_COUNT_MAX, BATCH_BYTES_MAX)
        written = 0
        while selection is not None and selection.items:
            yield Batch(0, selection)
            reach.note_sent(selection)
            written += sum(len(item.body) + len(item.id) for item in selection.items)
            if written >= volume_bytes_max:
                break
            selection = outgoing.select(reach, BATCH_COUNT_MAX, BATCH_BYTES_MAX)
        yield End(reach.csn, dict(reach.vector))


class Importer:
    """Takes the frames of one volume, and stores each frame as soon as it comes. If a frame is refused or damaged, the
    frames before it stay stored. `clock_us` returns the wall clock. With `signing`, commits and full states must be
    signed."""

    def __init__(
        self,
        store: AntiEntropyStore,
        applications: Mapping[str, str],
        clock_us: Callable[[], int],
        signing: Signing | None = None,
    ) -> None:
        self._store = store
        self._applications = dict(applications)
        self._clock_us = clock_us
        self._common_csn: int | None = None
        self._retired: tuple[str, ...] = ()  # servers that the vectors of the file leave out
        self._check = SealCheck(store, signing) if signing else None
        self._staging = Staging(store, is_checked=signing is not None)
        self.report = Report()

    def take(self, frame: ExportFrame) -> None:
        """Store the next frame. Raise Conflict if the volume does not fit this replica, and BadInput if the frame is
        damaged.

        Raise Conflict `tail_lost` if the frame shows that this replica has lost writes of its own. Once the replica has
        a new id, the importer can take the same frame.
        """
        if problem := self._problem(frame):
            raise BadInput("export_damaged", f"The file is damaged: {problem}. Export the file again.", field="file")
        match frame:
            case Head():
                self._head(frame)
            case Batch(_, selection):
                self._batch(selection)
            case StateChunk():
                if not self._staging.take(frame):
                    raise Conflict("busy", "This replica is receiving another full state. Import the file again later.")
            case StateFinish():
                self._finish(frame)
            case End():
                pass

    def _problem(self, frame: ExportFrame) -> str | None:
        match frame:
            case Head(hello, csn, vector):
                return problem_of(hello) or problem_of(Ack(0, replan=False, csn=csn, vector=vector))
            case End(csn, vector):
                return problem_of(Ack(0, replan=False, csn=csn, vector=vector))
            case Batch():
                return problem_of(frame) or problem_of_writes(frame, self._applications)
            case StateChunk():
                problem = problem_of(frame) or problem_of_writes(frame, self._applications)
                return problem or self._staging.problem_of(frame)
            case StateFinish():
                return problem_of(frame) or self._staging.problem_of(frame)
            case _:
                return problem_of(frame)

    def _batch(self, selection: Selection) -> None:
        state, now_us = self._store.state(), self._clock_us()
        ahead = place_of_ahead(selection, now_us)
        rest = selection if ahead is None else selection.first(ahead)
        if lost_write(rest, state):
            raise _conflict(refuse_lost(state.label, self.report.peer))
        self._check_seals(selection)
        while rest.items:
            received = self._store.receive(rest, self.report.peer)
            self._count(received.new, received.rolled_back, received.replayed)
            if received.status == PeerRefusalCode.FOREIGN_COMMIT:
                raise _conflict(refuse_foreign(state.label, self.report.peer))
            if received.status not in {"taken", "more"}:
                raise Conflict("export_does_not_fit", _MISFITS.get(received.status, _GAP))
            rest = rest.after(received.taken)
        if ahead is not None:
            raise _conflict(refuse_ahead(state.label, now_us, self.report.peer, selection.items[ahead]))

    def _check_seals(self, selection: Selection) -> None:
        try:
            refusal = self._check.commits(selection, self.report.peer) if self._check else None
        except Unheld:
            raise Conflict("export_does_not_fit", _GAP) from None
        if refusal:
            raise _conflict(refusal)

    def _head(self, head: Head) -> None:
        if self.report.peer:
            raise BadInput(
                "export_damaged",
                "The file is damaged: one of its volumes begins twice. Export the file again.",
                field="file",
            )
        state = self._store.state()
        self.report.peer, self._retired = head.hello.label, head.hello.retired_servers
        judged = judge_hello(state, PROTOCOL, self._applications, head.hello, None)
        if isinstance(judged, Refuse):
            if judged.code == PeerRefusalCode.SAME_SERVER:
                raise Conflict("export_own", "This replica wrote the file. Import it at another replica.")
            raise _conflict(judged)
        verdict, common = judged
        if verdict is Verdict.PREVAIL:
            raise Conflict(
                "export_stale", "A forced promotion has revoked commits that the file contains. Export a new file."
            )
        if verdict is Verdict.YIELD and not head.full_state:
            raise Conflict(
                "export_needs_full_state",
                "A forced promotion has revoked commits of this replica, so this replica needs a full state. But the"
                f" file contains no full state. The replica {head.hello.label} wrote the file. Run a session of this"
                f" replica with {head.hello.label} over the network: `sync {head.hello.label}`.",
            )
        if heals(head.hello.history, state.history):
            raise Conflict(
                "export_revokes",
                f"A new epoch has revoked commits of {state.label}. To keep its own writes, {state.label} must compare"
                f" its log with the log of {head.hello.label}. A file cannot answer the questions of this comparison."
                f" Run a session between {state.label} and {head.hello.label}, or between {state.label} and another"
                " replica of the new epoch.",
            )
        if verdict is Verdict.YIELD:
            self._common_csn = common
        lacking = missing(state.vector, state.retired_servers, head.vector)
        if not head.full_state and (state.csn < head.csn or lacking):
            raise Conflict(
                "export_does_not_fit",
                f"The file begins after CSN {head.csn}. This replica holds the commits up to CSN {state.csn}, and lacks"
                " writes from before the beginning of the file. Import the earlier files first. Or export a new file"
                " for this replica: `admin export FILE --for LABEL`.",
                needed={"csn": head.csn, "vector": {server: f"{stamp:016d}" for server, stamp in head.vector.items()}},
                missing={server: f"{stamp:016d}" for server, stamp in lacking.items()},
            )
        if new := set(head.hello.log_applications) - set(state.log_applications):
            self._store.note_log_applications(sorted(new))
        if verdict is Verdict.AGREE and head.hello.birth:
            self._store.adopt(head.hello.birth)

    def _finish(self, frame: StateFinish) -> None:
        state = self._store.state()
        if self._common_csn is None and state.csn >= frame.end.csn:
            return  # the state is not newer than the log here, but the batches after the state may be
        if refusal := check_end(state.label, self._clock_us(), self.report.peer, frame.end):
            raise _conflict(refusal)
        if self._common_csn is None and not self._continues(state, frame.end):
            raise Conflict("export_does_not_fit", LOGS_DIFFER)
        if self._check and (refusal := self._check.state(frame, self._staging, self.report.peer)):
            raise _conflict(refusal)
        self._staging.store_lists()
        successions = frame.proof.successions if self._check and frame.proof else ()
        peer, common = self.report.peer, self._common_csn
        compared = Compared(common, takes_birth=common is not None)
        omitted = self._staging.omitted(frame.end)
        installed = self._store.install(self._staging.number, peer, frame.end, compared, successions, omitted)
        if installed.status == "superseded":
            raise Conflict("busy", "This replica has begun to receive another full state. Import the file again later.")
        if installed.status == PeerRefusalCode.FOREIGN_COMMIT:
            raise _conflict(refuse_foreign(state.label, self.report.peer))
        self.report.installed = installed

    def _continues(self, state: State, end: StateEnd) -> bool:
        """Return whether the log here is a prefix of the sender's log. `end` describes the sender's log at the moment
        of the full state. A file cannot answer questions, so only the newest commits are compared: `end` has their
        ids."""
        place = state.csn - (end.csn - len(end.recent))  # of the last commit here, counted from 1 in `end.recent`
        is_same = not state.csn or place <= 0 or end.recent[place - 1] == state.last
        return is_same and not missing(end.vector, self._retired, state.committed_vector)

    def _count(self, new: int, rolled_back: int, replayed: int) -> None:
        self.report.received += new
        self.report.rolled_back += rolled_back
        self.report.replayed += replayed


def _conflict(refusal: Refuse) -> Conflict:
    return Conflict(refusal.code, refusal.message)
