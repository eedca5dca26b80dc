"""A session ends when its peer is silent, and not because it takes long."""

from __future__ import annotations

import threading

import pytest

from replica.anti_entropy import session_timeout
from tests.support.waiting import wait_until

BOUND_S = 30.0


def test_a_session_ends_when_no_frame_comes_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_timeout, "SILENCE_S_MAX", 1.0)
    cut = threading.Event()
    timeout = session_timeout.SessionTimeout(cut.set)
    for _ in range(15):  # longer than SILENCE_S_MAX in all
        assert not cut.wait(0.1)
        timeout.note_frame()
    assert cut.wait(BOUND_S)


def test_the_length_of_a_session_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_timeout, "SESSION_S_MAX", 0.1)
    monkeypatch.setattr(session_timeout, "SILENCE_S_MAX", 0.1)
    cut = threading.Event()
    timeout = session_timeout.SessionTimeout(cut.set)

    def note_frame() -> bool:
        timeout.note_frame()
        return cut.is_set()

    wait_until(note_frame)


def test_a_session_that_has_ended_is_not_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_timeout, "SILENCE_S_MAX", 0.05)
    cut = threading.Event()
    session_timeout.SessionTimeout(cut.set).end()
    assert not cut.wait(0.2)
