"""gRPC carries anti-entropy: one bidirectional stream a session, in both roles, and the unary calls of membership.

It moves frames between bayou.anti_entropy.Session and the wire, bounds each session in time, and keeps the rule of one
session a pair at a time. When to start a session, and with whom, is the scheduler's (scheduler.py); what the
unary calls do is in replica/membership.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from redis import RedisError

from bayou.anti_entropy import WINDOW, Examined, ProtocolError, Report, Session
from bayou.errors import Away, RefusalCode
from bayou.frame_validation import problem_of
from bayou.frames import Frame, Hello, Refuse
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.grpc_channel import MESSAGE_BYTES_MAX, channel_to, reason_of
from replica.anti_entropy.protobuf_codec import decode, encode
from replica.anti_entropy.session_timeout import SESSION_S_MAX, Patience
from replica.anti_entropy.tls import Credentials
from replica.config import Address

SERVICE = "bayou.AntiEntropy"
METHOD = f"/{SERVICE}/Exchange"
THREADS = 32
ANSWERS_MAX = 26  # sessions that are answered at a time; the other threads are for unary calls
SERVER_OPTIONS = [
    ("grpc.so_reuseport", 0),  # else two replicas bind one port and neither says so
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
]
BUSY = Refuse(RefusalCode.BUSY, "A session with this replica is going on. Try again in a moment.")
CUT = Refuse(RefusalCode.LINK_CUT, "The link between the two is cut.")

Reply = TypeVar("Reply", bound=Message)
Cancel = Callable[[], object]
MakeSession = Callable[[bool], Session]  # initiator? -> a new session
Met = Callable[[Hello], None]  # told of each peer that said hello


@dataclass(frozen=True, slots=True)
class Unary:
    """A unary call that is answered here: the type of its request, and what answers it."""

    request: type[Message]
    answer: Callable[[Any], Message]


class Pairs:
    """Which peers are in a session, and how each is broken off.

    Where two replicas call each other at once, the call of the smaller label goes on, and the other one is refused.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._change = threading.Condition()
        self._calls: dict[str, Cancel] = {}
        self._answers: dict[str, Cancel] = {}

    def begin_call(self, peer: str, cancel: Cancel) -> bool:
        """This replica calls; False when the two are in a session already."""
        with self._change:
            if peer in self._calls or peer in self._answers:
                return False
            self._calls[peer] = cancel
            return True

    def begin_answer(self, peer: str, cancel: Cancel) -> bool:
        """The peer has called; False when it has to wait."""
        with self._change:
            if peer in self._answers or (peer in self._calls and self._label < peer):
                return False
            self._answers[peer] = cancel
            return True

    def end_call(self, peer: str) -> None:
        with self._change:
            del self._calls[peer]
            self._change.notify_all()

    def end_answer(self, peer: str) -> None:
        with self._change:
            del self._answers[peer]
            self._change.notify_all()

    def is_busy(self, peer: str) -> bool:
        with self._change:
            return peer in self._calls or peer in self._answers

    def wait_idle(self, peer: str, wait_s: float) -> bool:
        """Wait until no session with the peer is under way."""
        with self._change:
            return self._change.wait_for(lambda: not (peer in self._calls or peer in self._answers), wait_s)

    def break_off(self, peer: str) -> None:
        """End the sessions with a peer where they stand."""
        with self._change:
            cancels = [side[peer] for side in (self._calls, self._answers) if peer in side]
        for cancel in cancels:
            cancel()


