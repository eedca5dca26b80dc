"""Clients that are slow, silent or greedy. Such clients delay no other clients, and use little memory of the replica.

The tests use raw sockets. Tests that need a second client address use 127.0.0.2, which Linux allows.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from cluster.processes import Processes
from replica.config import Address, parse
from replica.http import connections, wsgi
from replica.http.server import THREADS
from tests.support.live import live
from tests.support.replica_harness import Harness, serving
from tests.support.waiting import wait_until
from tests.support.web_server import served

BOUND_S = 30
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
STRANGER = "127.0.0.2"
MIB = 1024 * 1024
TOKENS = "cluster: c\nprimary: one\nauth: tokens\nreplicas: {one: {rest: 127.0.0.1:8001, anti_entropy: 127.0.0.1:9001}}"


def opened(address: Address, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((address.host, address.port), BOUND_S, (source, 0))


def received(connection: socket.socket) -> bytes:
    """Return what the server sends until it closes the connection."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(1 << 16):
            found += chunk
    return found


def status(address: Address, request: bytes = GET, source: str = "127.0.0.1") -> bytes:
    with opened(address, source) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
            return connection.recv(1 << 12)[9:12]
        return b""


def empty(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("204 No Content", [])
    return []


def test_one_address_cannot_take_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ADDRESS_CONNECTIONS_MAX", 5)
    with served(empty) as address, contextlib.ExitStack() as clients:
        for _ in range(5):
            clients.enter_context(opened(address, STRANGER))
        wait_until(lambda: status(address, source=STRANGER) == b"429")
        assert status(address) == b"204"
        clients.close()
        wait_until(lambda: status(address, source=STRANGER) == b"204")


def test_one_address_cannot_take_all_threads() -> None:
    begun, may_end = threading.Semaphore(0), threading.Event()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ["REMOTE_ADDR"] == STRANGER:
            begun.release()
            may_end.wait(BOUND_S)
        return empty(environ, start_response)

    with served(app) as address, contextlib.ExitStack() as clients:
        try:
            for _ in range(2 * THREADS):
                clients.enter_context(opened(address, STRANGER)).sendall(GET)
            for _ in range(wsgi.CLIENT_THREADS_MAX):
                assert begun.acquire(timeout=BOUND_S)
            assert status(address) == b"204"
            assert not begun.acquire(blocking=False)
        finally:
            may_end.set()


def test_what_a_client_sends_ahead_is_bounded() -> None:
    may_end = threading.Event()

    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        may_end.wait(BOUND_S)
        return empty(_environ, start_response)

    head = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"x" * 100_000)
    with served(app) as address:
        try:
            with opened(address) as connection, contextlib.suppress(ConnectionError):
                connection.sendall(GET + 30 * head)
                assert connection.recv(1) == b""
        finally:
            may_end.set()


def test_a_head_of_many_long_headers_is_cut_off() -> None:
    header = b"X-Long: %s\r\n" % (b"x" * 10_000)
    with served(empty) as address, opened(address) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(GET[:-2] + 100 * header + b"\r\n")
        assert received(connection)[:12] in {b"", b"HTTP/1.0 400"}


def test_answers_that_are_not_read_take_a_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some clients do not read their answers. If these answers use too much memory, the server closes the connection of
    the oldest answer. A client that reads gets its whole answer."""
    monkeypatch.setattr(wsgi, "ANSWERS_BYTES_MAX", 64 * MIB)
    body = bytes(16 * MIB)  # more than the kernel keeps for a connection

    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    with served(app) as address, contextlib.ExitStack() as clients:
        silent = [clients.enter_context(opened(address, STRANGER)) for _ in range(12)]
        for connection in silent:
            connection.sendall(10 * GET)
        answer = requests.get(f"http://{address}/", timeout=BOUND_S)
        assert len(answer.content) == len(body)
        cut = [connection for connection in silent if len(received_within(connection)) < len(body)]
        assert len(cut) >= 12 - 4


def received_within(connection: socket.socket) -> bytes:
    """Read until the server closes the connection, or until 16 MiB (the size of one answer) are read. Return the
    bytes."""
    found, connection_closed = b"", False
    with contextlib.suppress(ConnectionResetError):
        while len(found) < 16 * MIB and not connection_closed:
            chunk = connection.recv(1 << 20)
            found, connection_closed = found + chunk, not chunk
    return found


def test_a_body_that_trickles_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "PIECE_S", 0.3)
    with served(empty) as address, opened(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n")
        connection.settimeout(0.02)
        answer, ends = b"", time.monotonic() + BOUND_S
        while not answer and time.monotonic() < ends:
            connection.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                answer = connection.recv(1 << 12)
    assert answer.startswith(b"HTTP/1.1 408 ")


# Bodies, at the endpoints of a replica


@pytest.mark.parametrize(
    ("path", "size"), [("/replica/import", 200 * MIB), ("/notes", MIB), ("/notes", 100_000), ("/nothing", MIB)]
)
def test_a_stranger_is_refused_before_the_body_is_read(path: str, size: int) -> None:
    with serving(Harness(parse(TOKENS, Path("config.yaml")))) as address:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode()
        assert status(address, head) == b"401"


@pytest.mark.parametrize(
    ("path", "size", "code"), [("/notes", MIB + 1, b"413"), ("/replica/import", 257 * MIB, b"413")]
)
def test_a_body_that_is_declared_too_long_is_refused_before_it_is_read(path: str, size: int, code: bytes) -> None:
    with serving(Harness()) as address:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nBayou-User: vish\r\nContent-Length: {size}\r\n\r\n".encode()
        assert status(address, head) == code


def test_only_a_few_large_bodies_are_received_at_a_time() -> None:
    head = f"POST /replica/import HTTP/1.1\r\nHost: localhost\r\nContent-Length: {200 * MIB}\r\n\r\n".encode()
    with serving(Harness()) as address, contextlib.ExitStack() as clients:

        def is_refused() -> bool:
            connection = clients.enter_context(opened(address))
            connection.sendall(head)
            connection.settimeout(1)
            with contextlib.suppress(TimeoutError):
                return connection.recv(1 << 12)[9:12] == b"503"
            return False

        assert [is_refused() for _ in range(wsgi.LARGE_BODIES_MAX + 1)] == [False] * wsgi.LARGE_BODIES_MAX + [True]


# A whole replica


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with live(tmp_path_factory.mktemp("slow"), ("one",)) as processes:
        yield processes


def slowest_of_100(address: Address) -> float:
    """Return the second longest of 100 response times, in seconds."""
    times = []
    with requests.Session() as session:
        for _ in range(100):
            began = time.monotonic()
            assert session.get(f"http://{address}/replica", timeout=BOUND_S).ok
            times.append(time.monotonic() - began)
    return sorted(times)[-2]


@pytest.mark.process
@pytest.mark.parametrize("sends", ["nothing", "a part of a head", "requests that it never reads"])
def test_500_slow_clients_hold_up_nobody(one: Processes, sends: str) -> None:
    address = one.settings.replica("one").rest
    before_s = slowest_of_100(address)
    with contextlib.ExitStack() as clients:
        for number in range(30 if "never reads" in sends else 510):
            connection = clients.enter_context(opened(address, f"127.0.0.{2 + number % 2}"))
            with contextlib.suppress(ConnectionError):
                if sends == "a part of a head":
                    connection.sendall(GET[:-4])
                elif sends == "requests that it never reads":
                    connection.setblocking(False)
                    connection.send(20 * GET.replace(b"/", b"/openapi.json", 1))
        wait_until(lambda: slowest_of_100(address) <= 5 * before_s + 0.05)  # measures again if the machine was busy
