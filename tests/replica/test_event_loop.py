"""The event loop of the sessions. Each call ends with an answer or an error, even while the loop is being closed."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from bayou.errors import Away
from replica.anti_entropy.event_loop import EventLoop

TIMEOUT_S = 10.0


def test_a_call_fails_at_once_while_the_loop_is_closed() -> None:
    loop = EventLoop()
    works, may_end = threading.Event(), threading.Event()

    def work() -> None:
        works.set()
        may_end.wait(TIMEOUT_S)

    def call() -> None:
        with contextlib.suppress(Away):
            loop.wait(loop.in_worker(work))

    caller, closer = threading.Thread(target=call), threading.Thread(target=loop.close)
    caller.start()
    assert works.wait(TIMEOUT_S)
    closer.start()
    caller.join(TIMEOUT_S)  # the loop has cancelled the call, and now waits for the worker
    assert not caller.is_alive()
    with pytest.raises(Away, match="stopping"):
        loop.wait(asyncio.sleep(0))
    may_end.set()
    closer.join(TIMEOUT_S)
    assert not closer.is_alive()
    with pytest.raises(Away, match="stopping"):
        loop.wait(asyncio.sleep(0))
