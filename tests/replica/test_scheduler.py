"""When sessions start by themselves."""

from __future__ import annotations

from itertools import cycle, islice

import pytest

from replica.anti_entropy.scheduler import PAUSE_S_FIRST, pauses_s
from replica.config import AntiEntropySettings


@pytest.fixture(autouse=True)
def extremes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance takes the least and the most in turn."""
    turns = cycle((False, True))
    monkeypatch.setattr("random.uniform", lambda least, most: most if next(turns) else least)


@pytest.mark.parametrize(
    ("policy", "least", "most"),
    [
        (AntiEntropySettings(interval_s=10, jitter=0.25), 7.5, 12.5),
        (AntiEntropySettings(interval_s=4, jitter=1, after_write=False), 0, 8),
        (AntiEntropySettings(interval_s=4, jitter=0), 4, 4),
    ],
)
def test_each_pause_is_varied_anew_by_the_share_that_is_configured(
    policy: AntiEntropySettings, least: float, most: float
) -> None:
    assert list(islice(pauses_s(policy), 5)) == [0, most, least, most, least]
    assert next(pauses_s(policy)) == PAUSE_S_FIRST, "the first one is soon, and not at once everywhere"


def test_without_an_interval_there_is_one_round_at_the_start_or_none() -> None:
    assert len(list(islice(pauses_s(AntiEntropySettings(interval_s=0)), 3))) == 1
    assert list(islice(pauses_s(AntiEntropySettings(interval_s=0, after_write=False)), 3)) == []
