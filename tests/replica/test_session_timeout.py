"""A session ends if its peer is silent for too long, but not because the session as a whole takes long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from replica.anti_entropy import session_timeout
from replica.anti_entropy.session_timeout import SESSION_S_MAX, SILENCE_S_MAX, SessionTimeout


class Timer:
    """A replacement for threading.Timer. The simulated clock runs a timer when its time has come."""

    def __init__(self, clock: Clock, wait_s: float, call: Callable[[], object]) -> None:
        self._clock, self._call = clock, call
        self.due_s = clock.now_s + wait_s

    def start(self) -> None:
        self._clock.timers.append(self)

    def cancel(self) -> None:
        self._clock.timers.remove(self)

    def run(self) -> None:
        self.cancel()
        self._call()


class Clock:
    """Simulated time, which passes when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.timers: list[Timer] = []

    def advance(self, by_s: float) -> None:
        """Let time pass, and run the timers that are due by then."""
        end_s = self.now_s + by_s
        while due := min((timer for timer in self.timers if timer.due_s <= end_s), key=lambda t: t.due_s, default=None):
            self.now_s = due.due_s
            due.run()
        self.now_s = end_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(session_timeout, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    timers = SimpleNamespace(Timer=lambda wait_s, call: Timer(clock, wait_s, call), Lock=threading.Lock)
    monkeypatch.setattr(session_timeout, "threading", timers)
    return clock


def test_a_session_ends_when_no_frame_comes_any_more(clock: Clock) -> None:
    cancelled: list[float] = []
    timeout = SessionTimeout(lambda: cancelled.append(clock.now_s))
    for _ in range(3):  # longer than SILENCE_S_MAX in all
        clock.advance(SILENCE_S_MAX - 1)
        timeout.note_frame()
    assert cancelled == []
    clock.advance(SILENCE_S_MAX)
    assert cancelled == [4 * SILENCE_S_MAX - 3]


def test_the_length_of_a_session_is_bounded(clock: Clock) -> None:
    cancelled: list[float] = []
    timeout = SessionTimeout(lambda: cancelled.append(clock.now_s))
    while clock.now_s < 2 * SESSION_S_MAX:
        timeout.note_frame()
        clock.advance(1)
    assert cancelled == [SESSION_S_MAX]


def test_a_session_that_has_ended_is_not_cancelled(clock: Clock) -> None:
    cancelled: list[float] = []
    SessionTimeout(lambda: cancelled.append(clock.now_s)).end()
    clock.advance(2 * SESSION_S_MAX)
    assert cancelled == []
