"""The event loop that runs all sessions of a replica: one thread for the network, and a few threads that store
frames."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any, TypeVar

from bayou.errors import Away

WORKERS = 16
STOPPING = Away(
    "peer_unreachable", "This replica is stopping and ends its sessions. Start the replica, then try again."
)

Result = TypeVar("Result")


class EventLoop:
    """An asyncio event loop in a thread of its own. Any thread may call `soon`. Any thread except the thread of the
    loop may call `wait`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._is_closing = False
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="sessions")
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()

    def wait(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the loop, and return its result. Raises Away `peer_unreachable` if `close` is called
        before the coroutine has ended."""
        with self._lock:  # otherwise the loop could end before it begins the coroutine, and nobody would answer
            if self._is_closing:
                coroutine.close()
                raise STOPPING
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise STOPPING from None

    def soon(self, function: Callable[[], object]) -> None:
        """Call a function in the loop, unless the loop has ended."""
        with self._lock:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(function)

    async def in_worker(self, function: Callable[[], Result]) -> Result:
        """Run a function in a worker thread. The function may block."""
        return await self._loop.run_in_executor(self._workers, function)

    def close(self) -> None:
        """Cancel everything that runs in the loop, and end its threads."""
        with self._lock:
            if self._is_closing:
                return
            self._is_closing = True
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
        self._workers.shutdown()  # before the loop stops: the workers still call `soon`
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        with self._lock:
            self._loop.close()


class Tasks:
    """Keeps a reference to each task until the task ends. The event loop has only weak references, so Python could
    delete a running task that no other code refers to."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Start a coroutine in the running loop."""
        self.keep(asyncio.create_task(coroutine))

    def keep(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
