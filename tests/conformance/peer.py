"""A peer that the suite plays: it sends what a check tells it to send, and records what the subject sends."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc

from replica.anti_entropy import a_e_pb2 as wire
from tests.conformance.minimal.writes import PROTOCOL
from tests.conformance.writes import Author, cover

METHOD = "/bayou.AntiEntropy/Exchange"
ANSWER_S_MAX = 10.0  # how long a check waits for a frame of the subject
OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 1000),  # more pings than our replicas send, so that a check can be short
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
]
QUIET_S = 0.3  # after this time without a frame, no more frames are expected


class Failed(Exception):
    """A check has failed. The message says what was expected, and what came."""


@dataclass(slots=True)
class Peer:
    """A replica that the suite plays: its identity, and what it claims to hold."""

    author: Author
    label: str
    birth: str
    history: str
    csn: int = 0
    last: str = ""
    vector: dict[str, int] = field(default_factory=dict)

    def holding(self, items: Iterable[wire.Item]) -> Peer:
        """Add these writes to the writes that this peer claims to hold. Return the peer."""
        for item in items:
            cover(self.vector, item)
            if item.csn:
                self.csn, self.last = item.csn, item.id
        return self


class Talk:
    """One session with the subject. `items` has the writes that the subject has sent. The batches of the subject are
    acknowledged unless `acks` is False."""

    def __init__(self, address: str, first: bytes) -> None:
        self.hello: wire.Hello | None = None
        self.refusal: wire.Refuse | None = None
        self.batches: list[wire.Batch] = []
        self.chunks: list[wire.StateChunk] = []
        self.finishes: list[wire.StateFinish] = []
        self.others: list[wire.Frame] = []  # all other frames of the subject
        self.acks = True
        self.is_done = self.has_ended = False
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._incoming: queue.SimpleQueue[wire.Frame | None] = queue.SimpleQueue()
        self._channel = grpc.insecure_channel(address, options=OPTIONS)
        method: Any = self._channel.stream_stream(METHOD, response_deserializer=wire.Frame.FromString)
        self._outgoing.put(first)
        self._call: Any = method(iter(self._outgoing.get, None))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(grpc.RpcError):
            for frame in self._call:
                self._incoming.put(frame)
        self._incoming.put(None)

    @property
    def items(self) -> list[wire.Item]:
        return [item for batch in self.batches for item in batch.items]

    def close(self) -> None:
        """Break the session off."""
        self._call.cancel()
        self._outgoing.put(None)
        self._channel.close()

    def send(self, **frame: Any) -> None:
        self.send_bytes(wire.Frame(**frame).SerializeToString())

    def send_bytes(self, data: bytes) -> None:
        self._outgoing.put(data)

    def next(self, wait_s: float = ANSWER_S_MAX) -> wire.Frame | None:
        """Return the next frame of the subject. Return None if the stream has ended, or if no frame comes within
        `wait_s`."""
        if self.has_ended:
            return None
        try:
            frame = self._incoming.get(timeout=wait_s)
        except queue.Empty:
            return None
        if frame is None:
            self.has_ended = True
            return None
        match frame.WhichOneof("kind"):
            case "hello":
                self.hello = frame.hello
            case "refuse":
                self.refusal = frame.refuse
            case "batch":
                self._check_new(frame.batch)
                self.batches.append(frame.batch)
                if self.acks:
                    self.send(ack=wire.Ack(plan=frame.batch.plan))
            case "state_chunk":
                self.chunks.append(frame.state_chunk)
                self.send(ack=wire.Ack(plan=frame.state_chunk.plan))
            case "state_finish":
                self.finishes.append(frame.state_finish)
            case "done":
                self.is_done = True
            case _:
                self.others.append(frame)
        return frame

    def _check_new(self, batch: wire.Batch) -> None:
        before = {(one.plan, item.id) for one in self.batches for item in one.items if item.body}
        for item in batch.items:
            if item.body and (batch.plan, item.id) in before:
                raise Failed(f"Expected each write once in a plan; came: {item.id} again.")

    def until(self, wanted: Callable[[], object], what: str) -> None:
        """Take frames of the subject until `wanted()` is true. Raise Failed if the session ends first, or if
        ANSWER_S_MAX has passed. The message says that `what` was expected."""
        ends_s = time.monotonic() + ANSWER_S_MAX
        while not wanted():
            left_s = ends_s - time.monotonic()
            if (left_s <= 0 or self.next(left_s) is None) and not wanted():
                raise Failed(f"Expected {what}; {self.summary()}.")

    def give(
        self, items: Iterable[wire.Item], after: tuple[int, str] = (0, ""), history: str = "[]"
    ) -> wire.Ack | None:
        """Send a batch that follows the commit `after` (its CSN and id). Return the Ack of the batch; None if the
        subject has refused the session."""
        csn, identifier = after
        count = len(self.acked)
        self.send(batch=wire.Batch(after_csn=csn, after_id=identifier, items=items, history=history))
        self.until_acked(count + 1)
        return self.acked[-1] if len(self.acked) > count else None

    def until_acked(self, count: int) -> None:
        """Wait until the subject has sent this many Acks, or has refused the session."""
        self.until(lambda: self.refusal or len(self.acked) >= count, "an Ack or a Refuse after a batch")

    @property
    def acked(self) -> list[wire.Ack]:
        return [frame.ack for frame in self.others if frame.WhichOneof("kind") == "ack"]

    def finish(self) -> wire.Refuse | None:
        """Send Done, and wait until the subject sends Done or a refusal. Return the refusal, or None if there is no
        refusal."""
        if self.refusal is None:
            self.send(done=wire.Done())
            self.until(lambda: self.refusal or self.is_done, "a Done or a Refuse after Done")
        self.close()
        return self.refusal

    def drain(self) -> None:
        """Receive what the subject still sends, until no frame comes for QUIET_S."""
        ends_s = time.monotonic() + ANSWER_S_MAX
        while time.monotonic() < ends_s and self.next(QUIET_S) is not None:
            pass

    def summary(self) -> str:
        """Return a short text that says what the subject has sent. The text is part of error messages."""
        if self.refusal is not None:
            return f"came: a refusal `{self.refusal.code}` ({self.refusal.message})"
        if self.has_ended:
            return "came: the end of the stream without a reason"
        kinds = [*(["Batch"] * len(self.batches)), *(frame.WhichOneof("kind") or "?" for frame in self.others)]
        return f"came: {', '.join(kinds[-5:]) or 'nothing'}{' and Done' if self.is_done else ''}, then silence"


def hello_of(peer: Peer, subject: wire.Hello, changes: Mapping[str, Any]) -> wire.Frame:
    """Return the hello of a peer that is in the subject's cluster and can play what the subject can play. `changes`
    replaces fields of the hello."""
    said = wire.Hello(
        protocol=PROTOCOL,
        cluster=subject.cluster,
        server=peer.author.server,
        label=peer.label,
        birth=peer.birth,
        met=True,
        history=peer.history,
        csn=peer.csn,
        last=peer.last,
        vector=peer.vector,
        applications=subject.applications,
        log_applications=["records/1"],
        clock=time.time_ns() // 1000,
    )
    for name, value in changes.items():
        if isinstance(value, Mapping):
            getattr(said, name).clear()
            getattr(said, name).update(value)
        elif isinstance(value, list):
            del getattr(said, name)[:]
            getattr(said, name).extend(value)
        else:
            setattr(said, name, value)
    return wire.Frame(hello=said)


@contextlib.contextmanager
def closing(talk: Talk) -> Iterator[Talk]:
    try:
        yield talk
    finally:
        talk.close()
