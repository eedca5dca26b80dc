"""A small run of the real kills; `make chaos` runs for longer."""

from __future__ import annotations

import sys

import pytest

from tests.chaos.run import Wish, run

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found and limited by Linux' own means")
@pytest.mark.timeout(300)
def test_no_acknowledged_reservation_is_lost_or_doubled_whatever_is_killed() -> None:
    result = run(Wish(seconds=12, kills=5, seed="suite", replicas=3))
    shown = "\n".join(result.lines())
    assert result.wrong == [], shown
    assert result.books.acknowledged, shown
    assert result.books.kills, shown