class Listener:
    """Answers the sessions that peers start. `is_cut(label)` tells whether the link to a peer is cut here; `after`
    hears the report of each session, `met` of each hello."""

    def __init__(
        self,
        address: Address,
        pairs: Pairs,
        make_session: MakeSession,
        is_cut: Callable[[str], bool],
        after: Callable[[Report], None],
        met: Met,
        credentials: Credentials | None = None,
    ) -> None:
        self._address = address
        self._credentials = credentials
        self._pairs = pairs
        self._make_session = make_session
        self._is_cut = is_cut
        self._after = after
        self._met = met
        self._answers = threading.BoundedSemaphore(ANSWERS_MAX)
        self._server: grpc.Server | None = None

    def start(self, unary: Mapping[str, Unary]) -> None:
        """Listen; Away when the address cannot be had. `unary` are the unary calls by name."""
        self._server = grpc.server(
            ThreadPoolExecutor(THREADS, thread_name_prefix="anti-entropy"),
            options=SERVER_OPTIONS,
            maximum_concurrent_rpcs=THREADS,  # gRPC queues silently beyond its threads
        )
        handlers = {
            "Exchange": grpc.stream_stream_rpc_method_handler(
                self._exchange,
                request_deserializer=_reader(wire.Frame),
                response_serializer=wire.Frame.SerializeToString,
            )
        } | {name: _unary_handler(call) for name, call in unary.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            if self._credentials is None:
                self._server.add_insecure_port(str(self._address))
            else:
                self._server.add_secure_port(str(self._address), self._credentials.server())
        except RuntimeError:
            raise Away(
                "address_taken",
                f"{self._address} cannot be listened on: another program has it, or it is not of this machine."
                " Stop that program or change anti_entropy in the configuration.",
            ) from None
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(grace=None).wait()

    def _exchange(self, messages: Iterator[wire.Frame], context: grpc.ServicerContext) -> Iterator[wire.Frame]:
        patience = Patience(context.cancel)
        try:
            yield from map(encode, self._answer(messages, context, patience))
        finally:
            patience.end()

    def _answer(
        self, messages: Iterator[wire.Frame], context: grpc.ServicerContext, patience: Patience
    ) -> Iterator[Frame]:
        try:
            hello = decode(next(messages))
        except (StopIteration, ProtocolError):
            return
        if not isinstance(hello, Hello):
            yield Refuse(RefusalCode.PROTOCOL, "A session begins with Hello.")
            return
        if problem := problem_of(hello):
            yield Refuse(RefusalCode.PROTOCOL, f"Hello: {problem}")
            return
        peer = hello.label
        if self._is_cut(peer):
            yield CUT
        elif not self._answers.acquire(blocking=False):
            yield BUSY
        else:
            try:
                yield from self._answer_peer(peer, hello, messages, context, patience)
            finally:
                self._answers.release()

    def _answer_peer(
        self,
        peer: str,
        hello: Hello,
        messages: Iterator[wire.Frame],
        context: grpc.ServicerContext,
        patience: Patience,
    ) -> Iterator[Frame]:
        if not self._pairs.begin_answer(peer, context.cancel):
            yield BUSY
            return
        self._met(hello)
        session = self._make_session(False)
        try:
            yield from _drive(session, hello, messages, patience)
        finally:
            self._pairs.end_answer(peer)
            self._after(session.report)


def _unary_handler(call: Unary) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        lambda message, _context: call.answer(message),
        request_deserializer=_reader(call.request),
        response_serializer=_serialized,
    )


