"""The web server of a replica, tested with small WSGI applications.

The server parses requests and sends answers. Slow clients do not hold a thread of the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import pytest

from apps.api.endpoint import BODY_BYTES_MAX
from replica.config import Address
from replica.http import connections, server, wsgi
from replica.http.server import THREADS, WebServer
from tests.support.waiting import wait_until
from tests.support.web_server import served

BOUND_S = 30
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


@contextlib.contextmanager
def connected(address: Address) -> Iterator[socket.socket]:
    with socket.create_connection((address.host, address.port), BOUND_S) as connection:
        yield connection


def asked(address: Address, request: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Send a request, and read until the server closes the connection. Return the status line, the headers and the
    body."""
    with connected(address) as connection:
        connection.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    return status, {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}, body


def closes(connection: socket.socket) -> bytes:
    """Return what the server sends until it closes the connection."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


class Recorder:
    """A WSGI application that accepts every request body and sends an empty answer. It records each environ and its
    body."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, Any], bytes]] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if admit := environ.get(wsgi.ADMIT):
            admit(BODY_BYTES_MAX)
            return []
        self.seen.append((environ, environ["wsgi.input"].read()))
        start_response("204 No Content", [])
        return []


def test_a_request_becomes_an_environ() -> None:
    app = Recorder()
    with served(app) as address:
        head = (
            b"POST /rooms/6%2E12/%C3%A9%2F?a=%20b&c HTTP/1.1\r\nHost: localhost:1\r\nContent-Type: text/plain\r\n"
            b"Content-Length: 3\r\nX-One: 1\r\nX-One: 2\r\nBayou_User: forged\r\nX-Latin: \xe9\r\n\r\n"
        )
        status, headers, _ = asked(address, head + b"abc")
    (environ, body), *others = app.seen
    assert (status, body, others) == (b"HTTP/1.1 204 No Content", b"abc", [])
    assert headers[b"server"] == b"bayou"  # and no versions
    assert environ["REQUEST_METHOD"] == "POST"
    assert environ["PATH_INFO"] == "/rooms/6.12/é/".encode().decode("latin-1")
    assert environ["QUERY_STRING"] == "a=%20b&c"
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/plain", "3")
    assert (environ["HTTP_HOST"], environ["HTTP_X_ONE"], environ["HTTP_X_LATIN"]) == ("localhost:1", "1,2", "é")
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (address.host, str(address.port))
    assert (environ["REMOTE_ADDR"], environ["SERVER_PROTOCOL"]) == ("127.0.0.1", "HTTP/1.1")
    assert "HTTP_BAYOU_USER" not in environ  # it could be taken for Bayou-User


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", ""),
        (b"//x//y", "//x//y", ""),
        (b"/%0A?%0A", "/\n", "%0A"),
        (b"/%FF", "/\xff", ""),
        (b"http://localhost:1/x%2F?q", "/x/", "q"),
    ],
)
def test_a_path_arrives_as_it_was_sent(target: bytes, path: str, query: str) -> None:
    app = Recorder()
    with served(app) as address:
        assert asked(address, GET.replace(b"/", target, 1))[0] == b"HTTP/1.1 204 No Content"
    environ, _ = app.seen[0]
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == (path, query)


