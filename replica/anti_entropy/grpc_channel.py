"""Makes gRPC channels to peers, and explains to people why a call failed."""

from __future__ import annotations

import grpc
import grpc.aio

from replica.anti_entropy.tls import Credentials
from replica.config import Address

SERVICE = "bayou.AntiEntropy"
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
CHANNEL_OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # otherwise a new channel waits out the back-off of an earlier one
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.min_reconnect_backoff_ms", 5000),  # the time for one attempt to connect: a busy peer needs it
]

KEEP_ALIVE = [  # each side notices within 8 s that the peer's machine is gone, and within 12 s that its process hangs
    ("grpc.keepalive_time_ms", 4000),  # between two pings
    ("grpc.keepalive_timeout_ms", 4000),  # for the kernel of the peer to acknowledge a ping
    ("grpc.http2.ping_timeout_ms", 8000),  # for its process to answer the ping; by default a minute
    ("grpc.http2.max_pings_without_data", 0),
]

_TLS_SIGNS = (  # a part of what gRPC says about a connection -> what it means to an operator
    ("Hostname Verification", "its TLS certificate is not valid for this address"),
    ("handshake failed", "the TLS handshake failed: check the setting `tls` and the certificates of both replicas"),
    (
        "Socket closed",
        "it closed the connection at once; a replica with the setting `tls` does so if the caller has no certificate",
    ),
)


def stream_channel_to(address: Address, credentials: Credentials | None) -> grpc.aio.Channel:
    """Return a channel for sessions. Call this function in the event loop."""
    options = [*CHANNEL_OPTIONS, *KEEP_ALIVE]
    if credentials is None:
        return grpc.aio.insecure_channel(str(address), options=options)
    return grpc.aio.secure_channel(str(address), credentials.channel(), options=options)


def channel_to(address: Address, credentials: Credentials | None) -> grpc.Channel:
    if credentials is None:
        return grpc.insecure_channel(str(address), options=CHANNEL_OPTIONS)
    return grpc.secure_channel(str(address), credentials.channel(), options=CHANNEL_OPTIONS)


def reason_of(error: grpc.RpcError, timeout_s: float) -> str:
    """Return the reason why a call failed, as a phrase for people. `timeout_s` is the time limit of the call."""
    code, details = None, ""
    if isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        code, details = error.code(), error.details() or ""
    if code == grpc.StatusCode.UNAVAILABLE:
        return next((meaning for sign, meaning in _TLS_SIGNS if sign in details), "nobody answers at its address")
    if code == grpc.StatusCode.PERMISSION_DENIED and details:
        return details
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"it took longer than {timeout_s:.0f} s"
    if code == grpc.StatusCode.CANCELLED:
        return "it was cancelled"
    return str(code.name.lower()) if code else "the call failed"
