"""The sending side of a session: chooses the next frames for the peer, and records which frames the peer has
acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from bayou.arrivals import Arrivals
from bayou.frames import Ack, Batch, Frame, StateChunk, StateFinish, Sync
from bayou.history import prevails
from bayou.payloads import Selection
from bayou.reach import Reach
from bayou.sealing import Sealing
from bayou.seals import Signing
from bayou.state import State, Vector
from bayou.store import AntiEntropyStore
from bayou.window import PeerMemory, Window

BATCH_COUNT_MAX = 500
BATCH_BYTES_FIRST = 16 * 1024  # of the first batch of a session; each batch doubles this limit for the next one
BATCH_BYTES_MAX = 1024 * 1024
ITEM_BYTES = 60  # of a write without its body, or of an entry of a list
FRAMES_PER_CALL = 4  # so that the first frames travel while the next ones are made
SMALL_FRAMES_MAX = 8  # frames that may be in flight if the last one was not full
QUESTIONS_MAX = 1_000  # about one full state; enough for a log of millions of writes
FAR_COMMITS_MIN = 20_000  # that a peer must lack before the full state may take the place of the log
# The pages and commits of a full state, for each missing commit. A missing commit takes as long as three of them.
FAR_SHARE_MAX = 1.4


class Due(Enum):
    """What the session may send now."""

    NOTHING = "nothing"
    WRITES = "writes"  # or the full state, if the log lacks what the peer lacks, or if the state takes less time
    STATE = "state"  # the full state, because the history of the peer did not prevail
    REST = "rest"  # the rest of a full state that has begun


@dataclass(slots=True)
class _Goal:
    """A Sync that waits until the peer holds the commits up to `csn` and the writes that `vector` covers.

    `frames` is None until this side has sent all these commits and writes. Then `frames` is the number of frames that
    this side had sent by that time. The Sync waits until the peer has acknowledged this number of frames.
    """

    sync: Sync
    csn: int
    vector: Vector
    frames: int | None = None


@dataclass(slots=True)
class _InFlight:
    """A frame in flight.

    count       the number of writes or pages in the frame
    size_bytes  the approximate size of the frame
    sent_s      the time when this side made the frame
    all_bytes   the approximate size of all frames in flight at that time, with this frame
    has_waited  true if the frame passes on writes of other servers that may have waited here (bayou/arrivals.py)
    ends_state  true if the frame is the end of a full state
    """

    count: int
    size_bytes: int
    has_waited: bool = False
    ends_state: bool = False
    sent_s: float = 0.0
    all_bytes: int = 0


class Outgoing:
    """Chooses the frames with writes or pages that one side of a session sends. A window limits how many bytes are in
    flight.

    reach            the writes that the peer holds once everything in flight has arrived
    plan             the number of the present plan; the number grows each time that the peer asks for a new plan
    plans_in_vain    how many new plans the peer has asked for since the peer last acknowledged a frame
    is_caught_up     true if nothing is left to send; a standing session sets this to False to look for new writes
    is_holding_back  true if writes that have just arrived here wait, because the peer may get these writes from others
    is_outdated      true if this session cannot send the remaining writes, because this replica got a new history after
                     the hellos
    is_state_taken   true if the peer's last Ack has shown that the peer holds the full state of the last StateFinish
    questions_left   how many questions the peer may ask; more than 0 only between the end of a full state and its Ack
    pause_s          how long writes that have just arrived here wait, in seconds

    If `arrivals` is given, the session may stay open after this side has sent everything that the peer lacks. From then
    on, a write that has just arrived here may wait for `pause_s`. `now_s` is as in Session.
    """

    def __init__(
        self,
        store: AntiEntropyStore,
        signing: Signing | None,
        arrivals: Arrivals | None,
        memory: PeerMemory,
        now_s: Callable[[], float],
    ) -> None:
        self.sealing = Sealing(store, signing)
        self._store = store
        self._can_offer = signing is None  # the full state in the place of the log
        self._memory = memory
        self.window = Window(memory, now_s)
        self._csn = 0  # of this side, when the session began
        self._histories: tuple[str, ...] = ()  # in the two hellos
        self._is_begun = False  # the present plan
        self._arrivals = arrivals
        self._server = self._peer = ""  # the ids of this replica and of the peer
        self.pause_s = arrivals.pause_s if arrivals else 0.0
        self.reach = Reach(0, {}, ())
        self.plan = self.plans_in_vain = 0
        self.is_caught_up = False
        self.is_holding_back = False
        self.is_outdated = False
        self.is_state_taken = False
        self.questions_left = 0
        self._may_hold_back = False  # true once a standing session has sent everything that the peer lacked
        self._batch_bytes = BATCH_BYTES_FIRST  # a batch also ends after so many bytes
        self._frames_sent = 0  # those that the peer acknowledges
        self._is_last_full = False  # the last one was as large as a frame could be at that time
        self._in_flight: deque[_InFlight] = deque()  # unacknowledged frames of this plan
        self._full_state: Iterator[Frame] | None = None  # the rest of the full state that is being sent
        self._goals: list[_Goal] = []
        self._state_vector: Vector = {}  # of the last StateFinish

    def begin(self, peer: str, reach: Reach, state: State, histories: tuple[str, str]) -> None:
        """Begin to send to the peer with the server id `peer`. `reach` says what the peer holds, and `state` is the
        state of this side. `histories` has the histories of the two hellos."""
        self._peer, self.reach, self._histories = peer, reach, histories
        self._server, self._csn = state.server, state.csn
        self.window.begin(peer)

    @property
    def has_in_flight(self) -> bool:
        """True if the peer has not yet acknowledged all frames of the present plan."""
        return bool(self._in_flight)

    @property
    def has_more(self) -> bool:
        """True if something may be left to send, and the window has room for it."""
        return not self.is_caught_up and self._has_room()

    @property
    def goals(self) -> int:
        """The number of Syncs that wait until the peer holds more writes."""
        return len(self._goals)

    def next_frames(self, due: Due, *, stands: bool, must_send_all: bool) -> list[Frame]:
        """Return the next frames: at most FRAMES_PER_CALL, and not more than the window has room for. `stands` is true
        in a standing session. With `must_send_all`, no write waits."""
        frames: list[Frame] = []
        self.is_caught_up = self.is_caught_up and stands
        self.is_holding_back = False
        while self.has_more and len(frames) < FRAMES_PER_CALL:
            frame = self._next(due, stands=stands, must_send_all=must_send_all)
            if frame is None:
                self.is_caught_up = True
                break
            frames.append(frame)
            sent = self._in_flight_of(frame)
            self._in_flight.append(sent)
            sent.sent_s, sent.all_bytes = self.window.now_s(), self._bytes_in_flight()
            self._is_last_full = True
            if isinstance(frame, Batch):
                self._note_size(sent)
            self._frames_sent += 1
            if isinstance(frame, StateFinish):
                self.questions_left = QUESTIONS_MAX
                self._state_vector = frame.end.vector
        return frames

    def expects(self, ack: Ack) -> bool:
        """Return whether the peer may send this Ack now.

        An Ack of an earlier plan may come at any time. Any other Ack may come only while frames are in flight. The Ack
        for the end of a full state must ask for a new plan.
        """
        if ack.plan < self.plan:
            return True
        return self.has_in_flight and (ack.replan or not self._in_flight[0].ends_state)

    def take_ack(self, ack: Ack) -> int:
        """Take an Ack of the present plan. Return how many writes or pages the peer has acknowledged with it."""
        acknowledged = self._in_flight.popleft()
        if not ack.replan:
            self.plans_in_vain = 0
            self.window.adapt(acknowledged.size_bytes, acknowledged.sent_s, acknowledged.all_bytes)
            if self.is_caught_up and not self._in_flight:
                self._memory.offered.discard(self._peer)
            if acknowledged.has_waited and self._arrivals is not None:
                self.pause_s = self._arrivals.next_pause_s(self.pause_s, in_vain=ack.was_known)
            return acknowledged.count
        # Part of the frame may be stored. The new plan covers the rest.
        self.plan += 1
        self.plans_in_vain += 1
        self.is_caught_up = False
        self._in_flight.clear()
        for goal in self._goals:
            goal.frames = None
        self._is_begun = False
        self._full_state = None
        self.questions_left = 0
        self.sealing.begin_again()
        self.reach = Reach(ack.csn, dict(ack.vector), ack.retired_servers)
        self.is_state_taken = acknowledged.ends_state and self.reach.covers(self._state_vector)
        self._memory.offered.discard(self._peer)  # the session has not broken
        return 0

    def add_goal(self, sync: Sync, state: State) -> None:
        """Add a Sync that waits until the peer holds the commits and the writes of `state`."""
        self._goals.append(_Goal(sync, state.csn, state.vector))

    def reached(self, *, is_claimed: bool) -> list[Sync]:
        """Return the Syncs to send now, because the peer holds everything that these Syncs confirm.

        `is_claimed` is true if the peer claims, without proof, to hold writes that this replica has lost. Then this
        side sends no writes, so the Syncs do not wait for any writes.
        """
        acknowledged = self._frames_sent - len(self._in_flight)
        csn = max(self.reach.csn, self.sealing.passed_csn or 0)  # what goes as tentative writes counts, too
        for goal in self._goals:
            if goal.frames is None and (is_claimed or (csn >= goal.csn and self.reach.covers(goal.vector))):
                goal.frames = self._frames_sent
        reached, waiting = list[Sync](), list[_Goal]()
        for goal in self._goals:
            if goal.frames is None or goal.frames > acknowledged:
                waiting.append(goal)
            else:
                reached.append(goal.sync)
        self._goals = waiting
        return reached

    def _note_size(self, batch: _InFlight) -> None:
        """Record whether this batch was full, and double the limit of bytes for the next batch. The first batches are
        small, because a slow link may break before a large batch has arrived."""
        self._is_last_full = batch.size_bytes >= self._batch_bytes_max or batch.count >= BATCH_COUNT_MAX
        self._batch_bytes = min(BATCH_BYTES_MAX, 2 * self._batch_bytes)

    def _has_room(self) -> bool:
        """Return whether another frame may be sent. The window must have room. If SMALL_FRAMES_MAX frames are in
        flight, the last frame must also have been full. So a slow receiver gets fewer and larger batches."""
        has_few = len(self._in_flight) < SMALL_FRAMES_MAX or self._is_last_full
        return has_few and self._bytes_in_flight() < self.window.bytes

    @property
    def _frame_bytes_max(self) -> int:
        """After so many bytes a frame ends, so that four frames fit into the window."""
        return min(BATCH_BYTES_MAX, max(BATCH_BYTES_FIRST, self.window.bytes // 4))

    @property
    def _batch_bytes_max(self) -> int:
        return min(self._batch_bytes, self._frame_bytes_max)

    def _bytes_in_flight(self) -> int:
        return sum(frame.size_bytes for frame in self._in_flight)

    def _next(self, due: Due, *, stands: bool, must_send_all: bool) -> Frame | None:
        """Return the next frame to send; None if there is nothing to send now."""
        if due is Due.NOTHING:
            return None
        if self._full_state is not None:
            return next(self._full_state, None)
        if due is Due.REST:
            return None
        selection = None
        if due is Due.WRITES and not self._is_far():
            holds_back = self._may_hold_back and not (must_send_all or self._goals)
            choose = self._without_recent if holds_back else None
            bytes_max = BATCH_BYTES_MAX if holds_back else self._batch_bytes_max
            selection = self.sealing.select(self.reach, BATCH_COUNT_MAX, bytes_max, choose)
        if selection is None:
            self._full_state = self.sealing.state_frames(self.plan, BATCH_COUNT_MAX, self._frame_bytes_max)
            return next(self._full_state)
        self.is_outdated = bool(selection.items) and self._is_new(selection.history)
        if not selection.items or self.is_outdated:
            self._may_hold_back = stands
            return None
        self.reach.note_sent(selection)
        return Batch(self.plan, selection)

    def _is_new(self, history: str) -> bool:
        """Return whether this replica got the history `history` after the hellos, for example by a forced promotion.

        The peer does not know this history yet. So the peer might refuse the write that opens a new epoch. The hello of
        the next session has the history.
        """
        return history not in self._histories and all(prevails(history, one) for one in self._histories)

    def _is_far(self) -> bool:
        """Return whether to offer the full state instead of the log. Two conditions must be true: the peer lacks many
        commits, and sending the state takes less than half as long as sending the log. The state is offered only at the
        start of a plan, and only once in a session. If the peer cannot take the state, the session goes on with the
        log.

        If the session breaks before the whole state has arrived, the next sessions send the log until the peer has
        caught up. An interrupted state begins again from the start, so over a link that often breaks it might never
        arrive. The log makes progress in each session.

        With TLS, the state is not offered. A receiver of the log can prove the commits to others, but a receiver of the
        state cannot.
        """
        begins, self._is_begun = not self._is_begun, True
        if not (begins and self._can_offer and self._csn - self.reach.csn >= FAR_COMMITS_MIN):
            return False
        size = self._store.state_size()
        is_far = size.pages + size.commits <= FAR_SHARE_MAX * (size.csn - self.reach.csn)
        self._can_offer = not is_far
        if not is_far or self._peer in self._memory.offered:
            return False
        self._memory.offered.add(self._peer)
        return True

    def _without_recent(self, selection: Selection) -> Selection:
        assert self._arrivals is not None
        found = self._arrivals.without_recent(selection, self.pause_s)
        self.is_holding_back = len(found.items) < len(selection.items)
        return found

    def _in_flight_of(self, frame: Frame) -> _InFlight:
        match frame:
            case Batch(_, selection):
                own = f"@{self._server}"
                return _InFlight(
                    len(selection.items),
                    sum(len(item.body) + ITEM_BYTES for item in selection.items),
                    self._may_hold_back and any(item.body and not item.id.endswith(own) for item in selection.items),
                )
            case StateChunk():
                entries = sum(len(part.entries) for part in frame.lists)
                commits = sum(len(one.body) + len(one.outcome) + ITEM_BYTES for one in frame.commits)
                return _InFlight(frame.pages.count, len(frame.pages.text) + entries * ITEM_BYTES + commits)
        return _InFlight(0, 0, ends_state=True)
