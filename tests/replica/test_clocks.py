"""Two replicas whose clocks differ: by a day, both warn once; by a year, there is no session, and both say why."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from bayou.errors import Away
from replica.anti_entropy.scheduler import Scheduler
from replica.clock import utc_now
from replica.config import Config, ReplicaSettings, read_address
from replica.free_addresses import free_addresses
from storage.store import Store
from tests.support.replica_harness import SETTINGS
from tests.support.sides_harness import RULES, new_stores

TWO = ("one", "two")
BY_HAND = SETTINGS.anti_entropy.model_copy(update={"interval_s": 0.0, "after_write": False})


class Pair:
    """Replicas `one` and `two`. The clock of `two` is ahead by `ahead`."""

    def __init__(self, settings: Config, stores: list[Store]) -> None:
        self.ahead = timedelta()
        clocks = utc_now, lambda: utc_now() + self.ahead
        self.sides = [
            Scheduler(settings, label, store, RULES, clock)
            for label, store, clock in zip(TWO, stores, clocks, strict=True)
        ]

    def meet(self) -> None:
        self.sides[0].sync("two")
        self.sides[1].sync("one")


@contextmanager
def pair() -> Iterator[Pair]:
    free = map(read_address, free_addresses(4))
    replicas = {label: ReplicaSettings.model_construct(rest=next(free), anti_entropy=next(free)) for label in TWO}
    settings = SETTINGS.model_copy(update={"replicas": replicas, "anti_entropy": BY_HAND})
    made = Pair(settings, new_stores(settings, 13, *TWO))
    try:
        for side in made.sides:
            side.start({}, lambda _lost: None)
        yield made
    finally:
        for side in made.sides:
            side.stop()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings since the last call."""
    found = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return found


def test_both_warn_once_of_clocks_that_are_days_apart_and_again_after_they_agreed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pair() as two:
        two.meet()
        assert warnings(caplog) == []
        for _ in range(2):
            two.ahead = timedelta(days=3)
            two.meet()
            two.meet()
            said = warnings(caplog)
            assert len(said) == 2
            assert {line.split(" says ")[0] for line in said} == {"The clock of one", "The clock of two"}
            assert all("correct the wrong one" in line for line in said)
            two.ahead = timedelta(hours=3)
            two.meet()
            assert warnings(caplog) == []


@pytest.mark.parametrize("days", [400, -20_000])
def test_clocks_that_are_years_apart_end_the_session_on_both_sides(days: int) -> None:
    with pair() as two:
        two.meet()
        two.ahead = timedelta(days=days)
        for side, peer in zip(two.sides, reversed(TWO), strict=True):
            with pytest.raises(Away, match=r"The clock of \w+ says .* UTC, and the clock of \w+ says .* UTC. They are"):
                side.sync(peer)
        two.ahead = timedelta()
        two.meet()
