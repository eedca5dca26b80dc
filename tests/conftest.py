"""What all tests share: fixtures, the fixed seed of Hypothesis, and tests that need what this machine may not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

from bayou import anti_entropy
from cluster.drivers.private_redis import private_redis
from cluster.drivers.simulated import SimulatedDriver
from storage.redis.connect import OpenStorage, open_storage
from tests.simulation.run import Lab, lab
from tests.support.browser import WHY_NO_BROWSER
from tests.support.rooms_harness import Lua
from tests.support.worker_redis import worker_redis

# A failure is the same for everybody who runs the tests. `--hypothesis-profile default` draws new examples instead.
hypothesis.settings.register_profile("fixed", derandomize=True)
hypothesis.settings.load_profile("fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `browser` where there is none."""
    if WHY_NO_BROWSER:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(WHY_NO_BROWSER))


@pytest.fixture(scope="session")
def lua() -> Lua:
    """The rooms' Lua in a real Redis."""
    return Lua(worker_redis())


@pytest.fixture(scope="session")
def simulation_redis() -> Iterator[redis.Redis]:
    """A Redis that simulated clusters empty."""
    with private_redis() as client:
        yield client


@pytest.fixture
def simulation(simulation_redis: redis.Redis) -> Iterator[SimulatedDriver]:
    """A simulated cluster without servers, for a script of the scenario language."""
    cluster = SimulatedDriver(simulation_redis)
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def laboratory() -> Iterator[Lab]:
    """A Redis in which the simulation of many replicas runs."""
    with lab() as opened:
        yield opened


@pytest.fixture
def open_one(tmp_path: Path) -> Iterator[Callable[..., OpenStorage]]:
    """Open the storage of replica `one` at a URL; whatever is still open is closed at the end."""
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
    """Two writes to a batch, so that a session takes many frames."""
    monkeypatch.setattr(anti_entropy, "BATCH_COUNT_MAX", 2)
