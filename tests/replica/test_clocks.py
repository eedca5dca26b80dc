"""Two replicas have different clocks. If the clocks differ by more than a day, both replicas warn once. If the clocks
differ by more than a year, no session takes place, and both replicas say why."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from bayou.errors import Away
from replica.anti_entropy.scheduler import Scheduler
from replica.clock import CLOCK_VARIABLE, microseconds, utc_now
from replica.config import Config, ReplicaSettings, read_address
from replica.free_addresses import free_addresses
from storage.store import Store
from tests.support.forked import Forked
from tests.support.joined import ask, code, reserve
from tests.support.live import live
from tests.support.replica_harness import SETTINGS
from tests.support.sides_harness import RULES, new_stores
from tests.support.waiting import wait_until

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
            side.start({}, lambda _report: None)
        yield made
    finally:
        for side in made.sides:
            side.stop()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings that were logged since the last call."""
    found = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return found


def is_refused(side: Scheduler) -> bool:
    """Return whether the last session with the only peer was refused because of the clocks."""
    (peer,) = side.status()
    return "more than a year apart" in ((peer["last_session"] or {}).get("error") or "")


def test_both_warn_once_of_clocks_that_are_days_apart_and_again_if_the_clocks_have_agreed_meanwhile(
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
            assert all("Correct the wrong clock." in line for line in said)
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
            for end in two.sides:
                wait_until(partial(is_refused, end))
        two.ahead = timedelta()
        two.meet()


@pytest.mark.process
def test_a_clock_that_was_ahead_is_named_and_the_option_restored_sets_the_stamps_back(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    with live(tmp_path / "data", ("one", "two"), anti_entropy={"interval_s": 0, "after_write": False}) as processes:
        processes.stop("one")
        address = str(processes.settings.replica("one").rest)

        @contextmanager
        def running(at: str, *options: str) -> Iterator[None]:
            """Run `one` with its clock at the time `at`."""
            file.write_text(str(microseconds(datetime.fromisoformat(at))), encoding="ascii")
            _, *words = processes.command("one")
            process = Forked([*words, *options], processes.environment | {CLOCK_VARIABLE: str(file)})
            assert process.stdout is not None
            with process.stdout:
                try:
                    wait_until(lambda: answers(address))
                    yield
                finally:
                    process.terminate()
                    process.wait(30)

        with running("2030-01-01T00:00+00:00"):
            assert reserve(address, "r1", 9).status_code == 201
        with running("2027-01-01T00:00+00:00"):
            answer = reserve(address, "r2", 10)
            assert code(answer) == (409, "clock_behind")
            assert "says 2027-01-01 00:00 UTC. The newest stamp" in answer.text
            assert "is 2030-01-01 00:0" in answer.text
        with running("2027-01-01T00:00+00:00", "--restored"):
            assert reserve(address, "r2", 10).status_code == 201


def answers(address: str) -> bool:
    try:
        return ask(address, "GET", "/replica").ok
    except OSError:
        return False
