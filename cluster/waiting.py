"""Waits until a condition is true, with a time limit. A wait ends early if the user stops the program."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import TypeVar

POLL_S = 0.01

State = TypeVar("State")


class Stopped(Exception):
    """The user stopped the program with Ctrl-C or SIGTERM, or closed the terminal."""


class TooLong(Exception):
    """A condition did not become true within its time limit."""


def on_stop(call: Callable[[], object]) -> None:
    """On Ctrl-C, on SIGTERM, or when the terminal closes, call `call` instead of ending the program."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # not under nohup
            signal.signal(number, lambda *_: call())


def raise_stopped() -> None:
    """Raise Stopped. Pass this function to `on_stop`."""
    raise Stopped


def wait_until(
    state: Callable[[], State], bound_s: float, awaited: str, stopping: threading.Event | None = None
) -> State:
    """Call `state` until it returns a true value, and return that value.

    Raise TooLong after `bound_s` seconds. The message of TooLong contains `awaited`. Raise Stopped once `stopping` is
    set.
    """
    deadline = time.monotonic() + bound_s
    asked_to_stop = stopping or threading.Event()
    while not (found := state()):
        if time.monotonic() > deadline:
            raise TooLong(f"The time limit of {bound_s:g} s has passed, and this is not true yet: {awaited}.")
        if asked_to_stop.wait(POLL_S):
            raise Stopped
    return found
