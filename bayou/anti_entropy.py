"""One anti-entropy session between two replicas, as a state machine: frames in, frames out (Petersen 1997, section 3).

The session uses the replica's storage through `AntiEntropyStore`. The session uses no network and no thread, and gets
the clock as an argument. Both replicas run the same class. One session serves both directions:

    both            send Hello
    each            sends Batch ... (as many as the window allows), and gets an Ack for each stored Batch
    the initiator   sends Done, when everything is sent and acknowledged
    the responder   sends the writes and commits that have appeared meanwhile, then Done

If both hellos ask for a standing session, the session stays open. Then the sides do not send Done when everything is
sent. Instead, either side sends new writes and commits (`send_new`), tells the peer what this side holds (`tell`), and
asks whether both sides have sent everything (`sync`). If the hello of one side is no longer true (`has_changed`), that
side closes the session with Done (`close`).

The sender plans its batches from the vectors of the receiver. Meanwhile, another session may change the receiver. Then
a batch may not fit any more. In this case, the receiver's Ack says what the receiver holds now, and the sender makes a
new plan.

A receiver gets the full state (StateChunk ... StateFinish) instead of batches in three cases:

    1. The receiver lacks commits that are no longer in the sender's log.
    2. The sender's history prevails, and revokes commits of the receiver.
    3. The receiver is so far behind that the full state takes less time.

The receiver first compares the two logs (bayou/comparison.py), and then installs the full state. The next Ack of the
receiver asks for a new plan.

A session may break at any point. The next session continues from what each side then holds. An acknowledged Batch is
stored for good, with two exceptions, which the next two paragraphs describe. If a session breaks during a full state,
the parts that have arrived are not installed.

A peer may be faulty. bayou/trust.py says what a replica refuses to believe. For example, the peer's hello may claim
writes of this replica that this replica does not hold. Then this side searches the peer's batches for one of these
writes. Meanwhile this side acknowledges the batches, but stores nothing and sends no writes. The session ends with a
refusal, unless a full state has given this replica a new id.

If a copy of a data folder has run, a server id may have been used twice. Then a write of the peer and a different write
of this replica may have the same place in the order of that server. If the peer's write is tentative, this side
acknowledges the batches, but stores nothing more. This side goes on sending, because one of its commits may decide
between the two writes. When nothing is left to send, this side refuses the session.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bayou.arrivals import Arrivals
from bayou.comparison import Comparison, is_other
from bayou.errors import Hung, PeerRefusalCode
from bayou.frame_validation import SERVERS_MAX, problem_of, problem_of_writes
from bayou.frames import Ack, Answer, Batch, Done, Frame, Hello, Holds, Question, Refuse, StateChunk, StateFinish, Sync
from bayou.full_state import Staging
from bayou.handshake import EARLY_PROMOTION, FORK_OF_MEMBERS, LOGS_DIFFER, LOGS_FORK, judge_hello
from bayou.history import Verdict, heals, prevails
from bayou.payloads import Installed, Item, Received, Selection
from bayou.reach import Reach
from bayou.seal_check import SealCheck, Unheld
from bayou.seals import Signing
from bayou.sender import Due, Outgoing
from bayou.stamps import created_at, split_id
from bayou.state import State
from bayou.store import AntiEntropyStore
from bayou.trust import (
    check_end,
    is_missing_own,
    lost_write,
    place_of_ahead,
    refuse_ahead,
    refuse_claim,
    refuse_foreign,
    refuse_lost,
    refuse_partial,
    refuse_to_give_state,
)
from bayou.vectors import complete
from bayou.window import PeerMemory

PROTOCOL = 9
HISTORY_HAS_CHANGED = "One of the two replicas has got another history since the session began. Try again."
NO_SETTINGS: Mapping[str, str] = {}
GOALS_MAX = 100  # unanswered Syncs of a peer
NOTED_MAX = 20  # items of a batch; after a larger batch, Holds tells the peer that this side has them
PLANS_MAX = 20  # new plans without progress; then this side refuses the session


@dataclass(slots=True)
class Report:
    """The result of a session. The report of a standing session covers the time since the last `take_report`.

    `sent` counts the writes and pages that the peer acknowledged. `received` counts the writes that were stored or
    committed here, and the pages that were staged here.
    """

    peer: str = ""
    sent: int = 0
    received: int = 0
    rolled_back: int = 0
    replayed: int = 0
    installed: Installed | None = None
    error: Refuse | None = None
    held: Reach | None = None  # what the peer holds; only without an error and with nothing in flight
    lost: str | None = None  # this replica's id, if the peer has sent a write of this id that is not held here
    has_same_history: bool = False  # whether the two histories were the same when the session began
    has_stood: bool = False
    has_ended: bool = False

    @property
    def code(self) -> str | None:
        """The PeerRefusalCode of `error`; None if there is no error."""
        return self.error.code if self.error is not None else None


@dataclass(frozen=True, slots=True)
class Examined:
    """A frame that passed the checks of `examine`. If the frame has a write that cannot be played, `problem` says why;
    otherwise `problem` is None."""

    frame: Frame
    problem: str | None = None


class ProtocolError(Exception):
    """The peer sent a frame that the protocol does not allow at this point. Nothing of the frame is stored."""


def malformed(frame: Frame, problem: str) -> ProtocolError:
    """Return the error for a frame of the peer that breaks a rule. `problem` says which rule."""
    return ProtocolError(
        f"The peer's {type(frame).__name__} frame is malformed: {problem}. Check that both replicas run the same"
        " release."
    )


class Session:
    """One side of a session.

    `applications` has the tag (NAME/VERSION) of each application whose writes this replica can play, and a hash of its
    rules. `clock_us` returns the wall clock, in microseconds since 1970. The hello gives `settings` to the peer; the
    session itself does not use them. With `signing`, this side signs its commits and full states, and the peer must
    sign too.

    All sessions of a replica share one `arrivals`. With `arrivals`, the session stays open if the peer agrees. All
    sessions of a replica also share one `memory`. `now_s` is a clock in seconds that never falls back.

    `is_requested` says that a person asked for the session. The hello tells the peer so.
    """

    def __init__(  # noqa: PLR0913 - all but `initiator` are the same for all sessions of a replica
        self,
        store: AntiEntropyStore,
        applications: Mapping[str, str],
        *,
        initiator: bool,
        clock_us: Callable[[], int],
        settings: Mapping[str, str] = NO_SETTINGS,
        signing: Signing | None = None,
        arrivals: Arrivals | None = None,
        memory: PeerMemory | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._applications = dict(applications)
        self._clock_us = clock_us
        self._settings = settings
        self._initiator = initiator
        self._arrivals = arrivals
        self.is_requested = False  # before `start`
        self._said: Hello | None = None  # the hello of this side
        self._peer: Hello | None = None
        self._stands = False
        self._told = Reach(0, {}, ())  # what the peer knows that this side holds
        self._syncs = self._syncs_answered = 0
        self._is_closing = False
        self._label = self._server = self._history = ""  # of this replica, when the peer's hello came
        self._is_claimed = False  # the peer claims writes of this replica that are not here
        self._verdict = Verdict.AGREE
        self._common_csn: int | None = None  # the last CSN that both histories share, if the peer's prevails
        self._must_compare = False  # a copy has run, so the logs may differ before their histories do
        self._outgoing = Outgoing(store, signing, arrivals, memory or PeerMemory(), now_s)
        self._plan_of_peer = 0
        self._check = SealCheck(store, signing) if signing else None
        self._staging = Staging(store, is_checked=signing is not None)
        self._waiting: list[StateChunk | StateFinish] = []  # while another session takes a full state
        self._waiting_csn = 0  # this replica's CSN when the first of these parts came
        self._finish: StateFinish | None = None  # the end of a full state, while the logs are being compared
        self._comparison: Comparison | None = None
        self._late_refusal: Refuse | None = None  # sent after everything else; until then nothing is stored
        self._sent_done = False
        self._got_done = False
        self._ended = False
        self.report = Report()

    @property
    def finished(self) -> bool:
        """True once both sides have sent Done, or one side has refused the session. After that, this side neither sends
        nor takes a frame."""
        return self._ended or (self._sent_done and self._got_done)

    def start(self) -> list[Frame]:
        """Return the first frame that this side sends: the hello."""
        state = self._store.state()
        stands = self.may_stand and not state.retired
        self._said = hello_of(
            state,
            self._applications,
            self._clock_us(),
            self._settings,
            standing=stands,
            requested=self.is_requested,
            digest=self._store.log_digest(state.csn),
        )
        self._told = Reach(state.csn, dict(state.vector), state.retired_servers)
        self._outgoing.window.ask()
        return [self._said]

    def receive(self, frame: Frame) -> list[Frame]:
        """Take one frame of the peer, and return the frames to send, in order. Raise ProtocolError if the frame is not
        allowed at this point."""
        return self.take(self.examine(frame))

    def examine(self, frame: Frame) -> Examined:
        """Check a frame without changing anything. Raise ProtocolError if the frame is malformed.

        This method is the first half of `receive`. Any thread may call this method while earlier frames are being
        taken.
        """
        if problem := problem_of(frame):
            raise malformed(frame, problem)
        unplayable = None
        if isinstance(frame, Batch | StateChunk):
            unplayable = problem_of_writes(frame, self._applications)
        return Examined(frame, unplayable)

    def take(self, examined: Examined) -> list[Frame]:
        """Take a frame that `examine` has returned, and return the frames to send, in order.

        This method is the second half of `receive`. Take the frames in the order in which they arrived.
        """
        frame = examined.frame
        if self.finished:
            raise ProtocolError(
                f"The peer's {type(frame).__name__} frame came after the end of the session. Check that both replicas"
                " run the same release."
            )
        if self._initiator or not isinstance(frame, Hello):
            self._outgoing.window.take_answer()
        if isinstance(frame, Refuse):
            self._end(frame)
            return []
        if isinstance(frame, Hello) and self._peer is None:
            return self._take_hello(frame)
        if self._peer is not None:
            try:
                answers = self._take_content(frame, examined.problem)
            except Hung as hung:
                return self.refuse(PeerRefusalCode.PLAY_HUNG, hung.message)
            answers = self._take_control(frame) if answers is None else answers
            if answers is not None:
                return answers
        raise ProtocolError(
            f"The peer's {type(frame).__name__} frame is not allowed at this point of a session. Check that both"
            " replicas run the same release."
        )

    def _take_control(self, frame: Frame) -> list[Frame] | None:
        """Take an Ack, Holds, Sync or Done, and return the frames to send. Return None for any other frame, and for a
        frame that is not allowed now."""
        match frame:
            case Ack() if self._outgoing.expects(frame):
                return self._take_ack(frame)
            case Holds() if self._stands:
                return self._take_holds(frame)
            case Sync() if self._stands and (not frame.is_answer or frame.number <= self._syncs):
                return self._take_sync(frame)
            case Done() if not self._got_done:
                self._got_done, self._outgoing.is_caught_up = True, False
                if self._is_claimed and self._has_same_id():
                    return self._refuse(refuse_claim(self._label, self.report.peer))
                return self._send_on()
        return None

    # A standing session.

    @property
    def may_stand(self) -> bool:
        """Whether this side lets the session stay open."""
        return self._arrivals is not None

    @property
    def is_open(self) -> bool:
        """True if this is a standing session that has not ended, and this side is not closing the session."""
        return self._stands and not self.finished and not self._is_closing and not self._sent_done

    @property
    def is_quiet(self) -> bool:
        """True if a standing session has nothing to send now, and does not wait for a frame of the peer."""
        return self.is_open and self._outgoing.is_caught_up and not self.is_waiting

    @property
    def is_waiting(self) -> bool:
        """True if this side cannot go on or end before the peer sends a frame."""
        has_answers = not self._outgoing.has_in_flight and self._syncs_answered == self._syncs
        is_idle = self._stands and self._verdict is Verdict.AGREE and self._finish is None
        return not (is_idle and has_answers and not self._sent_done)

    @property
    def is_holding_back(self) -> bool:
        """Whether this side holds back writes that have just arrived here. A later call of `send_new` sends them."""
        return self._outgoing.is_holding_back

    @property
    def pause_s(self) -> float:
        """The pause, in seconds, before this side passes on a write that has just arrived here."""
        return self._outgoing.pause_s

    @property
    def syncs_answered(self) -> int:
        """The number of the last question (`sync`) that the peer has answered."""
        return self._syncs_answered

    def send_new(self) -> list[Frame]:
        """Look for new writes and commits of this replica, and return the frames to send."""
        if not self.is_open:
            return []
        self._outgoing.is_caught_up = False
        frames = self._take_waiting()
        return frames if self.finished else [*frames, *self._send_on()]

    @property
    def has_more(self) -> bool:
        """True if this side may have more to send, and the window has room for it. Then the caller may call
        `send_more`. Otherwise the next Ack brings the frames."""
        return self._peer is not None and not self.finished and self._outgoing.has_more

    def send_more(self) -> list[Frame]:
        """Return the next frames to send; none if `has_more` is false."""
        return self._send_on() if self.has_more else []

    def tell(self, state: State) -> list[Frame]:
        """Return the frame that tells the peer what this replica holds in this state. Return no frame if there is
        nothing new to tell."""
        if not self.is_open or self._verdict is not Verdict.AGREE or self._is_claimed:
            return []
        assert self._peer is not None
        told = self._told
        changed = {one: stamp for one, stamp in state.vector.items() if told.vector.get(one) != stamp}
        if state.csn == told.csn and changed.keys() <= {state.server, self._peer.server}:
            return []  # each side sends its own writes, and need not announce them
        holds = Holds(state.csn, changed, state.retired_servers)
        told.note_holds(holds)
        return [holds]

    def sync(self) -> tuple[int, list[Frame]]:
        """Ask the peer whether both sides have sent everything. Return the number of the question, and the frames to
        send. Once `syncs_answered` has reached this number, the peer has answered yes."""
        self._syncs += 1
        self._outgoing.add_goal(Sync(self._syncs), self._store.state())
        return self._syncs, self.send_new()

    def has_changed(self, state: State) -> bool:
        """Return whether `state` differs from the hello that this side sent. Only five fields are compared: `server`,
        `birth`, `history`, `retired` and `log_applications`."""
        said = self._said
        return said is not None and (
            (said.server, said.birth, said.history, said.retired, said.log_applications)
            != (state.server, state.birth, state.history, state.retired, state.log_applications)
        )

    def close(self) -> list[Frame]:
        """End a standing session. Return the frames to send. After this call, this side sends nothing new, but the peer
        may still send."""
        if not self.is_open:
            return []
        self._is_closing = True
        return [*self._take_waiting(), *self._send_on()]

    def is_light(self, frame: Frame) -> bool:
        """Return whether `take` can handle this frame without the store."""
        if not self.is_open or not self._outgoing.is_caught_up or self._verdict is not Verdict.AGREE:
            return False
        return isinstance(frame, Holds) or (isinstance(frame, Ack) and not frame.replan)

    def take_report(self) -> Report:
        """Return a report of what has happened since the last call."""
        report = self.report
        report.held = report.held or self.held()
        self.report = Report(
            peer=report.peer, error=report.error, has_same_history=report.has_same_history, has_stood=report.has_stood
        )
        return report

    def held(self) -> Reach | None:
        """Return what the peer holds. Return None if this side is not certain, for example while frames are in
        flight."""
        is_certain = self._peer is not None and not self._outgoing.has_in_flight and self.report.error is None
        return self._outgoing.reach.copy() if is_certain and self._verdict is Verdict.AGREE else None

    def _take_holds(self, holds: Holds) -> list[Frame]:
        outgoing = self._outgoing
        if holds.csn > outgoing.reach.csn:
            outgoing.sealing.begin_again()  # the peer may have got commits from the primary that cannot be proven here
        outgoing.reach.note_holds(holds)
        if len(outgoing.reach.vector) > SERVERS_MAX:
            raise malformed(holds, f"its vectors have more than {SERVERS_MAX} entries")
        return self._send_on() if outgoing.goals else []

    def _take_sync(self, sync: Sync) -> list[Frame]:
        if not sync.is_answer:
            if self._outgoing.goals >= GOALS_MAX:
                raise malformed(sync, f"more than {GOALS_MAX} Syncs wait for an answer")
            self._outgoing.add_goal(Sync(sync.number, is_answer=True), self._store.state())
            self._outgoing.is_caught_up = False
            return self._send_on()
        self._syncs_answered = max(self._syncs_answered, sync.number)
        if self._is_claimed and self._has_same_id():
            return self._refuse(refuse_claim(self._label, self.report.peer))
        return []

    # The end by a refusal.

    def refuse(self, code: str, message: str) -> list[Frame]:
        """End the session from this side. Return the frames that give the peer the reason."""
        return self._refuse(Refuse(code, message))

    def _refuse(self, refusal: Refuse) -> list[Frame]:
        self._end(refusal)
        return [refusal]

    def _end(self, refusal: Refuse) -> None:
        self._end_state()
        self._ended = self.report.has_ended = True
        self.report.error = refusal

    # The beginning.

    def _take_hello(self, hello: Hello) -> list[Frame]:
        state = self._store.state()
        self.report.peer = hello.label
        self.report.has_same_history = hello.history == state.history
        judged = judge_hello(state, PROTOCOL, self._applications, hello, self._clock_us())
        if isinstance(judged, Refuse):
            return self._refuse(judged)
        self._label, self._server, self._history = state.label, state.server, state.history
        self._verdict, common = judged
        # A peer that has to yield sends nothing before it has our state.
        is_missing = is_missing_own(state, hello.vector.get(state.server, 0))
        self._is_claimed = is_missing and self._verdict is not Verdict.PREVAIL
        if prevails(hello.history, state.history):
            self._common_csn = common  # at most this CSN: the logs may differ even before
            self._must_compare = heals(hello.history, state.history)
        elif self._verdict is Verdict.AGREE and self._lacks(hello, state):
            if not prevails(state.history, hello.history):
                return self._refuse(self._refusal_of(PeerRefusalCode.DIVERGED))
            self._verdict = Verdict.PREVAIL
        if self._verdict is Verdict.YIELD:
            self._common_csn = common
        elif self._verdict is Verdict.AGREE and hello.birth:
            self._store.adopt(hello.birth)
        if new := set(hello.log_applications) - set(state.log_applications):
            self._store.note_log_applications(sorted(new))  # a full state may bring the results of their writes
        self._peer = hello
        histories = self._said.history if self._said else state.history, hello.history
        self._outgoing.begin(
            hello.server, Reach(hello.csn, dict(hello.vector), hello.retired_servers), state, histories
        )
        self._stands = self.report.has_stood = self._said is not None and self._said.standing and hello.standing
        if self._is_claimed and self._stands:
            self._syncs += 1  # its answer shows that the peer has sent everything
            self._outgoing.add_goal(Sync(self._syncs), self._store.state())
        return self._send_on()

    def _lacks(self, hello: Hello, state: State) -> bool:
        """Return whether the peer's last commit proves that the two logs differ. The difference may be at that commit
        or at an earlier one."""
        if not 0 < hello.csn <= state.csn:
            return False
        answer = self._store.answer(Question((hello.csn,)))
        return is_other(answer, Answer((hello.last,), digests=(hello.digest,)), 0)

    # Receiving.

    def _take_data(self, frame: Batch | StateChunk | StateFinish, problem_of_writes: str | None) -> list[Frame]:
        if isinstance(frame, Batch) and not problem_of_writes:
            self._outgoing.reach.note_received(frame.selection)  # otherwise some of it would go back
            if self._arrivals is not None:
                self._arrivals.note(frame.selection)
        if frame.plan < self._plan_of_peer:
            return []  # sent before the peer learned that it has to make a new plan
        if isinstance(frame, Batch) and len(frame.selection.items) <= NOTED_MAX:
            self._told.note_sent(frame.selection)
        if problem_of_writes and not (isinstance(frame, Batch) and self._late_refusal):
            message = (
                f"A write of the peer cannot be played: {problem_of_writes}. Check that both replicas run the same"
                " release."
            )
            return self.refuse(PeerRefusalCode.MALFORMED, message)
        if isinstance(frame, Batch):
            return self._take_batch(frame)
        if self._waiting or (self.is_open and not self._may_take_state()):
            if not self._waiting:
                self._waiting_csn = self._store.state().csn
            self._waiting.append(frame)
            return []
        return self._take_state(frame)

    def _take_state(self, frame: StateChunk | StateFinish) -> list[Frame]:
        if problem := self._staging.problem_of(frame):
            raise malformed(frame, problem)
        return self._take_chunk(frame) if isinstance(frame, StateChunk) else self._take_finish(frame)

    def _take_waiting(self) -> list[Frame]:
        """Take the waiting parts of a full state, and return the frames to send. The parts have waited because another
        session was taking a full state.

        In two cases, ask for a new plan instead: this replica has got commits since the first part came, or this side
        is ending the session.
        """
        if not self._waiting or (self.is_open and not self._may_take_state()):
            return []
        waiting, self._waiting = self._waiting, []
        if not self.is_open or self._store.state().csn > self._waiting_csn:
            return [self._replan(waiting[0].plan)]
        frames: list[Frame] = []
        for frame in waiting:
            try:
                frames += self._take_state(frame)
            except ProtocolError as error:
                return [*frames, *self.refuse(PeerRefusalCode.PROTOCOL, str(error))]
            if self.finished or self._plan_of_peer > frame.plan:
                break  # the rest of this plan is of no use
        return frames

    def _may_take_state(self) -> bool:
        return self._arrivals is None or self._arrivals.may_take_state(self)

    def _end_state(self) -> None:
        if self._arrivals is not None:
            self._arrivals.end_state(self)

    def _take_batch(self, batch: Batch) -> list[Frame]:
        if self._late_refusal is not None:
            return [Ack(batch.plan, replan=False, csn=0, vector={}), *self.send_new()]
        now_us = self._clock_us()
        ahead = place_of_ahead(batch.selection, now_us)
        selection = batch.selection if ahead is None else batch.selection.first(ahead)
        if self._has_lost_write(selection):
            self.report.lost = self._server
            return self._refuse(refuse_lost(self._label, self.report.peer))
        try:
            if refusal := self._check_seals(batch.selection):
                return self._refuse(refusal)
        except Unheld as unheld:
            return [self._replan(batch.plan, unheld.item)]
        received, stopped_at = self._received(selection)
        if received.status != "taken":
            return self._misfit(batch.plan, received, stopped_at)
        if ahead is not None:
            return self._refuse(refuse_ahead(self._label, now_us, self.report.peer, batch.selection.items[ahead]))
        ack = Ack(batch.plan, replan=False, csn=received.csn, vector={}, was_known=not received.added)
        if received.csn > self._outgoing.reach.csn:
            return [ack, *self.send_new()]  # most often, a primary has just committed them, and the peer waits for that
        return [ack]

    def _misfit(self, plan: int, received: Received, stopped_at: Item | None) -> list[Frame]:
        """Return the frames to send after a batch that was not stored completely. `stopped_at` is the first item that
        was not stored; None if the whole batch was refused."""
        match received.status:
            case "own":
                self.report.lost = self._server
                return self._refuse(refuse_lost(self._label, self.report.peer))
            case PeerRefusalCode.FORK if not self._sent_done:
                self._late_refusal = self._refusal_of(received.status)
                return [Ack(plan, replan=False, csn=received.csn, vector={}), *self.send_new()]
            case "bound":
                return self.refuse(PeerRefusalCode.FORK, FORK_OF_MEMBERS)
            case "hole":
                return [self._replan(plan)]
            case "unknown":
                return [self._replan(plan, stopped_at)]
        return self._refuse(self._refusal_of(received.status))

    def _received(self, selection: Selection) -> tuple[Received, Item | None]:
        """Store a selection. Return the result, and the first item that was not stored.

        Nothing is stored in two cases. If the peer claims, without proof, to hold writes that this replica has lost,
        the status is `taken`. If the selection has commits of a history that may differ from the history here, the
        status is `diverged`.
        """
        if self._is_claimed:
            return Received("taken", 0, 0, 0, 0, 0, 0), None
        has_commits = any(item.csn is not None for item in selection.items)
        if has_commits and (self._precedes_the_birth() or self._is_new_to_primary(selection.history)):
            return Received(PeerRefusalCode.DIVERGED, 0, 0, 0, 0, 0, 0), None
        return self._store_all(selection)

    def _check_seals(self, selection: Selection) -> Refuse | None:
        if self._check is None or self._is_claimed or self._precedes_the_birth():
            return None
        return self._check.commits(selection, self.report.peer)

    def _refusal_of(self, status: str) -> Refuse:
        if status == PeerRefusalCode.FOREIGN_COMMIT:
            return refuse_foreign(self._label, self.report.peer)
        return Refuse(status, _REFUSALS[status])

    def _has_lost_write(self, selection: Selection) -> bool:
        """Return whether the selection proves that this replica has lost writes of its own. Only a lost write with its
        body is a proof."""
        own = f"@{self._server}"
        if not any(item.id.endswith(own) and item.body for item in selection.items):
            return False
        state = self._store.state()
        return state.server == self._server and lost_write(selection, state) is not None

    def _has_same_id(self) -> bool:
        return self._store.state().server == self._server

    def _is_new_to_primary(self, history: str) -> bool:
        """Return whether this replica is the primary and neither hello of this session named this history. A primary
        yields to a new history only after a comparison of the two histories, in the next session."""
        assert self._peer is not None
        return history not in {self._history, self._peer.history} and self._store.state().is_primary

    def _precedes_the_birth(self) -> bool:
        """Return True if this replica does not know the birth of the cluster, and the peer's hello did not name the
        birth. Without the birth, this replica cannot tell which history the commits of a batch belong to."""
        return self._peer is not None and not self._peer.birth and not self._store.state().birth

    def _store_all(self, selection: Selection) -> tuple[Received, Item | None]:
        """Store a batch. The store limits the size of a transaction, so a large batch needs several transactions."""
        added = 0
        while True:
            received = self._store.receive(selection, self.report.peer)
            added += received.added
            self.report.received += received.new
            self.report.rolled_back += received.rolled_back
            self.report.replayed += received.replayed
            if received.status != "more":
                return replace(received, added=added), next(iter(selection.items[received.taken :]), None)
            selection = selection.after(received.taken)

    def _take_chunk(self, chunk: StateChunk) -> list[Frame]:
        if not self._staging.take(chunk):
            return [self._replan(chunk.plan)]
        self.report.received += chunk.pages.count
        return [Ack(chunk.plan, replan=False, csn=0, vector={})]

    def _take_finish(self, frame: StateFinish) -> list[Frame]:
        if refusal := check_end(self._label, self._clock_us(), self.report.peer, frame.end):
            return self._refuse(refusal)
        if self._is_new_to_primary(frame.end.history) or not self._is_of_a_known_birth(frame.end.birth):
            return self._refuse(self._refusal_of(PeerRefusalCode.DIVERGED))
        if self._check and (refusal := self._check.state(frame, self._staging, self.report.peer)):
            return self._refuse(refusal)
        state = self._store.state()
        self._finish, self._comparison = frame, Comparison(self._store, self._common_csn)
        if state.is_primary and frame.end.history == state.history:
            return self._install(self._comparison)  # it is stale, or will be refused: there is nothing to compare
        return self._compare()

    def _is_of_a_known_birth(self, birth: str) -> bool:
        """Return whether this replica may take a full state with this birth. The birth that this replica knows is
        always allowed. The birth of the peer is allowed if this replica knows no birth, or yields to the peer."""
        assert self._peer is not None
        ours = self._store.state().birth
        return birth == ours or (birth == self._peer.birth and (not ours or self._verdict is Verdict.YIELD))

    def _take_content(self, frame: Frame, problem: str | None) -> list[Frame] | None:
        """Take a Batch, StateChunk, StateFinish, Question or Answer, and return the frames to send. Return None for any
        other frame, and for a frame that is not allowed now."""
        match frame:
            case Batch() | StateChunk() | StateFinish() if not self._got_done:
                return self._take_data(frame, problem)
            case Question() if self._outgoing.questions_left > 0:
                self._outgoing.questions_left -= 1
                return [self._store.answer(frame)]
            case Answer() if self._comparison is not None and self._comparison.take(frame):
                return self._compare()
        return None

    def _compare(self) -> list[Frame]:
        """Ask the next question about the two logs. If no question is left, install the full state."""
        assert self._comparison is not None
        question = self._comparison.next_question()
        if question is not None:
            return [question]
        assert self._finish is not None
        assert self._peer is not None
        is_by_primary = self._finish.end.primary == self._peer.server
        if self._comparison.unknown and self._must_compare:
            if not is_by_primary:
                return self._refuse(refuse_partial(self._label, self.report.peer))
            self._comparison.lacking += self._comparison.unknown  # if the sender held one, its request is known there
        return self._install(self._comparison)

    def _install(self, compared: Comparison) -> list[Frame]:
        frame, self._finish, self._comparison = self._finish, None, None
        assert frame is not None
        self._staging.store_lists()
        successions = frame.proof.successions if self._check and frame.proof else ()
        found = compared.result(takes_birth=self._verdict is Verdict.YIELD)
        omitted = self._staging.omitted(frame.end)
        installed = self._store.install(self._staging.number, self.report.peer, frame.end, found, successions, omitted)
        if installed.status == PeerRefusalCode.FOREIGN_COMMIT:
            return self._refuse(self._refusal_of(installed.status))
        if installed.status == "stale" and self._verdict is Verdict.YIELD:
            return self.refuse(PeerRefusalCode.BUSY, HISTORY_HAS_CHANGED)
        self._is_claimed = self._is_claimed and self._has_same_id()
        if installed.status == "installed":
            self.report.installed = installed
            self._verdict = Verdict.AGREE
            self._common_csn = None
        self._outgoing.reach.note_received_state(frame.end)
        self._outgoing.is_caught_up = False
        return [self._replan(frame.plan), *self._send_on()]

    def _replan(self, plan: int, unknown: Item | None = None) -> Ack:
        """Return an Ack that asks the peer for a new plan.

        `unknown` is a notification of a write that this replica does not hold. If the vector of this replica covers the
        write, the server id of the write was used twice. Then the Ack asks for all writes of that server after its
        committed writes.
        """
        self._plan_of_peer = plan + 1
        self._waiting = []
        self._end_state()
        self._staging = Staging(self._store, is_checked=self._check is not None)
        state = self._store.state()
        self._told = Reach(state.csn, dict(state.vector), state.retired_servers)
        vector = dict(state.vector)
        if unknown is not None:
            stamp, origin = split_id(unknown.id)
            if complete(vector, state.retired_servers, origin) >= stamp:
                vector[origin] = state.committed_vector.get(origin) or created_at(origin)
        return Ack(plan, replan=True, csn=state.csn, vector=vector, retired_servers=state.retired_servers)

    # Sending.

    def _take_ack(self, ack: Ack) -> list[Frame]:
        if ack.plan < self._outgoing.plan:
            return []
        self.report.sent += self._outgoing.take_ack(ack)
        if self._verdict is Verdict.PREVAIL and self._outgoing.is_state_taken:
            self._verdict = Verdict.AGREE  # the peer has our history now
        if self._outgoing.plans_in_vain > PLANS_MAX:
            return self.refuse(
                PeerRefusalCode.UNSTEADY,
                f"One replica has asked the other replica more than {PLANS_MAX} times in a row to choose again what to"
                " send. So the session makes no progress. Try again later.",
            )
        return self._send_on()

    def _send_on(self) -> list[Frame]:
        """Return the next frames. If nothing is left to send and this side may end the session, the last frame is Done
        or a Refuse."""
        outgoing, sealing = self._outgoing, self._outgoing.sealing
        if self._verdict is Verdict.PREVAIL and not sealing.can_give_state():
            return self._refuse(refuse_to_give_state(self._label, self.report.peer))
        must_send_all = self._late_refusal is not None or self._got_done
        frames = outgoing.next_frames(self._due(), stands=self._stands, must_send_all=must_send_all)
        for frame in frames:
            if isinstance(frame, Batch) and len(frame.selection.items) <= NOTED_MAX:
                self._told.note_received(frame.selection)
        waiting = outgoing.has_in_flight or (self._verdict is Verdict.YIELD and not self._is_closing)
        if not waiting and not self._sent_done:
            may_end = self._got_done or (self._is_closing if self._stands else self._initiator)
            if self._late_refusal is not None and (may_end or self._stands):
                return [*frames, *self._refuse(self._late_refusal)]
            if self._stands and sealing.is_incomplete and not may_end:
                return [*frames, *self._refuse(refuse_to_give_state(self._label, self.report.peer))]
            if may_end and outgoing.is_outdated and not self._stands:
                return [*frames, *self.refuse(PeerRefusalCode.BUSY, HISTORY_HAS_CHANGED)]
            if may_end:
                self._sent_done = True
                frames.append(Done())
        if not self._sent_done and self._verdict is Verdict.AGREE:
            frames.extend(outgoing.reached(is_claimed=self._is_claimed))
        if self._sent_done and self._got_done:
            self.report.has_ended = True
            if sealing.is_incomplete:
                self.report.error = refuse_to_give_state(self._label, self.report.peer)
            else:
                self.report.held = outgoing.reach
        return frames

    def _due(self) -> Due:
        if self._sent_done or self._verdict is Verdict.YIELD or self._is_claimed:
            return Due.NOTHING  # the peer's state will replace what is here; or the session will be refused
        if self._is_closing:
            return Due.REST
        return Due.STATE if self._verdict is Verdict.PREVAIL else Due.WRITES


def hello_of(
    state: State,
    applications: Mapping[str, str],
    clock_us: int,
    settings: Mapping[str, str] = NO_SETTINGS,
    *,
    standing: bool = False,
    requested: bool = False,
    digest: str = "",
) -> Hello:
    """Return the hello of a replica in this state."""
    return Hello(
        protocol=PROTOCOL,
        cluster=state.cluster,
        server=state.server,
        label=state.label,
        birth=state.birth,
        met=state.met,
        history=state.history,
        csn=state.csn,
        last=state.last,
        vector=state.vector,
        retired_servers=state.retired_servers,
        retired=state.retired,
        applications=dict(applications),
        log_applications=state.log_applications,
        clock=max(0, clock_us),
        settings=dict(settings),
        standing=standing,
        requested=requested,
        digest=digest,
    )


_REFUSALS: dict[str, str] = {  # status of a batch that was received -> message
    PeerRefusalCode.FORK: LOGS_FORK,
    PeerRefusalCode.DIVERGED: LOGS_DIFFER,
    PeerRefusalCode.EARLY_PROMOTION: EARLY_PROMOTION,
}