def test_a_body_in_chunks_has_a_length() -> None:
    app = Recorder()
    with served(app) as address:
        head = GET.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert asked(address, head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")[0] == b"HTTP/1.1 204 No Content"
        assert b" 400 " in asked(address, head + b"3\r\nabcd")[0]
    ((environ, body),) = app.seen
    assert (environ["CONTENT_LENGTH"], body) == ("5", b"abcde")
    assert "HTTP_TRANSFER_ENCODING" not in environ


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked() -> None:
    app = Recorder()
    with served(app) as address, connected(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 204")
    assert app.seen[0][1] == b"abc"


def test_a_long_body_arrives_whole() -> None:
    app, size = Recorder(), 5 * wsgi.PIECE_BYTES
    with served(app) as address:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
        asked(address, head + bytes(range(256)) * (size // 256))
    assert app.seen[0][1] == bytes(range(256)) * (size // 256)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "in chunks"])
def test_a_body_that_is_too_long_is_not_read_whole_and_the_application_answers(declared: bool) -> None:
    sizes = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if admit := environ.get(wsgi.ADMIT):
            admit(BODY_BYTES_MAX)
        else:
            sizes.append(len(environ["wsgi.input"].read()))
        start_response("413 Content Too Large", [("Content-Length", "3")])
        return [b"few"]

    size = 10 * BODY_BYTES_MAX
    with served(app) as address, connected(address) as connection:
        framing = b"Content-Length: %d" % size if declared else b"Transfer-Encoding: chunked"
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            connection.sendall((b"" if declared else b"%x\r\n" % size) + bytes(2 * BODY_BYTES_MAX))
        assert connection.recv(1 << 16).endswith(b"\r\n\r\nfew")
    assert sizes[0] < 2 * BODY_BYTES_MAX


def test_a_body_that_is_not_admitted_is_not_read_and_the_first_answer_counts() -> None:
    seen = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.append(environ["wsgi.input"].read())
        start_response("401 Unauthorized", [("Content-Length", "2")])
        return [b"no"]

    with served(app) as address, connected(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000000\r\nExpect: 100-continue\r\n\r\n")
        answer = connection.recv(1 << 16)
        assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
        assert b"Connection: close" in answer
    assert seen == [b""]


def test_a_head_has_the_length_and_no_body() -> None:
    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "5"), ("Content-Type", "text/plain")])
        return []

    with served(app) as address:
        _, headers, body = asked(address, GET.replace(b"GET", b"HEAD"))
    assert (headers[b"content-length"], body) == (b"5", b"")


def test_an_application_that_fails_is_logged_and_the_next_is_served(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ["PATH_INFO"] == "/bad":
            raise ZeroDivisionError
        start_response("200 OK", [("Content-Length", "0")])
        return []

    with served(app) as address:
        assert asked(address, GET.replace(b"/", b"/bad", 1))[0] == b"HTTP/1.1 500 Internal Server Error"
        assert asked(address, GET)[0] == b"HTTP/1.1 200 OK"
    assert "ZeroDivisionError" in caplog.text


def test_a_malformed_request_is_refused_and_leaves_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with served(Recorder()) as address:
        for sent in (
            b"GET\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            b"\x16\x03\x01\r\n\r\n",
            GET.replace(b"/", b"/\xff", 1),
        ):
            assert b" 400 " in asked(address, sent)[0]
    assert caplog.text == ""


# Slow clients, which delay nobody else


class Answering:
    """A WSGI application with a long answer. `sent` counts the pieces of the answer that the server has taken. `closed`
    is set when the server closes the answer."""

    def __init__(self, pieces: int = 1 << 16) -> None:
        self.pieces = pieces
        self.sent = 0
        self.closed = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return self if environ["PATH_INFO"] == "/long" else []

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.pieces):
            self.sent += 1
            yield bytes(wsgi.PIECE_BYTES)

    def close(self) -> None:
        self.closed.set()


LONG = GET.replace(b"/", b"/long", 1)


def test_a_long_answer_is_made_only_as_fast_as_it_is_read_and_slow_readers_hold_no_thread() -> None:
    app = Answering()
    with served(app) as address, contextlib.ExitStack() as clients:
        for _ in range(THREADS + 1):
            clients.enter_context(connected(address)).sendall(LONG)
        assert asked(address, GET)[0] == b"HTTP/1.1 200 OK"
        assert app.sent < (THREADS + 1) * app.pieces


def test_slow_senders_hold_no_thread() -> None:
    with served(Recorder()) as address, contextlib.ExitStack() as clients:
        for _ in range(THREADS + 1):
            clients.enter_context(connected(address)).sendall(
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
            )
        assert asked(address, GET)[0] == b"HTTP/1.1 204 No Content"


def test_an_answer_whose_client_leaves_is_closed() -> None:
    app = Answering()
    with served(app) as address:
        with connected(address) as connection:
            connection.sendall(LONG)
            assert connection.recv(1 << 10)
        assert app.closed.wait(BOUND_S)


def test_an_answer_whose_client_leaves_before_it_is_there_is_closed() -> None:
    class Slow(Answering):
        def __init__(self) -> None:
            super().__init__()
            self.begun, self.gone = threading.Event(), threading.Event()

        def __iter__(self) -> Iterator[bytes]:
            self.begun.set()
            self.gone.wait(BOUND_S)
            return super().__iter__()

    app = Slow()
    with served(app) as address:
        with connected(address) as connection:
            connection.sendall(LONG)
            assert app.begun.wait(BOUND_S)
        app.gone.set()
        assert app.closed.wait(BOUND_S)


def test_an_async_answer_ends_when_its_client_leaves() -> None:
    class Endless:
        def __init__(self) -> None:
            self.closed = threading.Event()

        async def __aiter__(self) -> AsyncGenerator[bytes, None]:
            yield b"first"
            await asyncio.Event().wait()

        def close(self) -> None:
            self.closed.set()

    answer = Endless()

    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [])
        return answer

    with served(app) as address:
        with connected(address) as connection:
            connection.sendall(GET)
            wait_until(lambda: b"first" in connection.recv(1 << 16))
        assert answer.closed.wait(BOUND_S)


# Deadlines and bounds


def test_a_head_that_does_not_come_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_TIMEOUT_S", 0.1)
    with served(Recorder()) as address:
        with connected(address) as silent:
            assert closes(silent) == b""
        with connected(address) as slow:
            slow.sendall(GET[:-2])
            assert closes(slow) == b""
        with connected(address) as second:
            second.sendall(GET + GET[:-2])
            assert closes(second).startswith(b"HTTP/1.1 204")


def test_a_body_that_does_not_come_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "PIECE_S", 0.1)
    app = Recorder()
    with served(app) as address, connected(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert app.seen == []


def test_an_answer_that_is_not_read_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "PIECE_S", 0.1)
    app = Answering()
    with served(app) as address, connected(address) as connection:
        connection.sendall(LONG)
        assert app.closed.wait(BOUND_S)
        with contextlib.suppress(ConnectionResetError):
            assert closes(connection)
    assert app.sent < app.pieces


def test_one_connection_too_many_gets_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS_MAX", 3)
    with served(Recorder()) as address, contextlib.ExitStack() as clients:
        for _ in range(3):
            connection = clients.enter_context(connected(address))
            connection.sendall(GET)
            assert connection.recv(1 << 10).startswith(b"HTTP/1.1 204")
        with connected(address) as refused:
            assert closes(refused).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        clients.close()

        def is_served() -> bool:
            with contextlib.suppress(ConnectionResetError):
                return asked(address, GET)[0] == b"HTTP/1.1 204 No Content"
            return False

        wait_until(is_served)


def test_a_stop_lets_what_is_being_answered_end() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        begun.set()
        may_end.wait(BOUND_S)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]

    web = WebServer(app, Address("127.0.0.1", 0))
    web.start()
    with connected(web.address) as connection:
        connection.sendall(GET)
        assert begun.wait(BOUND_S)
        stopping = threading.Thread(target=web.stop)
        stopping.start()
        may_end.set()
        assert closes(connection).endswith(b"done")
        stopping.join(BOUND_S)
    with pytest.raises(ConnectionRefusedError), connected(web.address):
        pass


def test_a_server_that_was_never_started_frees_its_port() -> None:
    web = WebServer(Recorder(), Address("127.0.0.1", 0))
    web.stop()
    again = WebServer(Recorder(), web.address)
    again.stop()
