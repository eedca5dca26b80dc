"""A client that keeps several connections busy. Each connection sends its next request as soon as it has an answer.

The client uses one thread and plain sockets, so it takes little processor time from the server that is measured.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Iterator
from typing import Any

from replica.config import Address

CONNECTIONS = 16
TIMEOUT_S = 60.0


def post(path: str, body: Any, user: str = "vish") -> bytes:
    """Return the bytes of a POST request with a JSON body."""
    return _with_json("POST", path, body, user)


def put(path: str, body: Any) -> bytes:
    return _with_json("PUT", path, body, "vish")


def _with_json(method: str, path: str, body: Any, user: str) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nBayou-User: {user}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


class Connection:
    """One kept-alive connection with at most one request in flight."""

    def __init__(self, address: Address, timeout_s: float = TIMEOUT_S) -> None:
        self.socket = socket.create_connection((address.host, address.port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = b""

    def send(self, request: bytes) -> None:
        self._answer = b""
        self.socket.sendall(request)

    def arrived(self) -> bool:
        """Read the bytes that have arrived. Return True if the answer is complete; raise AssertionError if its status
        is an error."""
        self._answer += self.socket.recv(1 << 18)
        head, blank, body = self._answer.partition(b"\r\n\r\n")
        if not blank:
            assert self._answer, "the server closed the connection"
            return False
        assert head[9:10] == b"2", self._answer.decode()
        length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
        return len(body) >= int(length)

    def ask(self, request: bytes) -> Any:
        """Send one request, wait for the answer, and return its JSON."""
        self.send(request)
        while not self.arrived():
            pass
        return json.loads(self._answer.partition(b"\r\n\r\n")[2])

    def close(self) -> None:
        self.socket.close()


def rate(address: Address, requests: Iterator[bytes], seconds: float) -> float:
    """Send requests for about `seconds`. Return the number of answers per second."""
    connections = [Connection(address) for _ in range(CONNECTIONS)]
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(next(requests))
        began, answered, waiting = time.perf_counter(), 0, len(connections)
        ended = 0.0
        while waiting:
            for key, _ in selector.select(TIMEOUT_S):
                if not key.data.arrived():
                    continue
                if not ended:
                    answered += 1
                    if time.perf_counter() - began >= seconds:
                        ended = time.perf_counter()
                if ended:
                    waiting -= 1  # requests in flight are answered, so that the next round starts from none
                else:
                    key.data.send(next(requests))
    for connection in connections:
        connection.close()
    return answered / (ended - began)
