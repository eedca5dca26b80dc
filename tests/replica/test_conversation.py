"""One side of a session over a stream. The peer on the other side reads slowly."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from unittest.mock import Mock

import grpc
import pytest

from bayou import sender
from bayou.anti_entropy import Report, Session
from bayou.arrivals import Arrivals
from bayou.errors import PeerRefusalCode
from bayou.frames import Ack, Frame, Holds, Sync
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy import conversation
from replica.anti_entropy.conversation import EXAMINED_MAX, HOLDS_LATE, SMALL_BYTES_MAX, Conversation, Listener
from replica.anti_entropy.event_loop import EventLoop
from replica.anti_entropy.protobuf_codec import encode
from replica.events.frame_ring import NOT_RECORDING
from tests.support.engine_harness import Cluster, meet, session_of
from tests.support.toy import RULES
from tests.support.waiting import wait_until

SYNCS = HOLDS_LATE + 10


class Broken(grpc.RpcError):
    """The stream has broken."""


class SlowPeer:
    """The peer at the other side of the stream. The peer reads nothing until the test sets `reads`."""

    def __init__(self) -> None:
        self.sends: asyncio.Queue[wire.Frame | None] = asyncio.Queue()
        self.is_broken = False
        self.taken = 0  # messages that this replica has taken from the stream
        self.read: list[str] = []  # kinds of messages
        self.reads = asyncio.Event()
        self.running: asyncio.Task[Report] | None = None  # the event loop itself keeps no reference

    async def messages(self) -> AsyncIterator[wire.Frame]:
        while (message := await self.sends.get()) is not None:
            self.taken += 1
            yield message
        raise Broken

    async def write(self, message: wire.Frame) -> None:
        await self.reads.wait()
        if self.is_broken:
            raise Broken
        self.read.append(str(message.WhichOneof("kind")))

    def break_off(self) -> None:
        self.is_broken = True
        self.reads.set()
        self.sends.put_nowait(None)


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    loop = EventLoop()
    yield loop
    loop.close()


def test_a_peer_is_told_what_came_while_it_read_nothing(loop: EventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(3)
    primary, one, two = cluster
    primary.note("a", "o")
    cluster.heal()
    session = session_of(one, RULES, initiator=True, arrivals=Arrivals(0))
    hello = session_of(two, RULES, initiator=False, arrivals=Arrivals(0)).start()
    primary.note("a", "p")
    holds = Holds(primary.state().csn, primary.state().vector, ())  # so this replica need not send that write
    peer = SlowPeer()
    listener = Listener(lambda _hello: None, lambda _hello: None, lambda _report: None)

    async def begin() -> Conversation:
        side = Conversation(loop, session, peer.write, listener, 0.0, NOT_RECORDING.session("two"))
        running.append(asyncio.create_task(side.run(peer.messages())))
        for frame in [*hello, holds, *(Sync(number) for number in range(1, SYNCS))]:
            peer.sends.put_nowait(encode(frame))
        return side

    running: list[asyncio.Task[object]] = []
    side = loop.wait(begin())
    wait_until(lambda: peer.taken > HOLDS_LATE)  # the answers to these wait in the outbox
    meet(primary, one)
    state = one.state()
    updates = Mock(side_effect=session.has_changed)
    monkeypatch.setattr(session, "has_changed", updates)
    loop.soon(lambda: side.update(state))
    wait_until(lambda: updates.called)
    assert "holds" not in peer.read
    loop.soon(peer.reads.set)
    wait_until(lambda: "holds" in peer.read)


class SlowStorage:
    """The storage of this side: it stores a frame only when the test releases `frames`."""

    def __init__(self) -> None:
        self.frames = threading.Semaphore(0)
        self.begun = 0

    def take(self, _frame: object) -> list[Frame]:
        self.begun += 1
        self.frames.acquire()
        return [Sync(self.begun)]


def begin_with_slow_storage(
    loop: EventLoop, session: Session, hello: Frame, monkeypatch: pytest.MonkeyPatch
) -> tuple[SlowPeer, SlowStorage]:
    """Run one side of a session. The peer sends its hello, and the storage does not answer yet."""
    peer, storage = SlowPeer(), SlowStorage()
    monkeypatch.setattr(session, "take", storage.take)
    listener = Listener(lambda _hello: None, lambda _hello: None, lambda _report: None)

    async def begin() -> asyncio.Task[Report]:
        side = Conversation(loop, session, peer.write, listener, 0.0, NOT_RECORDING.session("two"))
        peer.sends.put_nowait(encode(hello))
        return asyncio.create_task(side.run(peer.messages()))

    peer.running = loop.wait(begin())
    wait_until(lambda: storage.begun == 1)
    return peer, storage


def test_few_frames_are_read_in_advance(loop: EventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the storage is slow, this side reads EXAMINED_MAX frames in advance. It reads one more for each frame that
    the storage has taken."""
    one, two = Cluster(2)
    session = session_of(one, RULES, initiator=True, arrivals=Arrivals(0))
    (hello,) = session_of(two, RULES, initiator=False, arrivals=Arrivals(0)).start()
    peer, storage = begin_with_slow_storage(loop, session, hello, monkeypatch)

    async def send() -> None:
        for number in range(1, 100):
            peer.sends.put_nowait(encode(Sync(number)))

    async def settle() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    first = EXAMINED_MAX + 1  # the reader has one more in its hand
    try:
        loop.wait(send())
        for taken in range(3):
            wait_until(lambda taken=taken: peer.taken == first + taken)  # type: ignore[misc]
            loop.wait(settle())
            assert peer.taken == first + taken
            storage.frames.release()
    finally:
        storage.frames.release(200)


