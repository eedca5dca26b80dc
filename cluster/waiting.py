"""Waiting for a state with a bound, and being asked to stop meanwhile. It knows neither replicas nor processes."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import TypeVar

POLL_S = 0.01

State = TypeVar("State")


class Stopped(Exception):
    """Ctrl-C, SIGTERM, or the terminal hung up."""


class TooLong(Exception):
    """A state did not come within its bound."""


def on_stop(call: Callable[[], object]) -> None:
    """Have `call` called at Ctrl-C, SIGTERM and hang-up, instead of breaking off wherever the program stands."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup is meant
            signal.signal(number, lambda *_: call())


def wait_until(
    state: Callable[[], State], bound_s: float, awaited: str, stopping: threading.Event | None = None
) -> State:
    """The first true value of `state`. TooLong after `bound_s`, naming what was `awaited`; Stopped once `stopping`."""
    deadline = time.monotonic() + bound_s
    asked_to_stop = stopping or threading.Event()
    while not (found := state()):
        if time.monotonic() > deadline:
            raise TooLong(f"Within {bound_s:g} s it did not come about that {awaited}.")
        if asked_to_stop.wait(POLL_S):
            raise Stopped
    return found
