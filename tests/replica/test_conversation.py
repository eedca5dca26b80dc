"""One side of a session over a stream. The peer on the other side reads slowly."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from unittest.mock import Mock

import pytest

from bayou.arrivals import Arrivals
from bayou.frames import Holds, Sync
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.conversation import EXAMINED_AGAIN, EXAMINED_MAX, OUTBOX_MAX, Conversation, Listener
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


def test_frames_are_read_in_bursts(loop: EventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """When EXAMINED_MAX frames wait for the storage, this side stops reading. It reads again when only EXAMINED_AGAIN
    frames are left."""
    one, two = Cluster(2)
    session = session_of(one, RULES, initiator=True, arrivals=Arrivals(0))
    hello = session_of(two, RULES, initiator=False, arrivals=Arrivals(0)).start()
    peer, storage = SlowPeer(), threading.Semaphore(0)
    take = Mock(side_effect=lambda _frame: storage.acquire() and [])
    monkeypatch.setattr(session, "take", take)
    listener = Listener(lambda _hello: None, lambda _hello: None, lambda _report: None)

    async def begin() -> asyncio.Task[object]:
        conversation = Conversation(loop, session, peer.write, listener, 0.0, NOT_RECORDING.session("two"))
        peer.sends.put_nowait(encode(*hello))
        return asyncio.create_task(conversation.run(peer.messages()))

    async def send() -> None:
        for number in range(1, 100):
            peer.sends.put_nowait(encode(Sync(number)))

    async def settle() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    running = loop.wait(begin())
    first = 1 + EXAMINED_MAX + 1  # the storage takes one, and the reader has one in its hand
    try:
        wait_until(lambda: take.called)
        loop.wait(send())
        wait_until(lambda: peer.taken == first)
        for number in range(2, 1 + EXAMINED_MAX - EXAMINED_AGAIN):
            storage.release()
            wait_until(lambda number=number: take.call_count == number)  # type: ignore[misc]
            loop.wait(settle())
            assert peer.taken == first
        storage.release()
        wait_until(lambda: peer.taken == first + EXAMINED_MAX - EXAMINED_AGAIN)
    finally:
        storage.release(200)
    assert not running.done()
