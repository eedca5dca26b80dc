"""The web server of one replica: aiohttp listens, Flask answers (wsgi.py connects the two).

aiohttp was chosen after measurements (docs/decisions.md). One thread runs the event loop and owns every connection. A
request uses another thread only while Flask works on the request. A slow client or a client that reads a stream of
events uses no thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from aiohttp.http import HttpProcessingError

from replica.config import Address
from replica.free_addresses import BACKLOG, listen
from replica.http.connections import Connection, Connections
from replica.http.wsgi import WSGIApplication, WSGIHandler

LOGGER = logging.getLogger("bayou.replica")
THREADS = 24
HEAD_TIMEOUT_S = 30.0  # until the head of a request is complete, since the connection or the answer before
LINE_BYTES_MAX = 256 * 1024  # of a request: /replica/export takes a vector there
HEADER_BYTES_MAX = 16 * 1024
STOP_TIMEOUT_S = 5.0


class WebServer:
    """The web server of one address. `start` returns at once. `stop` waits until the current requests are answered, but
    only for a limited time.

    The constructor gets the address at which the server listens. If the port of this address is 0, the system chooses a
    port. The attribute `address` has the chosen port. The constructor raises Conflict `address_unusable` if the server
    cannot listen at the address. `proxies` are the addresses of reverse proxies. If a request comes from a proxy, its
    header X-Forwarded-For names the client.
    """

    def __init__(self, app: WSGIApplication, address: Address, proxies: Collection[str] = ()) -> None:
        self._socket = listen(address)
        host, port = self._socket.getsockname()[:2]
        self.address = Address(host, port)
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="rest")
        self._connections = Connections(proxies)
        self._handler = WSGIHandler(app, threads, self.address, self._connections)
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(threads)
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="rest", daemon=True)

        logging.getLogger("aiohttp.server").addFilter(_is_of_interest)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, wait until the current requests are answered, and close all connections. Stop the event feed
        before this call, so that the event streams end."""
        if self._thread.ident is None:
            self._close()
        elif self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(2 * STOP_TIMEOUT_S)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except Exception:
            LOGGER.exception("the web server failed")
        finally:
            self._close()

    def _close(self) -> None:
        self._loop.close()  # which ends the threads, and waits for none of them
        self._socket.close()

    async def _serve(self) -> None:
        server = web.Server(
            self._handler.answer,
            access_log=None,
            auto_decompress=False,
            handler_cancellation=True,  # so that a stream ends when its client leaves
            keepalive_timeout=HEAD_TIMEOUT_S,
            max_field_size=HEADER_BYTES_MAX,
            max_line_size=LINE_BYTES_MAX,
        )
        runner = web.ServerRunner(server, shutdown_timeout=STOP_TIMEOUT_S)
        await runner.setup()

        def connected() -> Connection:
            return Connection(self._connections, server)

        listener = await self._loop.create_server(connected, sock=self._socket, backlog=BACKLOG)
        await self._stopping.wait()
        listener.close()
        await runner.cleanup()


def _is_of_interest(record: logging.LogRecord) -> bool:
    """Return whether to log a record. Malformed requests are not logged, because they say nothing about this
    replica."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
