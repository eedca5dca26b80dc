"""Waits until a condition holds, with a time limit, and stops early if the user asks.

This module knows neither replicas nor processes.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import TypeVar

POLL_S = 0.01

State = TypeVar("State")


class Stopped(Exception):
    """The user asked to stop: Ctrl-C, SIGTERM, or the terminal hung up."""


class TooLong(Exception):
    """A condition did not hold within its time limit."""


def on_stop(call: Callable[[], object]) -> None:
    """Call `call` at Ctrl-C, SIGTERM and hang-up, in place of the usual effect of these signals."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # not under nohup
            signal.signal(number, lambda *_: call())


def raise_stopped() -> None:
    """Raise Stopped. This is a callback for `on_stop`."""
    raise Stopped


def wait_until(
    state: Callable[[], State], bound_s: float, awaited: str, stopping: threading.Event | None = None
) -> State:
    """Return the first true value of `state`.

    Raises TooLong after `bound_s` seconds, with `awaited` in its message, and Stopped once `stopping` is set.
    """
    deadline = time.monotonic() + bound_s
    asked_to_stop = stopping or threading.Event()
    while not (found := state()):
        if time.monotonic() > deadline:
            raise TooLong(f"After {bound_s:g} s it was still not true that {awaited}.")
        if asked_to_stop.wait(POLL_S):
            raise Stopped
    return found
