"""Runs one side of a session over a stream of messages, until the session ends.

The event loop reads and writes messages. The steps of a session run one after the other. A step that may use the
storage runs in a worker thread. All other steps run in the event loop, because that takes less time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import grpc
from redis import RedisError

from bayou.anti_entropy import Examined, ProtocolError, Report, Session
from bayou.errors import PeerRefusalCode
from bayou.frames import Batch, Frame, Hello, Holds, Refuse, StateChunk
from bayou.reach import Reach
from bayou.sender import BATCH_COUNT_MAX
from bayou.state import State
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.event_loop import EventLoop
from replica.anti_entropy.grpc_channel import reason_of
from replica.anti_entropy.protobuf_codec import decode, encode
from replica.events.frame_ring import SessionFrames

SILENCE_S_MAX = 60.0  # how long a session waits for a frame; then it is broken off, and the next one continues
LOOK_EVERY_S = 5.0  # how often a session checks whether the peer is silent
EXAMINED_MAX = 8  # frames that are examined in advance, while the session stores earlier ones
BATCH_ON_ITS_WAY_S = 0.004  # after this time, a batch has usually reached the storage
SMALL_BYTES_MAX = 16 * 1024  # a message that is not worth a thread of its own
FLUSH_S_MAX = 2.0  # how long the end of a session waits for the peer to read its last frames
STEPS_MAX = 16  # steps between two reports, if there is always another one
SYNC_S_MAX = 30.0  # how long a sync waits until both sides have sent everything
REPORT_PAUSE_S = 0.05  # before a report that need not be made at once
# Of the messages that gRPC has not taken yet, because the peer does not read. With more, this side stops reading.
ANSWERS_MAX = 512  # without DATA; a full window of the peer needs about 300
UNREAD_BYTES_MAX = 24 * 1024 * 1024  # of all; two full windows, as after a new plan, have less
HOLDS_LATE = 64  # with more answers, the peer is told later what this side holds
ENDED = Refuse(PeerRefusalCode.BUSY, "The session has just ended. Try again.")
SILENT = Refuse(PeerRefusalCode.UNREACHABLE, f"not all writes were exchanged within {SYNC_S_MAX:.0f} s")
FAULT = "This replica has an internal error. The output of the replica shows the cause."
LOGGER = logging.getLogger("bayou.replica")

LIGHT_KINDS = {"ack", "holds"}  # of messages that are examined in the event loop
DATA = {"batch", "state_chunk", "state_finish"}  # kinds of messages with writes or pages
Step = Callable[[], list[Frame]] | Examined | wire.Frame
Judge = Callable[[Hello], Refuse | None]


@dataclass(slots=True, eq=False)
class _Sync:
    """A call of `Conversation.sync` that waits for the peer. `number` is the number that `Session.sync` returned; None
    before `Session.sync` is called."""

    done: asyncio.Future[Report]
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Functions that a conversation calls. `judge` may refuse the peer's hello before the session uses the hello.
    `opened` is called in the event loop once the hello is accepted. While a session stays open, a worker thread calls
    `progress` again and again, with a report of what has happened since the previous call."""

    judge: Judge
    opened: Callable[[Hello], object]
    progress: Callable[[Report], object]