def _reader(kind: type[Any]) -> Callable[[bytes], Any]:
    """Bytes that are no message become an empty one, which says nothing, and is refused as such."""

    def read(data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError:
            return kind()

    return read


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


def _drive(session: Session, hello: Hello, messages: Iterator[wire.Frame], patience: Patience) -> Iterator[Frame]:
    """The answering side of a session, from the caller's hello on."""
    try:
        yield from session.start()
        yield from session.receive(hello)
        coming = _examined(session, messages, patience)
        while not session.finished:
            examined = next(coming, None)
            if examined is None:
                return
            yield from session.take(examined)
    except ProtocolError as error:
        yield from session.refuse(RefusalCode.PROTOCOL, str(error))
    except RedisError:
        yield from session.refuse(RefusalCode.STORAGE_AWAY, "The storage of this replica is away. Try again later.")


def _examined(session: Session, messages: Iterator[wire.Frame], patience: Patience) -> Iterator[Examined]:
    """The frames that come, examined in a thread of their own while the session stores earlier ones; all that may be on
    their way, for one that is examined when it arrives does not hold up the next that is to be stored."""
    frames = (session.examine(decode(message)) for message in messages)
    ahead = ThreadPoolExecutor(1, thread_name_prefix="examine")
    try:
        coming = deque(ahead.submit(next, frames, None) for _ in range(WINDOW))
        while (examined := coming.popleft().result()) is not None:
            patience.hear()
            coming.append(ahead.submit(next, frames, None))
            yield examined
    finally:
        ahead.shutdown(wait=False, cancel_futures=True)  # it may wait for the peer, until the stream is ended


class Caller:
    """Calls one peer, a session at a time."""

    def __init__(
        self,
        peer: str,
        address: Address,
        pairs: Pairs,
        make_session: MakeSession,
        met: Met,
        credentials: Credentials | None = None,
    ) -> None:
        self._peer = peer
        self._address = address
        self._credentials = credentials
        self._pairs = pairs
        self._make_session = make_session
        self._met = met
        self._changing = threading.Lock()
        self._channel: grpc.Channel | None = channel_to(address, credentials)

    def close(self) -> None:
        with self._changing:
            if self._channel is not None:
                self._channel.close()
            self._channel = None

    def call(self) -> Report:
        """Run one session to its end; what went wrong is in the report's error (code `unreachable`, `busy`, ...)."""
        outgoing: queue.SimpleQueue[wire.Frame | None] = queue.SimpleQueue()
        with self._changing:
            if self._channel is None:  # it is no peer any more
                return Report(peer=self._peer, error=Refuse(RefusalCode.UNREACHABLE, "it has left"))
            stream = _exchange(self._channel, outgoing)
            has_begun = self._pairs.begin_call(self._peer, stream.cancel)
        if not has_begun:
            outgoing.put(None)
            stream.cancel()
            return Report(peer=self._peer, error=BUSY)
        session = self._make_session(True)
        patience = Patience(stream.cancel)
        try:
            self._converse(session, stream, outgoing, patience)
        finally:
            patience.end()
            outgoing.put(None)  # ends the thread that sends
            stream.cancel()
            if session.report.code == RefusalCode.UNREACHABLE:
                self._connect_anew()
            self._pairs.end_call(self._peer)
        session.report.peer = self._peer
        return session.report

    def _connect_anew(self) -> None:
        """A channel that found nobody refuses its next calls unseen, up to its pause; when to call is the scheduler's
        to say. Only while this call holds the pair, so that no other call uses the channel that is closed."""
        with self._changing:
            if self._channel is not None:
                self._channel.close()
                self._channel = channel_to(self._address, self._credentials)

    def _converse(
        self, session: Session, stream: Any, outgoing: queue.SimpleQueue[wire.Frame | None], patience: Patience
    ) -> None:
        """The calling side of a session."""
        try:
            for frame in session.start():
                outgoing.put(encode(frame))
            for examined in _examined(session, stream, patience):
                answers = session.take(examined)
                if isinstance(examined.frame, Hello):
                    self._met(examined.frame)
                for answer in answers:
                    outgoing.put(encode(answer))
                if session.finished:
                    return
            session.refuse(RefusalCode.BROKEN_OFF, "The peer ended the session early.")
        except grpc.RpcError as error:
            session.refuse(RefusalCode.UNREACHABLE, reason_of(error, SESSION_S_MAX))
        except ProtocolError as error:
            session.refuse(RefusalCode.PROTOCOL, str(error))
        except RedisError:
            session.refuse(RefusalCode.STORAGE_AWAY, "The storage of this replica is away.")


def call_unary(
    address: Address,
    name: str,
    message: Message,
    reply: type[Reply],
    timeout_s: float,
    credentials: Credentials | None = None,
) -> Reply:
    """One unary call; Away peer_unreachable where it came to no answer (which leaves open whether it was done)."""
    with channel_to(address, credentials) as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/{name}", request_serializer=_serialized, response_deserializer=reply.FromString
        )
        try:
            answer: Reply = call(message, timeout=timeout_s)
        except grpc.RpcError as error:
            reason = reason_of(error, timeout_s)
            raise Away("peer_unreachable", f"{address} does not do what was asked: {reason}.") from None
    return answer


def _exchange(channel: grpc.Channel, outgoing: queue.SimpleQueue[wire.Frame | None]) -> Any:
    call = channel.stream_stream(
        METHOD, request_serializer=wire.Frame.SerializeToString, response_deserializer=_reader(wire.Frame)
    )
    return call(iter(outgoing.get, None), timeout=SESSION_S_MAX)
