"""Connects aiohttp and Flask: turns a request into a WSGI environ (PEP 3333), and the result of the application into an
answer.

The event loop reads the body of a request before it uses a thread, and sends the answer itself. So no thread ever waits
for a client. An application may return an async iterable instead of an iterable; the event loop sends it without a
thread. GET /events uses this.

Before a long body is read, the application is called without the body. If the application accepts the request, it calls
`environ[ADMIT]` with the greatest number of bytes that the body may have. Then this first answer is thrown away, the
body is read, and the application is called again. If the application does not call `environ[ADMIT]`, its first answer
is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import aclosing
from functools import lru_cache
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from aiohttp import HttpVersion11, web
from multidict import CIMultiDict

from replica.config import Address
from replica.http.connections import Connections

ADMIT = "bayou.admit"
REPEATED = "bayou.repeated"  # the keys of headers that came more than once
CLIENT = "bayou.client"  # the address of the client, as limits count it; empty if a proxy does not say it
PIECE_BYTES = 64 * 1024  # of a body, or of an answer
PIECE_S = 30.0  # for a client to send a piece of its body, or to read a piece of its answer
LARGE_BYTES = 1024 * 1024  # larger bodies write much to the disk, so only a few may come at a time
LARGE_BODIES_MAX = 2
ANSWERS_BYTES_MAX = 64 * 1024 * 1024  # of all answers that wait for their clients to read them
CLIENT_THREADS_MAX = 20  # of 24: the others are for other clients

SERVER = {"Server": "bayou"}  # aiohttp would show strangers the versions of the software
_HOST = re.compile(r"(?:([A-Za-z0-9_-][A-Za-z0-9._-]{0,254})|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")

Environ = dict[str, Any]
WSGIApplication = Callable[[Environ, Callable[..., Any]], Any]


class WSGIHandler:
    """Answers requests of aiohttp with the WSGI application `app`. aiohttp calls the method `answer`. The application
    runs in the threads of `threads`. `address` is the address at which the server listens. `connections` are all
    connections of the server."""

    def __init__(self, app: WSGIApplication, threads: Executor, address: Address, connections: Connections) -> None:
        self._app = app
        self._threads = threads
        self._connections = connections
        self._turns = _Turns()
        self._unread = _Unread()
        self._large_bodies = 0
        self._constant = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": address.host,
            "SERVER_PORT": str(address.port),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if not _is_host(",".join(request.headers.getall("Host", ["localhost"]))):
            text = "The header Host must be a name or an address, with or without a port."
            raise web.HTTPBadRequest(text=text, headers=SERVER)
        if request.headers.get("Expect", "100-continue").lower() != "100-continue":
            raise web.HTTPExpectationFailed(text="The header Expect must be 100-continue.", headers=SERVER)
        connection = self._connections.of(request.transport)
        with tempfile.SpooledTemporaryFile(PIECE_BYTES) as body, contextlib.ExitStack() as held:
            if request.body_exists:
                if connection is not None:
                    connection.expects_body()
                bytes_max = PIECE_BYTES
                if request.content_length is None or request.content_length > PIECE_BYTES:
                    admitted: list[int] = []
                    answer = await self._call(request, body, {ADMIT: admitted.append})
                    try:
                        if not admitted:
                            return await self._send(request, answer, is_last=True)
                    finally:
                        self._close(answer)
                    bytes_max = admitted[0]
                if bytes_max > LARGE_BYTES:
                    held.enter_context(self._large_body())
                await _receive(request, body, bytes_max)
            is_whole = request.content.is_eof()
            if connection is not None and is_whole:
                connection.expects_head()
            answer = await self._call(request, body, {})
            try:
                return await self._send(request, answer, is_last=not is_whole)
            finally:
                self._close(answer)

    async def _call(self, request: web.BaseRequest, body: IO[bytes], more: Environ) -> _Answer:
        """Call the application in a thread, and return its answer. The caller must close the answer."""
        environ = self._constant | _environ(request, body) | more
        client = environ[CLIENT] = self._connections.client_of(request)
        answer = _Answer(self._app, self._threads)
        if client:
            await self._turns.take(client)
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, answer.begin, environ)
        except BaseException:
            self._close(answer)
            raise
        finally:
            if client:
                self._turns.give(client)
        return answer

    def _close(self, answer: _Answer) -> None:
        if not answer.is_closed:
            self._threads.submit(answer.close)  # waits for a thread that still works, although the client has left

    @contextlib.contextmanager
    def _large_body(self) -> Iterator[None]:
        if self._large_bodies >= LARGE_BODIES_MAX:
            text = (
                f"This replica receives at most {LARGE_BODIES_MAX} large request bodies at a time. Try again shortly."
            )
            raise web.HTTPServiceUnavailable(text=text, headers={**SERVER, "Retry-After": "5"})
        self._large_bodies += 1
        try:
            yield
        finally:
            self._large_bodies -= 1

    async def _send(self, request: web.BaseRequest, answer: _Answer, *, is_last: bool) -> web.StreamResponse:
        """Send an answer. With `is_last`, close the connection afterwards, because the body of the request was not
        read."""
        is_short = answer.is_closed and len(answer.piece) <= PIECE_BYTES
        response = (
            web.Response(status=answer.status, headers=answer.headers, body=answer.piece)
            if is_short
            else web.StreamResponse(status=answer.status, headers=answer.headers)
        )
        if is_last:
            response.force_close()
        try:
            await response.prepare(request)
            if not is_short:
                with self._unread.waiting(request.transport, len(answer.piece)):
                    async for piece in answer.pieces():
                        for start in range(0, len(piece), PIECE_BYTES):
                            async with asyncio.timeout(PIECE_S):
                                await response.write(piece[start : start + PIECE_BYTES])
            async with asyncio.timeout(PIECE_S):
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # the client has left; aiohttp would log it with its traceback
        return response


class _Turns:
    """Lets each client use up to CLIENT_THREADS_MAX threads at a time. Further requests of the client wait, and use no
    thread. Call `give` once for each `take`."""

    def __init__(self) -> None:
        self._by_client: dict[str, asyncio.Semaphore] = {}
        self._counts: Counter[str] = Counter()  # of those that have a turn, and of those that wait for one

    async def take(self, client: str) -> None:
        self._counts[client] += 1
        if client not in self._by_client:
            self._by_client[client] = asyncio.Semaphore(CLIENT_THREADS_MAX)
        try:
            await self._by_client[client].acquire()
        except asyncio.CancelledError:  # the client has left
            self._forget(client)
            raise

    def give(self, client: str) -> None:
        self._by_client[client].release()
        self._forget(client)

    def _forget(self, client: str) -> None:
        self._counts[client] -= 1
        if not self._counts[client]:
            del self._counts[client], self._by_client[client]


class _Unread:
    """The long answers that clients have not read yet. If these answers together have more than ANSWERS_BYTES_MAX
    bytes, the connections of the oldest answers are aborted."""

    def __init__(self) -> None:
        self._bytes: dict[asyncio.BaseTransport, int] = {}  # the oldest first

    @contextlib.contextmanager
    def waiting(self, transport: asyncio.Transport | None, size: int) -> Iterator[None]:
        if transport is None or size <= PIECE_BYTES:
            yield
            return
        self._bytes[transport] = size
        while sum(self._bytes.values()) > ANSWERS_BYTES_MAX and len(self._bytes) > 1:
            oldest = next(iter(self._bytes))
            del self._bytes[oldest]
            assert isinstance(oldest, asyncio.Transport)
            oldest.abort()
        try:
            yield
        finally:
            self._bytes.pop(transport, None)


class _Answer:
    """The application's answer to one request. `begin` and `close` run in a thread.

    After `begin`, `piece` is the first part of the body. For an async iterable, `piece` stays empty. If `is_closed` is
    already true after `begin`, `piece` is the whole body.
    """

    def __init__(self, app: WSGIApplication, threads: Executor) -> None:
        self._app = app
        self._threads = threads
        self._working = threading.Lock()
        self._returned: Any = ()
        self._chunks: Iterator[bytes] = iter(())
        self.status = 500
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.piece = b""
        self.is_closed = False

    def begin(self, environ: Environ) -> None:
        """Call the application, and take the first piece of its answer."""
        with self._working:
            self._returned = self._app(environ, self._start)
            if not hasattr(self._returned, "__aiter__"):
                self._chunks = iter(self._returned)
                self._advance()

    def _start(self, status: str, headers: Iterable[tuple[str, str]], _error: object = None) -> Callable[..., None]:
        self.status, self.headers = int(status[:3]), CIMultiDict(headers)
        self.headers.update(SERVER)
        return _write

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the whole body in pieces."""
        if hasattr(self._returned, "__aiter__"):
            async with aclosing(aiter(self._returned)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        yield self.piece
        while not self.is_closed:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._next)
            yield self.piece

    def _next(self) -> None:
        with self._working:
            self._advance()

    def _advance(self) -> None:
        """Take the next piece. If nothing follows this piece, close the answer."""
        taken: list[bytes] = []
        size = 0
        for chunk in self._chunks:
            taken.append(chunk)
            size += len(chunk)
            if size >= PIECE_BYTES:
                break
        else:
            self._close()
        self.piece = b"".join(taken)

    def close(self) -> None:
        with self._working:
            self._close()

    def _close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            if hasattr(self._returned, "close"):
                self._returned.close()


