"""A random script never breaks the runner. Once all links work again, all servers are equal."""

from __future__ import annotations

import random

import pytest

from cluster.drivers.simulated import SimulatedDriver
from tests.support.scenario_harness import run_script

pytestmark = pytest.mark.slow

SERVERS, CLIENTS = ("0", "1", "2", "3"), ("a", "b", "c")
STEPS = 60
SEEDS = range(12)


def random_script(seed: int, steps: int) -> list[str]:
    """Return a script of random commands, many of them impossible.

    No server is promoted by force, because a forced promotion may revoke commits.
    """
    chosen = random.Random(seed)

    def slot() -> str:
        hour = chosen.randrange(9, 12)
        return f"2026-12-01T{hour:02}:00/{hour + chosen.randrange(1, 3):02}:00"

    def command() -> str:
        server, other, client = chosen.choice(SERVERS), chosen.choice(SERVERS), chosen.choice(CLIENTS)
        song, number = chosen.choice("xyz"), chosen.randrange(100)
        return chosen.choices(
            [
                f"put {client} {song} {number}",
                f"delete {client} {song}",
                f"get {client} {song}",
                f"reserve {client} 6.12 {slot()} or {slot()} merge {chosen.choice(('give_up', 'nearest_free_time'))}",
                f"cancel {client} r{chosen.randrange(1, 9)}",
                f"status {client} r{chosen.randrange(1, 9)}",
                f"breakConnection {server} {other}",
                f"restoreConnection {server} {other}",
                f"restoreConnection {client} {server}",
                f"joinServer {server}",
                f"retireServer {server}",
                f"crash {server}",
                f"recover {server}",
                chosen.choice(("pause", "start", "stabilize")),
                f"promote {server}",
                f"truncate {server} {chosen.randrange(4)}",
                f"clock {server} {chosen.choice(('+2h', '-30m', '0'))}",
                f"printVectors {server}",
                f"printLog {server}",
            ],
            weights=[20, 4, 6, 16, 6, 3, 8, 6, 5, 6, 4, 3, 6, 4, 4, 4, 3, 1, 1],
        )[0]

    opening = [f"joinServer {server}" for server in SERVERS[:3]]
    opening += [f"joinClient {client} {server}" for client, server in zip(CLIENTS, SERVERS, strict=False)]
    return opening + [command() for _ in range(steps)]


HEALED = [
    *(f"recover {server}" for server in SERVERS),
    *(f"restoreConnection {one} {other}" for one in SERVERS for other in SERVERS if one < other),
    "start",
    "stabilize",
]


@pytest.mark.parametrize("seed", SEEDS)
def test_all_servers_are_equal_at_the_end_of_a_random_script(seed: int, simulation: SimulatedDriver) -> None:
    result = run_script(simulation, random_script(seed, STEPS) + HEALED)
    assert not [note for note in result.notes if "no session" in note or "[internal]" in note]
    stores = [simulation.store(label) for label in simulation.labels]
    states = [store.state() for store in stores]
    assert len({(store.digest().committed, store.digest().tentative) for store in stores}) == 1
    assert len({(tuple(sorted(state.vector.items())), state.csn) for state in states}) == 1
    assert [state.tentative for state in states] == [0] * len(states)
    assert [state.is_primary for state in states].count(True) == 1
