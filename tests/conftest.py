"""Fixtures for all tests. Hypothesis uses a fixed seed, and browser tests are skipped without a browser."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

from bayou import sender
from cluster.drivers.private_redis import private_redis
from cluster.drivers.simulated import SimulatedDriver
from storage.redis.connect import OpenStorage, open_storage
from tests.simulation.run import Lab, lab
from tests.support.browser import WHY_NO_BROWSER
from tests.support.rooms_harness import Lua
from tests.support.worker_redis import worker_redis

# Containers often tell Python to write no bytecode. Then each worker and each process that a test starts would compile
# all our code again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Every run draws the same examples, so that a failure can be repeated. `--hypothesis-profile default` draws new ones.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `browser` if no browser is installed."""
    if WHY_NO_BROWSER:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(WHY_NO_BROWSER))


def pytest_collection_finish() -> None:
    """Exclude all objects that exist now, such as code, from garbage collection. The collector then looks only at
    objects that tests make."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def own_client_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the client's files out of the home folder. Remove the developer's BAYOU_… variables from the environment."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("BAYOU_")]:
            environment.delenv(name)
        environment.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def lua() -> Lua:
    """Return an object that plays writes with the Lua of the rooms application in a real Redis."""
    return Lua(worker_redis())


@pytest.fixture(scope="session")
def simulation_redis() -> Iterator[redis.Redis]:
    """Start a private Redis, which each simulated cluster empties before use."""
    with private_redis() as client:
        yield client


@pytest.fixture
def simulation(simulation_redis: redis.Redis) -> Iterator[SimulatedDriver]:
    """Return a simulated cluster without any server. A test runs a script of the scenario language in this cluster."""
    cluster = SimulatedDriver(simulation_redis)
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def laboratory() -> Iterator[Lab]:
    """Return a laboratory, which runs simulations of many replicas in its own Redis."""
    with lab() as opened:
        yield opened


@pytest.fixture
def open_one(tmp_path: Path) -> Iterator[Callable[..., OpenStorage]]:
    """Return a function that opens the storage of replica `one` at a URL. Close all open storages at the end."""
    all_opened: list[OpenStorage] = []

    def open_it(
        url: str = "embedded", data: Path = tmp_path, on_restart: Callable[[redis.Redis], object] = lambda _: None
    ) -> OpenStorage:
        all_opened.append(open_storage(url, data, "one", on_restart))
        return all_opened[-1]

    yield open_it
    for opened in all_opened:
        opened.close(clean=False)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit a batch to two writes, so that an anti-entropy session needs many frames."""
    monkeypatch.setattr(sender, "BATCH_COUNT_MAX", 2)