class Conversation:
    """One side of a session. Call the methods only in the event loop."""

    def __init__(
        self,
        loop: EventLoop,
        session: Session,
        write: Callable[[wire.Frame], Awaitable[object]],
        listener: Listener,
        pause_s: float,
        frames: SessionFrames,
    ) -> None:
        self.session = session
        self._loop = loop
        self._write = write
        self._listener = listener
        self._pause_s = pause_s  # between two pushes
        self._frames = frames  # what a diagram shows
        self._steps: asyncio.Queue[Step] = asyncio.Queue()
        self._outbox: asyncio.Queue[wire.Frame | None] = asyncio.Queue()
        self._unread_answers = self._unread_bytes = 0  # in the outbox
        self._has_stopped = False  # true once nothing more is sent
        self._has_room = asyncio.Event()  # the outbox has room for answers, or nothing more is sent
        self._has_room.set()
        self._sending_since_s: float | None = None  # since when a message waits for the peer to read
        self._answers: list[wire.Frame] = []  # not yet in the outbox
        self._permits = 0  # of `_may_examine`, to be given back when the answers are sent
        self._may_examine = asyncio.Semaphore(EXAMINED_MAX)
        self._waiting_since_s = time.monotonic()
        self._was_waiting = True
        self._pushing: asyncio.TimerHandle | None = None
        self._is_push_next = self._is_more_next = False  # among the steps
        self._pushed_at_s = 0.0
        self._state: State | None = None  # to tell the peer about
        self._is_update_next = False  # among the steps
        self._is_update_late = False  # it waits until the peer has read more
        self._syncs: list[_Sync] = []
        self._sum = Report()  # of the whole session so far
        self._has_reported = False
        self._reporting: asyncio.TimerHandle | None = None
        self._is_report_due = False  # the pause before the report is over
        self.held: Reach | None = None  # what the peer holds, when this was last certain
        self._ended = asyncio.Event()

    async def run(self, messages: AsyncIterator[wire.Frame], hello: Hello | None = None) -> Report:
        """Run the session until it ends, and return a report. If `progress` was called in this session, the report
        covers only the time since the last call of `progress`. If the peer started the session, `hello` is the peer's
        hello."""
        self._steps.put_nowait(partial(self._begin, hello))
        tasks = [asyncio.create_task(work) for work in (self._read(messages), self._send(), self._watch())]
        try:
            await self._take_steps()
            if self.session.report.error is not None:
                self._drop_data()
            self._outbox.put_nowait(None)
            await asyncio.wait(tasks[1:2], timeout=FLUSH_S_MAX)
        finally:
            for task in tasks:
                task.cancel()
            for timer in (self._pushing, self._reporting):
                if timer is not None:
                    timer.cancel()
            self._ended.set()
            report = self.session.take_report()
            self._end_syncs(report)
        return report

    async def wait_ended(self) -> None:
        await self._ended.wait()

    def break_off(self, code: str, reason: str) -> None:
        """End the session without sending a frame."""

        def end() -> list[Frame]:
            self.session.refuse(code, reason)
            return []

        self._steps.put_nowait(end)

    def close(self) -> None:
        """End the session if it is a standing session. Frames from the peer are still processed until the end."""
        self._steps.put_nowait(self.session.close)

    def push(self, delay_s: float = 0.0) -> None:
        """After `delay_s` seconds, send what this replica has stored since the last push. There is always a pause
        between two pushes."""
        now_s = time.monotonic()
        at_s = max(now_s + delay_s, self._pushed_at_s + self._pause_s)
        loop = asyncio.get_running_loop()
        if self._pushing is not None:
            if self._pushing.when() <= at_s:
                return
            self._pushing.cancel()
            self._pushing = None
        if at_s <= now_s:
            self._push()
        else:
            self._pushing = loop.call_later(at_s - now_s, self._push)

    def update(self, state: State) -> None:
        """Tell the peer what this replica holds according to `state`. If the hello that this side sent is out of date,
        end the session instead."""
        self._state = state
        if not self._is_update_next:
            self._is_update_next = True
            self._steps.put_nowait(self._update)

    async def sync(self) -> Report:
        """Wait until both sides have sent everything. Return a report of what was sent and received during this
        wait."""
        before = self._sum
        if self._ended.is_set():
            return Report(peer=before.peer, error=ENDED)
        sync = _Sync(asyncio.get_running_loop().create_future())

        def ask() -> list[Frame]:
            sync.number, frames = self.session.sync()
            return frames

        self._syncs.append(sync)
        self._steps.put_nowait(ask)
        await asyncio.wait([sync.done], timeout=SYNC_S_MAX)
        if not sync.done.done():
            self._syncs.remove(sync)
            return Report(peer=before.peer, error=SILENT)
        return _added(sync.done.result(), before, -1)

    def _push_early(self) -> None:
        """If a push is delayed, push now. The peer has just announced which writes it holds, so the push sends only
        writes that the peer lacks."""
        if self._pushing is not None:
            self.push()

    def _push(self) -> None:
        self._pushing = None
        if not self._is_push_next:
            self._is_push_next = True
            self._steps.put_nowait(self._send_new)

    def _send_new(self) -> list[Frame]:
        self._is_push_next = False
        frames = self.session.send_new()
        if frames:
            self._pushed_at_s = time.monotonic()
        return frames

    def _send_more(self) -> list[Frame]:
        self._is_more_next = False
        return self.session.send_more()

    def _update(self) -> list[Frame]:
        self._is_update_next = False  # first: the state may be replaced at any time, and then needs another step
        state = self._state
        assert state is not None
        if self.session.has_changed(state):
            self.close()
            return []
        self._is_update_late = self._unread_answers > HOLDS_LATE  # the peer has enough to read
        return [] if self._is_update_late else self.session.tell(state)

    # Messages.

    async def _read(self, messages: AsyncIterator[wire.Frame]) -> None:
        try:
            async for message in messages:
                await self._may_examine.acquire()
                await self._has_room.wait()  # a peer that does not read gets no more answers
                if message.ByteSize() > SMALL_BYTES_MAX:
                    self._steps.put_nowait(await self._loop.in_worker(partial(self._examine, message)))
                elif message.WhichOneof("kind") in LIGHT_KINDS:
                    self._steps.put_nowait(self._examine(message))
                else:
                    self._steps.put_nowait(message)
            self.break_off(PeerRefusalCode.BROKEN_OFF, "The peer ended the session early.")
        except grpc.RpcError as error:
            has_begun = bool(self.session.report.peer)
            reason = "the connection broke" if has_begun else reason_of(error, SILENCE_S_MAX)
            self.break_off(PeerRefusalCode.UNREACHABLE, reason)
        except Exception:
            LOGGER.exception("the frames of a peer cannot be read")
            self.break_off(PeerRefusalCode.BROKEN_OFF, FAULT)

    async def _send(self) -> None:
        """Write the messages of the outbox to the stream. Stop at the first None."""
        try:
            while (message := await self._outbox.get()) is not None:
                self._sending_since_s = time.monotonic()
                await self._write(message)
                self._sending_since_s = None
                self._note_unread(message, -1)
                if self._is_update_late and self._state is not None and self._unread_answers <= HOLDS_LATE:
                    self.update(self._state)
        except (grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError):
            pass  # the stream has ended, and the reader gets the reason
        finally:
            self._has_stopped = True
            self._has_room.set()

    def _note_unread(self, message: wire.Frame, change: int) -> None:
        """Count a message that enters the outbox (`change` is 1) or leaves it (-1)."""
        self._unread_bytes += change * message.ByteSize()
        if message.WhichOneof("kind") not in DATA:
            self._unread_answers += change
        if self._unread_answers <= ANSWERS_MAX and self._unread_bytes <= UNREAD_BYTES_MAX:
            self._has_room.set()
        elif not self._has_stopped:
            self._has_room.clear()

    def _drop_data(self) -> None:
        """Take writes and pages out of the outbox, so that a refusal does not wait behind them."""
        for _ in range(self._outbox.qsize()):
            message = self._outbox.get_nowait()
            if message is not None and message.WhichOneof("kind") not in DATA:
                self._outbox.put_nowait(message)

    async def _watch(self) -> None:
        """Break off the session if this side waits for the peer, and the peer is silent for more than SILENCE_S_MAX
        seconds."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            begins_s = [self._waiting_since_s] if self._was_waiting else []
            begins_s += [self._sending_since_s] if self._sending_since_s else []
            if begins_s and time.monotonic() - min(begins_s) > SILENCE_S_MAX:
                reason = f"the peer was silent for {SILENCE_S_MAX:.0f} s"
                self.break_off(PeerRefusalCode.UNREACHABLE, reason)

    # Steps.

    async def _take_steps(self) -> None:
        taken = 0
        while not self.session.finished:
            step = await self._steps.get()
            messages = self._do(step) if self._is_light(step) else await self._run(step)
            self._answers += messages
            self._permits += isinstance(step, Examined | wire.Frame)
            if not _is_large(step) or self._steps.empty() or self.session.finished:
                self._send_answers()
            is_waiting = self.session.is_waiting
            if is_waiting and not self._was_waiting:
                self._waiting_since_s = time.monotonic()
            self._was_waiting = is_waiting
            if self.session.has_more and not self._is_more_next:
                self._is_more_next = True
                self._steps.put_nowait(self._send_more)
            if self.session.is_holding_back:
                self.push(self.session.pause_s)
            taken += 1
            if self.session.is_open and (self._steps.empty() or taken > STEPS_MAX):
                taken = 0
                self._send_answers()
                await self._report()

    async def _run(self, step: Step) -> list[wire.Frame]:
        """Run a step in a worker thread, and return the messages to send.

        If the step stores a large frame, the answers to the large frame before it wait for BATCH_ON_ITS_WAY_S. By then
        the frame has usually reached the storage, which had nothing to do until then. An answer wakes the peer, and
        lets this side examine another frame. Both take processor time, so the frame would reach the storage later.
        """
        if not _is_large(step):
            self._send_answers()
        sending = asyncio.get_running_loop().call_later(BATCH_ON_ITS_WAY_S, self._send_answers)
        try:
            return await self._loop.in_worker(partial(self._do, step))
        finally:
            sending.cancel()
            self._send_answers()

    def _send_answers(self) -> None:
        """Put the answers into the outbox. Let this side examine as many frames as the session has taken."""
        for message in self._answers:
            self._outbox.put_nowait(message)
            self._note_unread(message, 1)
        self._answers.clear()
        for _ in range(self._permits):
            self._may_examine.release()
        self._permits = 0

    def _is_light(self, step: Step) -> bool:
        """Return whether this step runs without the storage."""
        if isinstance(step, Examined):
            return self.session.is_light(step.frame)
        return step in (self._update, self._end_report_pause)

    async def _report(self) -> None:
        """Call `progress` with a report if anything was sent or received. Also call `progress` when this side first
        knows what the peer holds. Give a result to each call of `sync` that the peer has answered.

        The report waits for REPORT_PAUSE_S if the peer has only acknowledged writes. It also waits if the peer has sent
        BATCH_COUNT_MAX writes or more. The report then also covers the time of the pause. There is no pause before the
        first report, after the installation of a full state, or when a call of `sync` gets its result.
        """
        now, answered = self.session.report, self.session.syncs_answered
        self.held = self.session.held() or self.held
        done = [sync for sync in self._syncs if sync.number is not None and sync.number <= answered]
        is_first = self.held is not None and not self._has_reported
        is_due, self._is_report_due = self._is_report_due, False
        has_news = bool(now.sent or now.received)
        is_little = 0 < now.received < BATCH_COUNT_MAX
        if is_little or now.installed or is_first or (has_news and (done or is_due)):
            self._has_reported = True
            report = self.session.take_report()
            self._sum = _added(self._sum, report, 1)
            await self._loop.in_worker(partial(self._listener.progress, report))
        elif has_news and self._reporting is None:
            pause_over = partial(self._steps.put_nowait, self._end_report_pause)
            self._reporting = asyncio.get_running_loop().call_later(REPORT_PAUSE_S, pause_over)
        for sync in done:
            self._syncs.remove(sync)
            sync.done.set_result(self._sum)

    def _end_report_pause(self) -> list[Frame]:
        self._reporting, self._is_report_due = None, True
        return []

    def _end_syncs(self, report: Report) -> None:
        self._sum = _added(self._sum, report, 1)
        if report.error is None:
            self._sum.error = ENDED
        for sync in self._syncs:
            sync.done.set_result(self._sum)

    def _do(self, step: Step) -> list[wire.Frame]:
        """Run one step, and return the messages to send. If the step fails, end the session and tell the peer the
        reason."""
        if self.session.finished:
            return []
        try:
            if isinstance(step, wire.Frame):
                step = self.session.examine(decode(step))
            frames = self._take_next(step) if isinstance(step, Examined) else step()
        except ProtocolError as error:
            frames = self.session.refuse(PeerRefusalCode.PROTOCOL, str(error))
        except RedisError:
            reason = "This replica cannot reach its storage. Try again later."
            frames = self.session.refuse(PeerRefusalCode.STORAGE_AWAY, reason)
        except Exception:
            LOGGER.exception("a frame of %s cannot be processed", self.session.report.peer)
            frames = self.session.refuse(PeerRefusalCode.BROKEN_OFF, FAULT)
        for frame in frames:
            self._frames.sent(frame)
        return [encode(frame) for frame in frames]

    def _begin(self, hello: Hello | None) -> list[Frame]:
        # Judged before the first frame goes out: an initiator that refuses our hello ends the stream at once.
        answers = [] if hello is None else [self.session.examine(hello)]
        return [*self.session.start(), *(frame for examined in answers for frame in self._take(examined))]

    def _examine(self, message: wire.Frame) -> Step:
        try:
            return self.session.examine(decode(message))
        except ProtocolError as error:
            return partial(self.session.refuse, PeerRefusalCode.PROTOCOL, str(error))

    def _take_next(self, examined: Examined) -> list[Frame]:
        if isinstance(examined.frame, Holds):
            self._loop.soon(self._push_early)
        self._waiting_since_s = time.monotonic()
        return self._take(examined)

    def _take(self, examined: Examined) -> list[Frame]:
        frame = examined.frame
        self._frames.received(frame)
        if not isinstance(frame, Hello):
            return self.session.take(examined)
        if refusal := self._listener.judge(frame):
            return self.session.refuse(refusal.code, refusal.message)
        answers = self.session.take(examined)
        self._loop.soon(partial(self._listener.opened, frame))
        return answers


def _is_large(step: Step) -> bool:
    """Return whether this step stores a frame with writes or pages that was examined in a thread of its own."""
    return isinstance(step, Examined) and isinstance(step.frame, Batch | StateChunk)


def _added(one: Report, other: Report, sign: int) -> Report:
    """Add the counts of two reports. If `sign` is -1, subtract the counts of `other`."""
    return Report(
        peer=other.peer or one.peer,
        sent=one.sent + sign * other.sent,
        received=one.received + sign * other.received,
        rolled_back=one.rolled_back + sign * other.rolled_back,
        replayed=one.replayed + sign * other.replayed,
        error=one.error or other.error,
    )