@pytest.mark.parametrize("is_late", [False, True])
def test_an_answer_waits_until_the_next_large_frame_is_on_its_way(
    loop: EventLoop, monkeypatch: pytest.MonkeyPatch, is_late: bool
) -> None:
    """The answer to the first batch goes out while the second one is stored. If the time for this has not come, the
    answer goes out when the second batch is stored."""
    if is_late:
        monkeypatch.setattr(conversation, "BATCH_ON_ITS_WAY_S", 600.0)
    one, two = Cluster(2)
    for number in range(300):
        two.note(f"a{number}", "p")
    given = session_of(two, RULES, initiator=False)
    session = session_of(one, RULES, initiator=True, arrivals=Arrivals(0))
    hello, *batches = [*given.start(), *given.receive(*session_of(one, RULES, initiator=True).start())]
    messages = [encode(frame) for frame in (*batches[:2], Sync(1))]
    assert min(message.ByteSize() for message in messages[:2]) > SMALL_BYTES_MAX
    peer, storage = begin_with_slow_storage(loop, session, hello, monkeypatch)
    loop.soon(peer.reads.set)
    try:
        for message in messages:
            loop.soon(partial(peer.sends.put_nowait, message))
        wait_until(lambda: peer.taken == 4)  # so both batches have been examined
        storage.frames.release(2)  # the hello and the first batch
        wait_until(lambda: storage.begun == 3)
        wait_until(lambda: peer.read.count("sync") == 2 - is_late)
        if is_late:
            storage.frames.release()
            wait_until(lambda: peer.read.count("sync") == 3)
    finally:
        storage.frames.release(200)


def test_a_broken_stream_ends_the_session_although_the_peer_has_not_read_much(
    loop: EventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "ANSWERS_MAX", 0)
    one, two = Cluster(2)
    session = session_of(one, RULES, initiator=True, arrivals=Arrivals(0))
    (hello,) = session_of(two, RULES, initiator=False, arrivals=Arrivals(0)).start()
    peer, storage = begin_with_slow_storage(loop, session, hello, monkeypatch)
    storage.frames.release(200)
    for number in range(1, 100):  # their answers find no room
        loop.soon(partial(peer.sends.put_nowait, encode(Sync(number))))
    wait_until(lambda: peer.taken > 1)
    loop.soon(peer.break_off)
    assert peer.running is not None
    wait_until(peer.running.done)
    assert peer.running.result().code == PeerRefusalCode.UNREACHABLE


def begin_with_small_batches(
    loop: EventLoop, monkeypatch: pytest.MonkeyPatch, frames: Iterable[Frame] = ()
) -> SlowPeer:
    """Run a session of a replica that has ten batches to send. The peer sends its hello, and then `frames`."""
    monkeypatch.setattr(sender, "BATCH_COUNT_MAX", 10)
    one, two = Cluster(2)
    for number in range(100):
        one.note(f"a{number}", "p")
    session = session_of(one, RULES, initiator=True)
    hello = session_of(two, RULES, initiator=False).start()
    peer = SlowPeer()
    listener = Listener(lambda _hello: None, lambda _hello: None, lambda _report: None)

    async def begin() -> asyncio.Task[Report]:
        side = Conversation(loop, session, peer.write, listener, 0.0, NOT_RECORDING.session("two"))
        for frame in (*hello, *frames):
            peer.sends.put_nowait(encode(frame))
        return asyncio.create_task(side.run(peer.messages()))

    peer.running = loop.wait(begin())
    return peer


def test_a_peer_that_acknowledges_without_reading_fills_no_memory(
    loop: EventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer asks for a new plan again and again, so the log would wait for the peer many times."""
    monkeypatch.setattr(conversation, "UNREAD_BYTES_MAX", 100_000)
    acks = [Ack(plan, replan=replan, csn=0, vector={}) for plan in range(100) for replan in (False, True)]
    peer = begin_with_small_batches(loop, monkeypatch, acks)

    def has_stopped() -> bool:
        before = peer.taken
        for _ in range(1000):
            loop.wait(loop.in_worker(lambda: None))
        return before == peer.taken

    wait_until(lambda: peer.taken > 2 and has_stopped())
    assert peer.taken < 50
    loop.soon(peer.reads.set)
    wait_until(lambda: peer.taken == 201)


def test_a_session_sends_its_first_frames_before_it_makes_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "BATCH_COUNT_MAX", 10)
    one, two = Cluster(2)
    for number in range(100):
        one.note(f"a{number}", "p")
    session = session_of(one, RULES, initiator=True)
    session.start()
    sent = [len(session.receive(*session_of(two, RULES, initiator=False).start()))]
    while session.has_more:
        sent.append(len(session.send_more()))
    assert sent == [4, 4, 2]
    assert session.send_more() == []


def test_the_window_is_filled_before_an_acknowledgement_comes(loop: EventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = begin_with_small_batches(loop, monkeypatch)
    loop.soon(peer.reads.set)
    wait_until(lambda: peer.read.count("batch") == 10)
