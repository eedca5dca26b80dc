"""Free addresses of this machine, for a server that joins and for temporary clusters."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator

PORTS = range(20_000, 32_768)  # below the ports that Linux and macOS use for outgoing connections


def free_addresses(count: int) -> Iterator[str]:
    """Find addresses on 127.0.0.1 that are free now. Each port is held until all are found, so they differ.

    Raises OSError if there are not so many.
    """
    with contextlib.ExitStack() as held:
        found = []
        for port in random.sample(PORTS, len(PORTS)):
            listener = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                found.append(f"127.0.0.1:{port}")
            if len(found) == count:
                return iter(found)
    raise OSError("no port is free on 127.0.0.1")
