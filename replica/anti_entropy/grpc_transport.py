"""Anti-entropy over gRPC: one bidirectional stream for each session, and the unary calls of membership. This module
implements the caller's side and the answering side of both.

It moves frames between bayou.anti_entropy.Session and the network, and limits the time of each session. scheduler.py
decides when to call which peer; replica/membership/rpc.py answers the unary calls.
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

from bayou.anti_entropy import WINDOW, Examined, ProtocolError, Report, Session, malformed
from bayou.errors import Away, PeerRefusalCode
from bayou.frame_validation import problem_of
from bayou.frames import Frame, Hello, Refuse
from bayou.names import label_in
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.grpc_channel import MESSAGE_BYTES_MAX, channel_to, reason_of
from replica.anti_entropy.protobuf_codec import decode, encode
from replica.anti_entropy.session_registry import SessionRegistry
from replica.anti_entropy.session_timeout import SESSION_S_MAX, SessionTimeout
from replica.anti_entropy.tls import Credentials
from replica.config import Address

SERVICE = "bayou.AntiEntropy"
METHOD = f"/{SERVICE}/Exchange"
THREADS = 32
ANSWERS_MAX = 26  # sessions that are answered at a time; the other threads are for unary calls
SERVER_OPTIONS = [
    ("grpc.so_reuseport", 0),  # otherwise two replicas can listen on one port, and neither says so
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
]
BUSY = Refuse(PeerRefusalCode.BUSY, "This replica is busy with another session. Try again in a moment.")
CUT = Refuse(PeerRefusalCode.LINK_CUT, "The link between the two replicas is cut. Heal the link first.")

Reply = TypeVar("Reply", bound=Message)
MakeSession = Callable[[bool], Session]  # is it the initiator's? -> a new session
OnHello = Callable[[Hello], None]


@dataclass(frozen=True, slots=True)
class SessionParts:
    """The parts that all sessions of this replica use. `make_session` makes a new session. `on_hello` is called with
    the Hello frame of each peer."""

    registry: SessionRegistry
    make_session: MakeSession
    on_hello: OnHello
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class UnaryCall:
    """A unary call that this replica answers: the type of its request, and the function that answers it."""

    request: type[Message]
    answer: Callable[[Any], Message]


class PeerServer:
    """Answers the sessions that peers start. `is_cut(label)` returns whether the link to a peer is cut; `on_report` is
    called after each session."""

    def __init__(
        self, address: Address, parts: SessionParts, is_cut: Callable[[str], bool], on_report: Callable[[Report], None]
    ) -> None:
        self._address = address
        self._parts = parts
        self._is_cut = is_cut
        self._on_report = on_report
        self._answers = threading.BoundedSemaphore(ANSWERS_MAX)
        self._server: grpc.Server | None = None

    def start(self, unary_calls: Mapping[str, UnaryCall]) -> None:
        """Listen for calls. `unary_calls` maps names to the unary calls that peers may make. Raises Away if the address
        cannot be used."""
        self._server = grpc.server(
            ThreadPoolExecutor(THREADS, thread_name_prefix="anti-entropy"),
            options=SERVER_OPTIONS,
            maximum_concurrent_rpcs=THREADS,  # otherwise gRPC queues calls without a word when all threads are busy
        )
        handlers = {
            "Exchange": grpc.stream_stream_rpc_method_handler(
                self._exchange,
                request_deserializer=_reader(wire.Frame),
                response_serializer=wire.Frame.SerializeToString,
            )
        } | {name: _unary_handler(call) for name, call in unary_calls.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            if self._parts.credentials is None:
                self._server.add_insecure_port(str(self._address))
            else:
                self._server.add_secure_port(str(self._address), self._parts.credentials.server())
        except RuntimeError:
            raise Away(
                "address_taken",
                f"Cannot listen on {self._address}: another program uses it, or it is not an address of this machine."
                " Stop that program, or change anti_entropy in the configuration.",
            ) from None
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(grace=None).wait()

    def _exchange(self, messages: Iterator[wire.Frame], context: grpc.ServicerContext) -> Iterator[wire.Frame]:
        timeout = SessionTimeout(context.cancel)
        try:
            yield from map(encode, self._answer(messages, context, timeout))
        finally:
            timeout.end()

    def _answer(
        self, messages: Iterator[wire.Frame], context: grpc.ServicerContext, timeout: SessionTimeout
    ) -> Iterator[Frame]:
        try:
            hello = decode(next(messages))
        except (StopIteration, ProtocolError):
            return
        if not isinstance(hello, Hello):
            yield Refuse(PeerRefusalCode.PROTOCOL, "The first frame of a session must be Hello.")
            return
        if problem := problem_of(hello):
            yield Refuse(PeerRefusalCode.PROTOCOL, str(malformed(hello, problem)))
            return
        certified = _certified_label(context)
        if certified is not None and not _is_of(hello, certified):
            yield _certificate_differs(hello, f"the certificate is for {certified}")
        elif self._is_cut(hello.label):
            yield CUT
        elif not self._answers.acquire(blocking=False):
            yield BUSY
        else:
            try:
                yield from self._answer_peer(hello, messages, context, timeout)
            finally:
                self._answers.release()

    def _answer_peer(
        self, hello: Hello, messages: Iterator[wire.Frame], context: grpc.ServicerContext, timeout: SessionTimeout
    ) -> Iterator[Frame]:
        if not self._parts.registry.begin_answer(hello.label, context.cancel):
            yield BUSY
            return
        self._parts.on_hello(hello)
        session = self._parts.make_session(False)
        try:
            yield from _respond(session, hello, messages, timeout)
        finally:
            self._parts.registry.end_answer(hello.label)
            self._on_report(session.report)


def _certified_label(context: grpc.ServicerContext) -> str | None:
    """Return the label in the certificate of the caller; None without TLS."""
    names: Any = context.auth_context().get("x509_common_name")  # a list, whatever its annotation says
    return names[0].decode(errors="replace") if names else None


def _is_of(hello: Hello, label: str) -> bool:
    """Return whether a hello names this label, and an id that may belong to the label: the id of a created server has
    no label."""
    return hello.label == label and label_in(hello.server) in {label, None}


def _certificate_differs(hello: Hello, expected: str) -> Refuse:
    return Refuse(
        PeerRefusalCode.CERTIFICATE_DIFFERS,
        f"The hello of the peer says {hello.label}, with the id {hello.server}, but {expected}. Check the addresses in"
        " the configuration, and that each replica has its own certificate.",
    )


def _unary_handler(call: UnaryCall) -> Any:
    def answer(message: Any, context: grpc.ServicerContext) -> Message:
        certified = _certified_label(context)
        if certified not in {None, message.label}:
            context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"the request names {message.label or 'nobody'}, but the certificate is for {certified}",
            )
        return call.answer(message)

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=_reader(call.request),
        response_serializer=_serialized,
    )


def _reader(kind: type[Any]) -> Callable[[bytes], Any]:
    """Return a function that decodes messages of type `kind`. The function decodes malformed bytes as an empty message.
    The code that checks the message refuses an empty one."""

    def read(data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError:
            return kind()

    return read


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


def _respond(
    session: Session, hello: Hello, messages: Iterator[wire.Frame], timeout: SessionTimeout
) -> Iterator[Frame]:
    """Run the responder's end of a session, beginning with the initiator's hello. Yields the frames to send."""
    try:
        # Judged before the first frame goes out: an initiator that refuses our hello ends the stream at once.
        yield from [*session.start(), *session.receive(hello)]
        incoming = _examined(session, messages, timeout)
        while not session.finished:
            examined = next(incoming, None)
            if examined is None:
                return
            yield from session.take(examined)
    except ProtocolError as error:
        yield from session.refuse(PeerRefusalCode.PROTOCOL, str(error))
    except RedisError:
        yield from session.refuse(
            PeerRefusalCode.STORAGE_AWAY, "This replica cannot reach its storage. Try again later."
        )


def _examined(session: Session, messages: Iterator[wire.Frame], timeout: SessionTimeout) -> Iterator[Examined]:
    """Examine the incoming frames and yield them. A thread examines up to WINDOW frames in advance while the session
    stores earlier frames. So a frame that takes long to examine does not delay the storing of the frames before it."""
    frames = (session.examine(decode(message)) for message in messages)
    ahead = ThreadPoolExecutor(1, thread_name_prefix="examine")
    try:
        pending = deque(ahead.submit(next, frames, None) for _ in range(WINDOW))
        while (examined := pending.popleft().result()) is not None:
            timeout.note_frame()
            pending.append(ahead.submit(next, frames, None))
            yield examined
    finally:
        ahead.shutdown(wait=False, cancel_futures=True)  # it may wait for the peer until the stream ends


class PeerClient:
    """Starts sessions with one peer, one at a time."""

    def __init__(self, peer: str, address: Address, parts: SessionParts) -> None:
        self._peer = peer
        self._address = address
        self._parts = parts
        self._changing = threading.Lock()
        self._channel: grpc.Channel | None = channel_to(address, parts.credentials)

    def close(self) -> None:
        with self._changing:
            if self._channel is not None:
                self._channel.close()
            self._channel = None

    def call(self) -> Report:
        """Run one session to its end and return its report. If the session fails, the report has an error with a code
        such as `unreachable` or `busy`."""
        outgoing: queue.SimpleQueue[wire.Frame | None] = queue.SimpleQueue()
        with self._changing:
            if self._channel is None:  # closed: the peer has left
                return Report(
                    peer=self._peer, error=Refuse(PeerRefusalCode.UNREACHABLE, "the peer has left the cluster")
                )
            stream = _exchange(self._channel, outgoing)
            has_begun = self._parts.registry.begin_call(self._peer, stream.cancel)
        if not has_begun:
            outgoing.put(None)
            stream.cancel()
            return Report(peer=self._peer, error=BUSY)
        session = self._parts.make_session(True)
        timeout = SessionTimeout(stream.cancel)
        try:
            self._initiate(session, stream, outgoing, timeout)
        finally:
            timeout.end()
            outgoing.put(None)  # ends the thread that sends
            stream.cancel()
            if session.report.code == PeerRefusalCode.UNREACHABLE:
                self._replace_channel()
            self._parts.registry.end_call(self._peer)
        session.report.peer = self._peer
        return session.report

    def _is_another(self, hello: Hello) -> bool:
        """Return whether, under TLS, another replica answers than the one that was called. Its certificate is valid for
        the address, which belongs to one label. A server that joins calls an address, since it knows no label yet."""
        has_label = self._parts.credentials is not None and ":" not in self._peer
        return has_label and not _is_of(hello, self._peer)

    def _replace_channel(self) -> None:
        """Replace a channel that failed to connect. After a failure, gRPC refuses all calls of the old channel for some
        time, but the scheduler must be able to call at any time. The registry still has the failed call, so no other
        call uses the old channel while this method closes it."""
        with self._changing:
            if self._channel is not None:
                self._channel.close()
                self._channel = channel_to(self._address, self._parts.credentials)

    def _initiate(
        self, session: Session, stream: Any, outgoing: queue.SimpleQueue[wire.Frame | None], timeout: SessionTimeout
    ) -> None:
        """Run the initiator's end of a session."""
        try:
            for frame in session.start():
                outgoing.put(encode(frame))
            for examined in _examined(session, stream, timeout):
                frame = examined.frame
                if isinstance(frame, Hello) and self._is_another(frame):
                    differs = _certificate_differs(frame, f"this is the address of {self._peer}")
                    (refusal,) = session.refuse(differs.code, differs.message)
                    outgoing.put(encode(refusal))
                    return
                answers = session.take(examined)
                if isinstance(frame, Hello):
                    self._parts.on_hello(frame)
                for answer in answers:
                    outgoing.put(encode(answer))
                if session.finished:
                    return
            session.refuse(PeerRefusalCode.BROKEN_OFF, "The peer ended the session early.")
        except grpc.RpcError as error:
            session.refuse(PeerRefusalCode.UNREACHABLE, reason_of(error, SESSION_S_MAX))
        except ProtocolError as error:
            session.refuse(PeerRefusalCode.PROTOCOL, str(error))
        except RedisError:
            session.refuse(PeerRefusalCode.STORAGE_AWAY, "This replica cannot reach its storage.")


def call_unary(
    address: Address,
    name: str,
    message: Message,
    reply: type[Reply],
    timeout_s: float,
    credentials: Credentials | None = None,
) -> Reply:
    """Make one unary call, and return the reply. Raises Away `peer_unreachable` if no reply came; even then, the peer
    may have done what the call asked for."""
    with channel_to(address, credentials) as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/{name}", request_serializer=_serialized, response_deserializer=reply.FromString
        )
        try:
            answer: Reply = call(message, timeout=timeout_s)
        except grpc.RpcError as error:
            reason = reason_of(error, timeout_s)
            raise Away("peer_unreachable", f"The request to {address} failed: {reason}.") from None
    return answer


def _exchange(channel: grpc.Channel, outgoing: queue.SimpleQueue[wire.Frame | None]) -> Any:
    call = channel.stream_stream(
        METHOD, request_serializer=wire.Frame.SerializeToString, response_deserializer=_reader(wire.Frame)
    )
    return call(iter(outgoing.get, None), timeout=SESSION_S_MAX)
