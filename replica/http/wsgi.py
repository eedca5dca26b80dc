"""Connects aiohttp and Flask: turns a request into a WSGI environ (PEP 3333), and the result of the application into an
answer.

The event loop reads the body of a request before it uses a thread, and sends the answer itself. So no thread ever waits
for a client. An application may return an async iterable instead of an iterable; the event loop sends it without a
thread. GET /events uses this.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import aclosing
from functools import lru_cache
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from aiohttp import HttpVersion11, web
from multidict import CIMultiDict

from replica.config import Address

BODY_BYTES_MAX = 260 * 1024 * 1024  # more than any resource takes: the application refuses it, in its own shape
BODY_MEMORY_BYTES = 512 * 1024  # of a body; a longer one goes to the disk
PIECE_BYTES = 64 * 1024  # of an answer that is sent in pieces
SILENCE_S = 120.0  # of a client that has to send its body, or to read its answer

SERVER = {"Server": "bayou"}  # aiohttp would show strangers the versions of the software
_HOST = re.compile(r"(?:([A-Za-z0-9_-][A-Za-z0-9._-]{0,254})|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")

Environ = dict[str, Any]
WSGIApplication = Callable[[Environ, Callable[..., Any]], Any]


class WSGIHandler:
    """Answers requests of aiohttp. `answer` is an aiohttp handler. The WSGI application `app` runs in the `threads`,
    and `address` is where the server listens."""

    def __init__(self, app: WSGIApplication, threads: Executor, address: Address) -> None:
        self._app = app
        self._threads = threads
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
            text = "The header Host is not a name or an address, with a port or without."
            raise web.HTTPBadRequest(text=text, headers=SERVER)
        if request.headers.get("Expect", "100-continue").lower() != "100-continue":
            raise web.HTTPExpectationFailed(text="The only expectation that is met is 100-continue.", headers=SERVER)
        answer = _Answer(self._app, self._threads)
        try:
            await _receive(request, answer.body)
            environ = self._constant | _environ(request, answer.body)
            await asyncio.get_running_loop().run_in_executor(self._threads, answer.begin, environ)
            return await _send(request, answer)
        finally:
            if not answer.is_closed:
                self._threads.submit(answer.close)  # after a thread that works on though the client has left


class _Answer:
    """The application's answer to one request. `begin` and `close` run in a thread.

    After `begin`, `piece` is the first part of the body. If `is_closed` is then set, it is the whole body.
    """

    def __init__(self, app: WSGIApplication, threads: Executor) -> None:
        self.body = tempfile.SpooledTemporaryFile(BODY_MEMORY_BYTES)  # noqa: SIM115  # closed with the answer
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
        """Take the next piece. If the answer ends with it, close the answer."""
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
            self.body.close()
            if hasattr(self._returned, "close"):
                self._returned.close()


async def _receive(request: web.BaseRequest, body: IO[bytes]) -> None:
    """Write the body of the request to `body`. If the declared length is over the limit, read nothing."""
    if not request.body_exists or (request.content_length or 0) > BODY_BYTES_MAX:
        return
    if request.content.is_eof():  # it came with the head
        body.write(request.content.read_nowait())
        return
    if "Expect" in request.headers and request.version == HttpVersion11 and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(SILENCE_S) as silence:
            while body.tell() <= BODY_BYTES_MAX and (chunk := await request.content.readany()):
                body.write(chunk)
                silence.reschedule(loop.time() + SILENCE_S)
    except TimeoutError:
        text = f"No more of the body came for {SILENCE_S:.0f} s. Send it again."
        raise web.HTTPRequestTimeout(text=text, headers=SERVER) from None
    except web.RequestPayloadError as error:
        raise web.HTTPBadRequest(text=f"The body cannot be read: {error}", headers=SERVER) from None


async def _send(request: web.BaseRequest, answer: _Answer) -> web.StreamResponse:
    is_whole = answer.is_closed
    response = (
        web.Response(status=answer.status, headers=answer.headers, body=answer.piece)
        if is_whole
        else web.StreamResponse(status=answer.status, headers=answer.headers)
    )
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(SILENCE_S) as silence:
            await response.prepare(request)
            if not is_whole:
                async for piece in answer.pieces():
                    await response.write(piece)
                    silence.reschedule(loop.time() + SILENCE_S)
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass  # the client has left; aiohttp would log it with its traceback
    return response


@lru_cache(256)
def _is_host(text: str) -> bool:
    """Return whether Werkzeug can read a header Host. It fails outside of Flask's handling of errors if it cannot."""
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
    for name, value in request.raw_headers:
        if key := _key(name):
            text = value.decode("latin-1")
            environ[key] = f"{environ[key]},{text}" if key in environ else text
    if request.body_exists and "CONTENT_LENGTH" not in environ:
        environ["CONTENT_LENGTH"] = str(body.tell())
    body.seek(0)
    return environ


@lru_cache(256)
def _key(name: bytes) -> str | None:
    """Return the name that a header has in an environ. Returns None for a name with `_`, which could be mistaken for
    another header, and for Transfer-Encoding, which no longer applies to the body."""
    text = name.decode("latin-1").upper()
    if "_" in text or text == "TRANSFER-ENCODING":
        return None
    key = text.replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


def _write(_data: bytes) -> None:
    raise NotImplementedError("the write callable of PEP 3333 is not supported; return an iterable")