async def _receive(request: web.BaseRequest, body: IO[bytes], bytes_max: int) -> None:
    """Write the body of the request to `body`. If the body has more than `bytes_max` bytes, stop reading, because the
    application refuses such a request."""
    if (request.content_length or 0) > bytes_max:
        return
    if request.content.is_eof():  # it came with the head
        body.write(request.content.read_nowait())
        return
    if "Expect" in request.headers and request.version == HttpVersion11 and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    loop, expected = asyncio.get_running_loop(), PIECE_BYTES
    try:
        async with asyncio.timeout(PIECE_S) as deadline:
            while body.tell() <= bytes_max and (chunk := await request.content.readany()):
                body.write(chunk)
                if body.tell() >= expected:
                    expected = body.tell() + PIECE_BYTES
                    deadline.reschedule(loop.time() + PIECE_S)
    except TimeoutError:
        text = (
            f"The body of the request comes too slowly: {PIECE_BYTES} bytes must come within {PIECE_S:.0f} s."
            " Send the request again."
        )
        raise web.HTTPRequestTimeout(text=text, headers=SERVER) from None
    except web.RequestPayloadError as error:
        raise web.HTTPBadRequest(
            text=f"The body of the request cannot be read: {error}. Send the request again.", headers=SERVER
        ) from None


