"""Answers the gRPC calls of peers: one bidirectional stream for each session, and the unary calls of membership."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from bayou.anti_entropy import ProtocolError, Report, malformed
from bayou.errors import Away, PeerRefusalCode
from bayou.frame_validation import problem_of
from bayou.frames import Hello, Refuse
from bayou.names import label_in
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.conversation import Conversation, Listener
from replica.anti_entropy.grpc_channel import KEEP_ALIVE, MESSAGE_BYTES_MAX, SERVICE
from replica.anti_entropy.protobuf_codec import decode, encode
from replica.anti_entropy.session_parts import SessionParts
from replica.config import Address

UNARY_THREADS = 6
ANSWERS_MAX = 200  # sessions that are answered at a time
CALLS_MAX = ANSWERS_MAX + 2 * UNARY_THREADS
HELLO_S_MAX = 20.0  # how long a caller may take to say hello
SERVER_OPTIONS = [
    *KEEP_ALIVE,
    ("grpc.so_reuseport", 0),  # otherwise two replicas can listen on one port without an error
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.http2.min_ping_interval_without_data_ms", 1000),  # let peers ask whether this replica is there
    ("grpc.http2.max_ping_strikes", 0),
]
BUSY = Refuse(PeerRefusalCode.BUSY, "This replica is busy with another session. Try again in a moment.")
PAUSED = Refuse(
    PeerRefusalCode.PAUSED,
    "This replica has manual pace: it runs a session only when a person asks for a session."
    " To ask for a session, run `sync`.",
)
CUT = Refuse(PeerRefusalCode.LINK_CUT, "The link between the two replicas is cut. Heal the link first.")

Messages = AsyncIterator[wire.Frame]


@dataclass(frozen=True, slots=True)
class UnaryCall:
    """A unary call that this replica answers: the type of its request, and the function that answers it."""

    request: type[Message]
    answer: Callable[[Any], Message]


@dataclass(frozen=True, slots=True)
class Answering:
    """Functions that the server calls.

    is_peer    returns whether the caller is a peer of this cluster; only a session with a peer may stay open
    is_cut     returns whether the link to the peer with this label is cut
    is_paused  returns whether the server answers only sessions that a person asked for
    progress   is called again and again while a session stays open, with the caller's label and a report of what has
               happened since the previous call
    report     is called with the report of each session that has ended
    """

    is_peer: Callable[[Hello], bool]
    is_cut: Callable[[str], bool]
    is_paused: Callable[[], bool]
    progress: Callable[[str, Report], object]
    report: Callable[[Report], object]


class PeerServer:
    """Answers the calls of peers at one address."""

    def __init__(self, address: Address, parts: SessionParts, answering: Answering) -> None:
        self._address = address
        self._parts = parts
        self._answering = answering
        self._count = 0
        self._server: grpc.aio.Server | None = None

    def start(self, unary_calls: Mapping[str, UnaryCall]) -> None:
        """Listen for calls. `unary_calls` maps names to the unary calls that peers may make. Raises Away if the address
        cannot be used."""
        self._parts.loop.wait(self._start(unary_calls))

    async def stop(self) -> None:
        """Stop listening, and end the sessions that still run. Call this method in the event loop."""
        if self._server is not None:
            await self._server.stop(grace=None)

    async def _start(self, unary_calls: Mapping[str, UnaryCall]) -> None:
        self._server = grpc.aio.server(
            ThreadPoolExecutor(UNARY_THREADS, thread_name_prefix="membership"),
            options=SERVER_OPTIONS,
            maximum_concurrent_rpcs=CALLS_MAX,
        )
        handlers = {
            "Exchange": grpc.stream_stream_rpc_method_handler(
                self._exchange,
                request_deserializer=reader(wire.Frame),
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
                f"Cannot listen on {self._address}: another program uses this address, or it is not an address of this"
                " machine. Stop the other program, or change `anti_entropy` in the configuration.",
            ) from None
        await self._server.start()

    async def _exchange(self, messages: Messages, context: Any) -> None:
        hello = await _first(messages)
        if hello is None:
            return
        refusal = self._judge(hello, _certified_label(context)) if isinstance(hello, Hello) else hello
        if refusal is not None:
            await context.write(encode(refusal))
            return
        assert isinstance(hello, Hello)
        self._count += 1
        try:
            await self._answer(hello, messages, context)
        finally:
            self._count -= 1

    def _judge(self, hello: Hello, certified: str | None) -> Refuse | None:
        if certified is not None and not is_of(hello, certified):
            return certificate_differs(hello, f"the certificate is for {certified}")
        if self._answering.is_cut(hello.label):
            return CUT
        if self._answering.is_paused() and not hello.requested:
            return PAUSED
        return BUSY if self._count >= ANSWERS_MAX else None

    async def _answer(self, hello: Hello, messages: Messages, context: Any) -> None:
        parts, label = self._parts, hello.label
        listener = Listener(
            judge=lambda _hello: None,
            opened=lambda _hello: parts.registry.note_change(),
            progress=partial(self._answering.progress, label),
        )
        stands = self._answering.is_peer(hello)
        session = await parts.loop.in_worker(partial(parts.make_session, initiator=False, stands=stands))
        session.is_requested = hello.requested
        conversation = Conversation(
            parts.loop, session, context.write, listener, parts.pause_s, parts.frames.session(label)
        )
        if not parts.registry.begin_answer(label, conversation, replaces=stands):
            await context.write(encode(BUSY))
            return
        parts.on_hello(hello)
        answer = asyncio.create_task(self._converse(conversation, hello, messages))
        try:
            await asyncio.shield(answer)
        except asyncio.CancelledError:  # the caller has ended the call, or this replica stops
            conversation.break_off(PeerRefusalCode.BROKEN_OFF, "The peer ended the session early.")
            await answer
            raise

    async def _converse(self, conversation: Conversation, hello: Hello, messages: Messages) -> None:
        try:
            report = await conversation.run(messages, hello)
        finally:
            self._parts.registry.end_answer(hello.label, conversation)
        await self._parts.loop.in_worker(partial(self._answering.report, report))


async def _first(messages: Messages) -> Hello | Refuse | None:
    """Return the hello of the caller. Return a refusal if the first frame is not a valid hello. Return None if no frame
    comes within HELLO_S_MAX seconds, or if this release does not know the kind of the frame."""
    try:
        message = await asyncio.wait_for(anext(messages), HELLO_S_MAX)
        hello = decode(message)
    except (StopAsyncIteration, TimeoutError, ProtocolError):
        return None
    if not isinstance(hello, Hello):
        return Refuse(
            PeerRefusalCode.PROTOCOL,
            "The first frame of the session is not Hello. Check that both replicas run the same release.",
        )
    if problem := problem_of(hello):
        return Refuse(PeerRefusalCode.PROTOCOL, str(malformed(hello, problem)))
    return hello


def is_of(hello: Hello, label: str) -> bool:
    """Return whether a hello may come from the replica `label`. The hello must have this label, and its server id must
    not contain another label. The id of a created server contains no label."""
    return hello.label == label and label_in(hello.server) in {label, None}


def certificate_differs(hello: Hello, expected: str) -> Refuse:
    return Refuse(
        PeerRefusalCode.CERTIFICATE_DIFFERS,
        f"The peer's hello has the label {hello.label} and the id {hello.server}, but {expected}. Check the addresses"
        " in the configuration, and check that each replica has its own certificate.",
    )


def reader(kind: type[Any]) -> Callable[[bytes], Any]:
    """Return a function that decodes messages of type `kind`. The function decodes malformed bytes as an empty message.
    The code that checks the message refuses an empty message."""

    def read(data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError:
            return kind()

    return read


def _certified_label(context: Any) -> str | None:
    """Return the label in the certificate of the caller; None without TLS."""
    names = context.auth_context().get("x509_common_name")
    return names[0].decode(errors="replace") if names else None


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
        request_deserializer=reader(call.request),
        response_serializer=lambda message: message.SerializeToString(),
    )
