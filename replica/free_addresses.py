"""Makes sockets that listen on addresses of this machine, and finds free addresses for a server that joins or for a
temporary cluster."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
import threading
from collections import deque
from collections.abc import Iterator

from bayou.errors import Conflict
from replica.config import Address

BACKLOG = 1024  # connections that wait until they are accepted
PORTS = range(20_000, 32_768)  # below the ports that Linux and macOS use for outgoing connections
BLOCK = 128  # ports; the process that holds the first one hands out the others
BLOCKS = PORTS[:-BLOCK:BLOCK]

_lock = threading.Lock()
_guards: list[socket.socket] = []  # the first ports of the blocks of this process
_ports: deque[int] = deque()  # of these blocks, those that were handed out last at the end


def listen(address: Address) -> socket.socket:
    """Return a socket that listens on the address. Raises Conflict `address_unusable` if that fails."""
    with contextlib.ExitStack() as undo:
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, _, protocol, _, target = found[0]
            # asyncio sets TCP_NODELAY only where the protocol is named.
            listener = undo.enter_context(socket.socket(family, socket.SOCK_STREAM, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(target)
            listener.listen(BACKLOG)  # with SO_REUSEADDR two may bind; only one may listen
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                advice = "Stop the program that uses this address"
            else:
                advice = "Check that it is an address of this machine and that this user can listen on the port"
            raise Conflict(
                "address_unusable",
                f"Cannot listen on {address}: {error.strerror}. {advice}, or give this replica another address.",
            ) from None
        undo.pop_all()
    return listener


def free_addresses(count: int) -> Iterator[str]:
    """Return addresses on 127.0.0.1 that are free now. A process gets an address again only after it has got all other
    free addresses of its blocks. No other process gets these addresses while this process runs.

    Raises OSError if fewer than `count` addresses are free.
    """
    with _lock, contextlib.ExitStack() as held:
        found, tried = list[str](), 0
        while len(found) < count:
            if tried == len(_ports):
                _claim_block()
            listener = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", _ports[0]))
                found.append(f"127.0.0.1:{_ports[0]}")
            _ports.rotate(-1)
            tried += 1
        return iter(found)


def _claim_block() -> None:
    """Claim another block of ports for this process. Raises OSError if none is left."""
    for first in random.sample(BLOCKS, len(BLOCKS)):
        guard = socket.socket()
        try:
            guard.bind(("127.0.0.1", first))
        except OSError:
            guard.close()
            continue
        _guards.append(guard)
        _ports.extendleft(range(first + 1, first + BLOCK))
        return
    raise OSError(f"too few ports from {PORTS.start} to {PORTS.stop - 1} are free on 127.0.0.1")
