"""Two replicas differ in a setting that should be the same for all replicas. Both replicas warn once and continue."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bayou.anti_entropy import hello_of
from bayou.frames import Hello
from replica.anti_entropy.hellos import Hellos
from replica.anti_entropy.protobuf_codec import decode, encode
from replica.anti_entropy.scheduler import Scheduler
from replica.clock import microseconds, utc_now
from replica.config import Config, ReplicaSettings, read_address
from replica.free_addresses import free_addresses
from storage.store import Store
from tests.support.replica_harness import SETTINGS
from tests.support.sides_harness import RULES, new_stores

TWO = ("one", "two")
NOW_US = microseconds(utc_now())
BY_HAND = SETTINGS.anti_entropy.model_copy(update={"interval_s": 0.0, "after_write": False})


@pytest.fixture
def settings() -> Config:
    """Return a configuration with the replicas `one` and `two`, at free addresses. Sessions run only on request."""
    free = map(read_address, free_addresses(4))
    replicas = {label: ReplicaSettings.model_construct(rest=next(free), anti_entropy=next(free)) for label in TWO}
    return SETTINGS.model_copy(update={"replicas": replicas, "anti_entropy": BY_HAND})


@pytest.fixture
def stores(settings: Config) -> list[Store]:
    return new_stores(settings, 14, *TWO)


def said_in(settings: Config, stores: Sequence[Store], auth: Sequence[str], caplog: pytest.LogCaptureFixture) -> str:
    """Run sessions between two replicas, and return the warnings of both replicas. `auth` has the setting `auth` of
    each replica."""
    sides = [
        Scheduler(settings.model_copy(update={"auth": own}), label, store, RULES)
        for label, store, own in zip(TWO, stores, auth, strict=True)
    ]
    caplog.clear()
    try:
        for side in sides:
            side.start({}, lambda _report: None)
        for _ in range(2):
            sides[0].sync("two")
            sides[1].sync("one")
    finally:
        for side in sides:
            side.stop()
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)


def test_both_warn_and_name_the_replica_without_tokens(
    settings: Config, stores: list[Store], caplog: pytest.LogCaptureFixture
) -> None:
    said = said_in(settings, stores, ("tokens", "none"), caplog)
    assert len(said.splitlines()) == 2
    assert said.count("one makes its clients log in, and two does not (auth: none). A client of two can use any") == 2


@pytest.mark.parametrize("auth", ["none", "tokens"])
def test_there_is_no_warning_if_both_have_the_same_setting(
    settings: Config, stores: list[Store], caplog: pytest.LogCaptureFixture, auth: str
) -> None:
    assert said_in(settings, stores, (auth, auth), caplog) == ""


def test_the_warning_comes_again_after_a_change_and_never_for_another_cluster(
    settings: Config, stores: list[Store], caplog: pytest.LogCaptureFixture
) -> None:
    hellos = Hellos("one", settings.cluster_id, {"auth": "tokens", "timezone": "UTC"}, lambda: NOW_US)
    hello = hello_of(stores[1].state(), RULES, NOW_US)

    def warnings_after(heard: Hello) -> int:
        caplog.clear()
        hellos.note(heard)
        return len(caplog.records)

    assert warnings_after(hello) == 0
    assert warnings_after(replace(hello, settings={"auth": "none"})) == 1
    assert warnings_after(replace(hello, settings={"auth": "none"})) == 0
    assert warnings_after(replace(hello, settings={"auth": "tokens"})) == 0
    assert warnings_after(replace(hello, settings={"auth": "none"})) == 1
    assert warnings_after(replace(hello, settings={"auth": "none"}, label="three", cluster="elsewhere")) == 0


def test_both_warn_of_different_time_zones(
    settings: Config, stores: list[Store], caplog: pytest.LogCaptureFixture
) -> None:
    hellos = Hellos("one", settings.cluster_id, {"auth": "none", "timezone": "Europe/Brussels"}, lambda: NOW_US)
    hellos.note(hello_of(stores[1].state(), RULES, NOW_US, {"auth": "none", "timezone": "UTC"}))
    assert "one has the time zone Europe/Brussels, and two has UTC." in caplog.text


def test_a_hello_carries_the_settings(stores: list[Store]) -> None:
    hello = hello_of(stores[0].state(), RULES, NOW_US, {"auth": "tokens", "timezone": "UTC"})
    assert decode(encode(hello)) == hello
