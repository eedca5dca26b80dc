"""One side of a session over a stream. The peer on the other side reads slowly."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from unittest.mock import Mock

import pytest

from bayou import sender
from bayou.anti_entropy import Session
from bayou.arrivals import Arrivals
from bayou.frames import Frame, Holds, Sync
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.conversation import EXAMINED_MAX, OUTBOX_MAX, SMALL_BYTES_MAX, Conversation, Listener
from replica.anti_entropy.event_loop import EventLoop
from replica.anti_entropy.protobuf_codec import encode
from replica.events.frame_ring import NOT_RECORDING
from tests.support.engine_harness import Cluster, meet, session_of
from tests.support.toy import RULES
from tests.support.waiting import wait_until

SYNCS = OUTBOX_MAX + 10


class SlowPeer:
    """The peer at the other side of the stream. The peer reads nothing until the test sets `reads`."""

    def __init__(self) -> None:
        self.sends: asyncio.Queue[wire.Frame] = asyncio.Queue()
        self.taken = 0  # messages that this replica has taken from the stream
        self.read: list[str] = []  # kinds of messages
        self.reads = asyncio.Event()
        self.running: asyncio.Task[object] | None = None  # the event loop itself keeps no reference

    async def messages(self) -> AsyncIterator[wire.Frame]:
        while True:
            message = await self.sends.get()
            self.taken += 1
            yield message

    async def write(self, message: wire.Frame) -> None:
        await self.reads.wait()
        self.read.append(str(message.WhichOneof("kind")))


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
        conversation = Conversation(loop, session, peer.write, listener, 0.0, NOT_RECORDING.session("two"))
        running.append(asyncio.create_task(conversation.run(peer.messages())))
        for frame in [*hello, holds, *(Sync(number) for number in range(1, SYNCS))]:
            peer.sends.put_nowait(encode(frame))
        return conversation

    running: list[asyncio.Task[object]] = []
    conversation = loop.wait(begin())
    wait_until(lambda: peer.taken > OUTBOX_MAX)  # the answers to these wait in the outbox
    meet(primary, one)
    state = one.state()
    updates = Mock(side_effect=session.has_changed)
    monkeypatch.setattr(session, "has_changed", updates)
    loop.soon(lambda: conversation.update(state))
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

    async def begin() -> asyncio.Task[object]:
        conversation = Conversation(loop, session, peer.write, listener, 0.0, NOT_RECORDING.session("two"))
        peer.sends.put_nowait(encode(hello))
        return asyncio.create_task(conversation.run(peer.messages()))

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


def test_an_answer_does_not_wait_until_the_next_frame_is_stored(
    loop: EventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = Cluster(2)
    for number in range(300):
        two.note(f"a{number}", "p")
    sender = session_of(two, RULES, initiator=False)
    session = session_of(one, RULES, initiator=True, arrivals=Arrivals(0))
    hello, *batches = [*sender.start(), *sender.receive(*session_of(one, RULES, initiator=True).start())]
    messages = [encode(batch) for batch in batches]
    assert min(message.ByteSize() for message in messages[:2]) > SMALL_BYTES_MAX
    peer, storage = begin_with_slow_storage(loop, session, hello, monkeypatch)
    loop.soon(peer.reads.set)
    try:
        for message in messages[:2]:
            loop.soon(partial(peer.sends.put_nowait, message))
        wait_until(lambda: peer.taken == 3)
        storage.frames.release(2)  # the hello and the first batch
        wait_until(lambda: storage.begun == 3)
        wait_until(lambda: peer.read.count("sync") == 2)  # their answers
    finally:
        storage.frames.release(200)


def test_the_window_is_filled_before_an_acknowledgement_comes(loop: EventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "BATCH_COUNT_MAX", 10)
    one, two = Cluster(2)
    for number in range(100):
        one.note(f"a{number}", "p")
    session = session_of(one, RULES, initiator=True)
    (hello,) = session_of(two, RULES, initiator=False).start()
    peer = SlowPeer()
    listener = Listener(lambda _hello: None, lambda _hello: None, lambda _report: None)

    async def begin() -> asyncio.Task[object]:
        conversation = Conversation(loop, session, peer.write, listener, 0.0, NOT_RECORDING.session("two"))
        peer.sends.put_nowait(encode(hello))
        peer.reads.set()
        return asyncio.create_task(conversation.run(peer.messages()))

    peer.running = loop.wait(begin())
    wait_until(lambda: peer.read.count("batch") == 10)
