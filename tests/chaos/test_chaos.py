"""A short chaos run. `make chaos` starts a longer run."""

from __future__ import annotations

import sys

import pytest

from tests.chaos.run import RunOptions, run

pytestmark = pytest.mark.slow


@pytest.mark.skipif(
    sys.platform != "linux",
    reason="the test finds and limits processes through /proc and prlimit, which only Linux has",
)
@pytest.mark.timeout(300)
def test_no_acknowledged_reservation_is_lost_or_doubled_whatever_is_killed() -> None:
    result = run(RunOptions(seconds=12, kills=5, seed="suite", replicas=3))
    shown = "\n".join(result.lines())
    assert result.wrong == [], shown
    assert result.books.acknowledged, shown
    assert result.books.kills, shown
