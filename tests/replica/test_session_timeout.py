"""A session ends when its peer has gone quiet, and not because it takes long."""

from __future__ import annotations

import threading

import pytest

from replica.anti_entropy import session_timeout as patience
from tests.support.waiting import wait_until

BOUND_S = 30.0


def test_who_is_heard_of_goes_on_and_who_is_not_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SILENCE_S_MAX", 1.0)
    cut = threading.Event()
    watched = patience.Patience(cut.set)
    for _ in range(15):  # longer than it may be quiet
        assert not cut.wait(0.1)
        watched.hear()
    assert cut.wait(BOUND_S)


def test_there_is_an_end_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SESSION_S_MAX", 0.1)
    monkeypatch.setattr(patience, "SILENCE_S_MAX", 0.1)
    cut = threading.Event()
    watched = patience.Patience(cut.set)

    def hear() -> bool:
        watched.hear()
        return cut.is_set()

    wait_until(hear)


def test_what_has_ended_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SILENCE_S_MAX", 0.05)
    cut = threading.Event()
    patience.Patience(cut.set).end()
    assert not cut.wait(0.2)
