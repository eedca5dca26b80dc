"""When a replica starts sessions by itself, and what a replica does after a peer has refused a session."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, cycle, islice, repeat
from pathlib import Path
from typing import Any

import grpc
import pytest

from bayou.anti_entropy import Report
from bayou.errors import Conflict
from bayou.frames import Refuse
from cluster.local import write_configuration
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.grpc_channel import SERVICE
from replica.anti_entropy.scheduler import PAUSE_S_FIRST, Scheduler, pauses_s, retry_pause_s
from replica.anti_entropy.session_registry import SessionRegistry
from replica.config import Address, AntiEntropySettings, Config, load
from storage.store import Store
from tests.support.engine_harness import memory_redis
from tests.support.toy import RULES, TOY


@pytest.fixture
def extremes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace random.uniform by a function that returns the lower bound and the upper bound alternately."""
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
@pytest.mark.usefixtures("extremes")
def test_each_pause_varies_by_the_configured_share(policy: AntiEntropySettings, least: float, most: float) -> None:
    assert list(islice(pauses_s(policy), 5)) == [0, most, least, most, least]
    assert next(pauses_s(policy)) == PAUSE_S_FIRST, "the first round is soon, at a random moment"


def test_without_an_interval_there_is_at_most_one_round_at_the_start() -> None:
    assert len(list(islice(pauses_s(AntiEntropySettings(interval_s=0)), 3))) == 1
    assert list(islice(pauses_s(AntiEntropySettings(interval_s=0, after_write=False)), 3)) == []


def test_a_peer_that_is_down_is_called_less_and_less_often_however_long_it_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("random.uniform", lambda _least, _most: 1.0)
    assert [retry_pause_s(failures) for failures in (1, 2, 3, 5, 6, 100_000)] == [0.4, 0.8, 1.6, 6.4, 10, 10]


@contextmanager
def peer_of_another_release(address: Address, *refusals: tuple[str, str]) -> Iterator[None]:
    """Run a peer that refuses every session. For each session, `refusals` has a code and a message."""
    left = iter(refusals)

    def exchange(_messages: Any, _context: grpc.ServicerContext) -> Iterator[wire.Frame]:
        code, message = next(left)
        yield wire.Frame(refuse=wire.Refuse(code=code, message=message))

    handler = grpc.stream_stream_rpc_method_handler(
        exchange, request_deserializer=wire.Frame.FromString, response_serializer=wire.Frame.SerializeToString
    )
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Exchange": handler}),))
    server.add_insecure_port(str(address))
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()
        assert next(left, None) is None, "it was called as often as the test says"


CUT = ("link_cut", "No sessions with you for now.")


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    by_hand = {"anti_entropy": {"interval_s": 0, "after_write": False}}  # nothing else calls the peer
    return load(write_configuration(tmp_path, ("one", "two"), by_hand))


@pytest.fixture
def scheduler(settings: Config) -> Iterator[Scheduler]:
    store = Store(memory_redis(), "one", [TOY])
    store.begin(server="one~aaaaaa", cluster=settings.cluster_id, first_primary=True)
    scheduler = Scheduler(settings, "one", store, RULES)
    yield scheduler
    scheduler.stop()


def test_a_session_that_breaks_during_a_sync_is_followed_by_another_one(
    settings: Config, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standing session breaks if the peer calls at the same moment."""

    class Standing:
        async def sync(self) -> Report:
            return Report(error=Refuse("broken_off", "The peer ended the session early."))

    standing = chain([Standing()], repeat(None))
    monkeypatch.setattr(SessionRegistry, "standing", lambda _registry, _peer: next(standing))
    with (
        peer_of_another_release(settings.replica("two").anti_entropy, CUT),
        pytest.raises(Conflict, match="two has cut the link to this replica"),
    ):
        scheduler.sync("two")


def test_a_refusal_is_known_by_its_code_however_another_release_words_it(
    settings: Config, scheduler: Scheduler
) -> None:
    """A peer that refuses a session as busy is called again, and the refusal is not recorded as a failure."""
    busy = ("busy", "Another session is open; come back later.")
    with (
        peer_of_another_release(settings.replica("two").anti_entropy, busy, busy, CUT),
        pytest.raises(Conflict, match="two has cut the link to this replica") as refusal,
    ):
        scheduler.sync("two")
    assert refusal.value.code == "link_cut"
    (status,) = scheduler.status()
    assert status["last_session"]["error"] == CUT[1], "busy refusals are not noted"
