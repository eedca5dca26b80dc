"""The WSGI server: waitress with a loop of our own, so that a stop is clean and a port that is taken says so.

Waitress was chosen by measurement (docs/decisions.md). Short requests are tasks of the thread that has the sockets
(storage/tasks.py). Any other has a thread of its own, and a stream holds it for as long as it is open: streams and
waiting requests are therefore capped below the number of threads.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.server import create_server  # type: ignore[import-untyped]
from waitress.task import ThreadedTaskDispatcher  # type: ignore[import-untyped]

from bayou.errors import Conflict
from replica.config import Address
from storage.tasks import Tasks

LOGGER = logging.getLogger("bayou.replica")
THREADS = 24
BACKLOG = 1024
BODIES_BYTES_MAX = 260 * 1024 * 1024  # more than any resource takes; what is beyond half a megabyte lies on the disk
CONNECTIONS_MAX = 500
STOP_TIMEOUT_S = 5.0
LOOP_TIMEOUT_S = 1.0
POLL_S = 0.005

IsShort = Callable[[str, str, Mapping[str, str]], bool]  # of method, path, and headers by names like BAYOU_WAIT


class WebServer:
    """One listening address and its threads. `start` returns at once; `stop` waits for what is being answered."""

    def __init__(self, app: Any, address: Address, is_short: IsShort = lambda *_: False) -> None:
        sockets: dict[int, Any] = {}
        self._tasks = Tasks(sockets, self._wake)
        self._socket = _listen(address)
        host, port = self._socket.getsockname()[:2]
        self.address = Address(host, port)
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue of one is no news
        self._server = create_server(
            app,
            map=sockets,
            sockets=[self._socket],
            backlog=BACKLOG,
            _dispatcher=(dispatcher := _Dispatcher(self._tasks, is_short)),
            connection_limit=CONNECTIONS_MAX,
            asyncore_use_poll=True,
            channel_request_lookahead=1,  # so that a stream can ask whether its client is still there
            max_request_body_size=BODIES_BYTES_MAX,  # the application refuses earlier, and in our shape
            clear_untrusted_proxy_headers=False,  # nothing here reads them
            ident=None,
        )
        self._server.channel_class = _Channel
        self._server.pull_trigger = self._wake  # as its connections do after each answer
        dispatcher.set_thread_count(THREADS)
        self._ended = threading.Event()
        self._loop = threading.Thread(target=self._serve, name="rest", daemon=True)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        """Stop listening, let requests end (streams must have been told), send what is left, and close; bounded."""
        self._in_loop(lambda: wasyncore.dispatcher.close(self._server))  # the listening socket alone
        deadline = time.monotonic() + STOP_TIMEOUT_S
        self._server.task_dispatcher.shutdown(timeout=STOP_TIMEOUT_S)
        while (not self._tasks.are_done or self._unsent()) and time.monotonic() < deadline:
            self._ended.wait(POLL_S)
        self._ended.set()
        self._wake()
        if self._loop.ident is not None:
            self._loop.join(STOP_TIMEOUT_S)
        wasyncore.close_all(self._server._map, ignore_all=True)

    def _serve(self) -> None:
        while not self._ended.is_set():
            timeout_s = 0 if self._tasks.can_go_on else LOOP_TIMEOUT_S
            try:
                wasyncore.loop(timeout=timeout_s, use_poll=True, map=self._server._map, count=1)
                self._tasks.run()
            except Exception:  # whatever it is, the connections are served on
                LOGGER.exception("the web server's loop failed")

    def _in_loop(self, action: Callable[[], None]) -> None:
        """Run in the thread that owns the sockets, and wait for it."""
        if self._loop.ident is None:
            action()
            return
        done = threading.Event()

        def run() -> None:
            action()
            done.set()

        self._server.trigger.pull_trigger(run)
        done.wait(STOP_TIMEOUT_S)

    def _wake(self) -> None:
        """Have the loop go round once more; within it, it does so anyway."""
        if threading.get_ident() != self._loop.ident:
            self._server.trigger.pull_trigger()

    def _unsent(self) -> bool:
        return any(channel.total_outbufs_len for channel in list(self._server.active_channels.values()))


class _Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]  # waitress has no types
    """Hands a connection with a short request to the tasks of the server's own thread, with others to one of its
    threads."""

    def __init__(self, tasks: Tasks, is_short: IsShort) -> None:
        super().__init__()
        self._tasks = tasks
        self._is_short = is_short
        self._is_ending = False

    def shutdown(self, cancel_pending: bool = True, timeout: float = STOP_TIMEOUT_S) -> bool:
        self._is_ending = True
        return bool(super().shutdown(cancel_pending, timeout))

    def add_task(self, task: _Channel) -> None:
        channel, asked = task, task.requests[0]  # what waitress calls a task is a connection with a request
        # Whoever has not read the answer before may have to be waited for, which only a thread can.
        needs_thread = asked.error or channel.total_outbufs_len
        if self._is_ending:
            channel.cancel()
        elif not needs_thread and self._is_short(asked.command, asked.path, asked.headers):
            self._tasks.add(channel.serve_at_once)
        else:
            super().add_task(channel)


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection, whose short answers go out in one piece."""

    _is_gathering = False  # an answer, with nothing unsent before it

    def serve_at_once(self) -> None:
        self._is_gathering = True
        try:
            self.service()
        finally:
            self._is_gathering = False
        if self.connected:
            self.handle_write()

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Wait until the client has read enough; not in the thread that sends to it, for nobody would send."""
        if not self._is_gathering:
            super()._flush_outbufs_below_high_watermark()

    def _flush_some(self, do_close: bool = True) -> bool:
        """While gathering, nothing is sent, as if all had been."""
        return self._is_gathering or super()._flush_some(do_close)


def _listen(address: Address) -> socket.socket:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, place = found[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise Conflict("address_unusable", f"Cannot listen on {address}: {error.strerror}.") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)  # with SO_REUSEADDR two may bind; only one may listen
    except OSError as error:
        listener.close()
        raise Conflict(
            "address_unusable",
            f"Cannot listen on {address}: {error.strerror}. Stop what uses it, or give this replica another address"
            " in the configuration.",
        ) from None
    return listener