@lru_cache(256)
def _is_host(text: str) -> bool:
    """Return whether Werkzeug can read this value of the header Host. For any other value, Werkzeug raises an error at
    a point where Flask does not handle errors."""
    found = _HOST.fullmatch(text)
    try:
        return found is not None and (found[1] is None or bool(found[1].encode("idna")))
    except UnicodeError:  # a part of the name is empty or too long
        return False


def _environ(request: web.BaseRequest, body: IO[bytes]) -> Environ:
    """Return the environ of PEP 3333 for this request."""
    target = request.raw_path
    if not target.startswith("/"):  # an absolute URL, as a proxy is sent
        target = request.rel_url.raw_path_qs
    path, _, query = target.encode("utf-8", "surrogateescape").partition(b"?")
    version = request.version
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "REMOTE_ADDR": request.remote or "",
        "SERVER_PROTOCOL": f"HTTP/{version.major}.{version.minor}",
        "wsgi.input": body,
    }
    repeated = environ[REPEATED] = set()
    for name, value in request.raw_headers:
        if key := _key(name):
            text = value.decode("latin-1")
            if key in environ:
                repeated.add(key)
                text = f"{environ[key]},{text}"
            environ[key] = text
    if request.body_exists and "CONTENT_LENGTH" not in environ:
        environ["CONTENT_LENGTH"] = str(body.tell())
    body.seek(0)
    return environ


@lru_cache(256)
def _key(name: bytes) -> str | None:
    """Return the name that a header has in an environ. Return None for a header that the environ leaves out. A name
    with `_` is left out, because it could be mistaken for the name of another header. Transfer-Encoding is left out,
    because it no longer applies to the body."""
    text = name.decode("latin-1").upper()
    if "_" in text or text == "TRANSFER-ENCODING":
        return None
    key = text.replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


def _write(_data: bytes) -> None:
    raise NotImplementedError("the write callable of PEP 3333 is not supported; return an iterable")
