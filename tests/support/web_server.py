"""The real web server of a replica, on a free port of this machine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from replica.config import Address
from replica.http.server import WebServer


@contextmanager
def served(app: Callable[..., Any], proxies: Collection[str] = ()) -> Iterator[Address]:
    """Serve a WSGI application, and yield the address of the web server. `proxies` are the addresses of reverse
    proxies."""
    server = WebServer(app, Address("127.0.0.1", 0), proxies)
    server.start()
    try:
        yield server.address
    finally:
        server.stop()
