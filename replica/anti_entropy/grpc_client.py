"""Calls peers with gRPC: one bidirectional stream for each session, and the unary calls of membership."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from bayou.anti_entropy import Report
from bayou.errors import Away, PeerRefusalCode
from bayou.frames import Hello, Refuse
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.conversation import Conversation, Listener
from replica.anti_entropy.grpc_channel import SERVICE, channel_to, reason_of, stream_channel_to
from replica.anti_entropy.grpc_server import BUSY, certificate_differs, is_of, reader
from replica.anti_entropy.session_parts import SessionParts
from replica.anti_entropy.tls import Credentials
from replica.config import Address

METHOD = f"/{SERVICE}/Exchange"

Reply = TypeVar("Reply", bound=Message)


class PeerClient:
    """Starts sessions with one peer, one at a time. Call the methods only in the event loop. While a session stays
    open, `progress` is called again and again, with a report of what has happened since the previous call."""

    def __init__(self, peer: str, address: Address, parts: SessionParts, progress: Callable[[Report], object]) -> None:
        self._peer = peer
        self._address = address
        self._parts = parts
        self._progress = progress
        self._channel: grpc.aio.Channel | None = None
        self._is_closed = False

    async def close(self) -> None:
        self._is_closed = True
        await self._close_channel()

    async def call(self, *, stands: bool = False, requested: bool = False) -> Report:
        """Run one session until it ends, and return the report of the session. If the session fails, the report has an
        error with a code such as `unreachable` or `busy`. `stands` is true if the session should stay open.
        `requested` is true if a person asked for the session."""
        if self._is_closed:
            gone = Refuse(PeerRefusalCode.UNREACHABLE, "the peer has left the cluster")
            return Report(peer=self._peer, error=gone)
        session = await self._parts.loop.in_worker(partial(self._parts.make_session, initiator=True, stands=stands))
        session.is_requested = requested
        if self._channel is None:
            self._channel = stream_channel_to(self._address, self._parts.credentials)
        stream = self._channel.stream_stream(
            METHOD, request_serializer=wire.Frame.SerializeToString, response_deserializer=reader(wire.Frame)
        )()
        listener = Listener(self._judge, self._opened, self._progress)
        frames = self._parts.frames.session(self._peer)
        conversation = Conversation(self._parts.loop, session, stream.write, listener, self._parts.pause_s, frames)
        if not self._parts.registry.begin_call(self._peer, conversation):
            stream.cancel()
            return Report(peer=self._peer, error=BUSY)
        try:
            report = await conversation.run(stream.__aiter__())
        finally:
            stream.cancel()
            self._parts.registry.end_call(self._peer, conversation)
        if report.code == PeerRefusalCode.UNREACHABLE:
            await self._close_channel()
        report.peer = self._peer
        return report

    def _judge(self, hello: Hello) -> Refuse | None:
        """With TLS, refuse the session if the label in the hello is not the label of the peer that was called. This
        check is necessary, because gRPC checks only that the peer's certificate is valid for the address. A server that
        joins the cluster knows only an address, so it accepts any label."""
        has_label = self._parts.credentials is not None and ":" not in self._peer
        if has_label and not is_of(hello, self._peer):
            return certificate_differs(hello, f"this is the address of {self._peer}")
        return None

    def _opened(self, hello: Hello) -> None:
        self._parts.on_hello(hello)
        self._parts.registry.note_change()

    async def _close_channel(self) -> None:
        """Close the channel. After a failed call, gRPC refuses further calls through the same channel for some time. A
        call through a new channel is possible at once."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


def call_unary(
    address: Address,
    name: str,
    message: Message,
    reply: type[Reply],
    timeout_s: float,
    credentials: Credentials | None = None,
) -> Reply:
    """Make one unary call, and return the reply. Raises Away `peer_unreachable` if no reply came. The peer may have
    carried out the call, although no reply came."""
    with channel_to(address, credentials) as channel:
        call: Any = channel.unary_unary(
            f"/{SERVICE}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=reply.FromString,
        )
        try:
            answer: Reply = call(message, timeout=timeout_s)
        except grpc.RpcError as error:
            reason = reason_of(error, timeout_s)
            raise Away("peer_unreachable", f"The request to {address} failed: {reason}.") from None
    return answer
