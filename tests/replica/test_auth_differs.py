"""Two replicas of which one asks its clients for tokens and the other does not: both say so, once, and go on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from apps import APPLICATIONS
from bayou.anti_entropy import hello_of
from bayou.frames import Hello
from cluster.local import free_addresses
from replica.anti_entropy.grpc_transport import Unary
from replica.anti_entropy.protobuf_codec import decode, encode
from replica.anti_entropy.scheduler import Scheduler
from replica.config import Config, ReplicaSettings, read_address
from storage.store import Store
from tests.support.replica_harness import SETTINGS
from tests.support.sides_harness import TAGS, founded

TWO = ("one", "two")
BY_HAND = SETTINGS.anti_entropy.model_copy(update={"interval_s": 0.0, "after_write": False})


class NoMembership:
    """Nobody comes, and nobody goes."""

    def unary(self) -> Mapping[str, Unary]:
        return {}

    def after_session(self, code: str | None, vector_of_peer: Mapping[str, int]) -> None:
        pass


@pytest.fixture
def settings() -> Config:
    """For `one` and `two`, at addresses that are free, with sessions on request alone."""
    free = map(read_address, free_addresses(4))
    replicas = {label: ReplicaSettings.model_construct(rest=next(free), anti_entropy=next(free)) for label in TWO}
    return SETTINGS.model_copy(update={"replicas": replicas, "anti_entropy": BY_HAND})


@pytest.fixture
def stores(settings: Config) -> list[Store]:
    return founded(settings, 14, *TWO)


def said_in(settings: Config, stores: Sequence[Store], auth: Sequence[str], caplog: pytest.LogCaptureFixture) -> str:
    """What both say while they meet twice, each with its `auth`."""
    sides = [
        Scheduler(settings.model_copy(update={"auth": own}), label, store, APPLICATIONS)
        for label, store, own in zip(TWO, stores, auth, strict=True)
    ]
    caplog.clear()
    try:
        for side in sides:
            side.start(NoMembership())
        for _ in range(2):
            sides[0].sync("two")
            sides[1].sync("one")
    finally:
        for side in sides:
            side.stop()
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)


def test_where_they_differ_both_say_which_one_is_the_open_door(
    settings: Config, stores: list[Store], caplog: pytest.LogCaptureFixture
) -> None:
    said = said_in(settings, stores, ("tokens", "none"), caplog)
    assert len(said.splitlines()) == 2
    assert said.count("one asks its clients for tokens, and two does not (auth: none). Whoever reaches two may") == 2


@pytest.mark.parametrize("auth", ["none", "tokens"])
def test_where_they_do_not_differ_nothing_is_said(
    settings: Config, stores: list[Store], caplog: pytest.LogCaptureFixture, auth: str
) -> None:
    assert said_in(settings, stores, (auth, auth), caplog) == ""


def test_it_is_said_again_when_it_has_changed_and_never_of_one_that_does_not_tell(
    settings: Config, stores: list[Store], caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = Scheduler(settings.model_copy(update={"auth": "tokens"}), "one", stores[0], APPLICATIONS)
    hello = hello_of(stores[1].state(), TAGS)

    def warnings_after(heard: Hello) -> int:
        caplog.clear()
        scheduler._met(heard)
        return len(caplog.records)

    assert warnings_after(hello) == 0
    assert warnings_after(replace(hello, asks_for_tokens=False)) == 1
    assert warnings_after(replace(hello, asks_for_tokens=False)) == 0
    assert warnings_after(replace(hello, asks_for_tokens=True)) == 0
    assert warnings_after(replace(hello, asks_for_tokens=False)) == 1
    assert warnings_after(replace(hello, asks_for_tokens=False, label="three", cluster="elsewhere")) == 0


@pytest.mark.parametrize("told", [None, False, True])
def test_a_hello_carries_it_or_leaves_it_out(stores: list[Store], told: bool | None) -> None:
    hello = hello_of(stores[0].state(), TAGS, told)
    message = encode(hello)
    assert message.hello.HasField("asks_for_tokens") == (told is not None)
    assert decode(message) == hello
