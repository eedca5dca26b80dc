"""Many requests in one thread: each is a task, which gives way to the others of its thread while it waits for Redis.

Python runs one thread at a time, and to hand its lock from thread to thread costs more than most of what a short
request does (docs/decisions.md, "Speed"). So short requests share the thread that has their sockets. Code that asks
Redis need not know where it runs: in a thread of tasks it gives way until the answer begins to come, in any other it
holds up that thread.

A task must not wait in any other way, nor hold a lock while it gives way: the others of its thread would stand still.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from greenlet import getcurrent, greenlet
from redis import TimeoutError as RedisTimeoutError

STEPS_MAX = 8  # between two looks at the sockets, so that Redis has work while the next requests are prepared

LOGGER = logging.getLogger(__name__)


class Tasks:
    """The tasks of one thread, which looks at `sockets` (descriptor -> an object in the manner of asyncore), then calls
    `run`, and so on. `wake` makes it stop waiting for sockets; any thread may call it."""

    def __init__(self, sockets: dict[int, Any], wake: Callable[[], object]) -> None:
        self.sockets = sockets
        self.awaited: set[_Awaited] = set()
        self._wake = wake
        self._is_woken = False
        self._steps: deque[Callable[[], object]] = deque()
        self._counting = threading.Lock()
        self._unfinished = 0

    @property
    def are_done(self) -> bool:
        return self._unfinished == 0

    @property
    def can_go_on(self) -> bool:
        """Whether there is something to do, whatever the sockets say."""
        return bool(self._steps)

    def add(self, action: Callable[[], object]) -> None:
        """Have it done as a task; from any thread."""
        self._count(1)
        self._steps.append(partial(self._begin, action))
        self._rouse()

    def go_on(self, task: _Task, given: object = None) -> None:
        """Have a task go on, before those that have not begun; from any thread. The last one told goes first."""
        self._steps.appendleft(partial(task.switch, given))
        self._rouse()

    def end(self) -> None:
        """A task has ended."""
        self._count(-1)

    def _count(self, more: int) -> None:
        with self._counting:
            self._unfinished += more

    def _rouse(self) -> None:
        if not self._is_woken:
            self._is_woken = True
            self._wake()

    def run(self) -> None:
        """Let some of the tasks that can go on do so, until each ends or gives way."""
        now = time.monotonic()
        for late in [awaited for awaited in self.awaited if awaited.deadline < now]:
            late.settle(is_ready=False)
        for _ in range(min(len(self._steps), STEPS_MAX)):
            self._steps.popleft()()
        self._is_woken = False  # before `can_go_on` is asked, so that nothing stays behind

    def _begin(self, action: Callable[[], object]) -> None:
        _Task(self, action).switch()


class _Task(greenlet):
    """One action; belongs to the thread that makes it."""

    def __init__(self, tasks: Tasks, action: Callable[[], object]) -> None:
        super().__init__()
        self.tasks = tasks
        self._action = action

    def run(self) -> None:
        try:
            self._action()
        except BaseException:  # as in a thread: what fails here is no affair of the others
            LOGGER.exception("a task failed")
        finally:
            self.tasks.end()

    def wait(self) -> Any:
        """Give way to the others; what `go_on` is then given."""
        assert self.parent is not None
        return self.parent.switch()

    def go_on(self, given: object = None) -> None:
        """From any thread; once for each time that it waits."""
        self.tasks.go_on(self, given)


class _Awaited:
    """A socket from which a task waits to read; one of the loop's sockets until then."""

    accepting = False

    def __init__(self, task: _Task, descriptor: int, timeout_s: float) -> None:
        self.deadline = time.monotonic() + timeout_s
        self._task = task
        self._descriptor = descriptor
        task.tasks.sockets[descriptor] = self
        task.tasks.awaited.add(self)

    def settle(self, *, is_ready: bool = True) -> None:
        """It can be read from, or has failed, which reading it will tell; or it is too late."""
        tasks = self._task.tasks
        if self in tasks.awaited:
            tasks.awaited.remove(self)
            if tasks.sockets.get(self._descriptor) is self:
                del tasks.sockets[self._descriptor]
            self._task.go_on(is_ready)

    handle_read_event = handle_expt_event = handle_close = handle_error = close = settle

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False


class Turn:
    """What its maker waits for next, until another thread or task lets go of it."""

    __slots__ = ("release", "wait")

    def __init__(self) -> None:
        task = getcurrent()
        if isinstance(task, _Task):
            self.wait: Callable[[], object] = task.wait
            self.release: Callable[[], object] = task.go_on
        else:
            lock = threading.Lock()
            lock.acquire()
            self.wait, self.release = lock.acquire, lock.release


def give_way(connection: Any) -> None:
    """Have a connection of redis-py give way wherever a task reads an answer from it."""
    read = type(connection).read_response

    def read_response(*arguments: Any, **options: Any) -> Any:
        task = getcurrent()
        if isinstance(task, _Task) and not connection.can_read(0):
            _Awaited(task, connection._sock.fileno(), connection.socket_timeout)
            if not task.wait():
                connection.disconnect()
                raise RedisTimeoutError("Timeout reading from Redis")
        return read(connection, *arguments, **options)

    connection.read_response = read_response
