"""The cost of a step: how many commands Redis runs, and how many writes are rolled back. No time is measured."""

from __future__ import annotations

import pytest

from tests.support.engine_harness import Cluster, Commands, Replica, meet

K = 5
OTHERS = 300


def tentative(replica: Replica, count: int) -> None:
    """Let the replica accept `count` tentative writes, each on a page of its own."""
    for number in range(count):
        replica.note(f"other{number}", f"other{number}")


def cost_of(others: int, k: int) -> tuple[int, int]:
    """Let a replica receive a write, and return the cost: (commands of Redis, number of writes rolled back).

    Before that, the replica accepts `k` writes on the same page, and `others` writes on other pages. All of them are
    tentative, and stand after the received write in the order.
    """
    cluster = Cluster(3)
    _, one, two = cluster
    tentative(two, others // 2)
    for number in range(k):
        two.note(f"{number}", "p")
    tentative(two, others // 2)
    cluster.clock.tick(-1_000_000_000)
    one.note("early", "p")
    selection = one.items()
    with Commands(two.client) as commands:
        received = two.receive(selection, "")
    assert received.new == 1
    return commands.total, received.rolled_back


def test_the_cost_of_a_write_before_k_others_depends_on_k_alone() -> None:
    short, long = cost_of(0, K), cost_of(OTHERS, K)
    assert short == long
    assert short[1] == K
    assert cost_of(0, 3 * K)[0] - short[0] <= 8 * 2 * K


def test_a_write_after_all_others_rolls_nothing_back() -> None:
    costs = []
    for count in (3, 30):
        cluster = Cluster(3)
        _, one, two = cluster
        for number in range(count):
            two.note(f"{number}", "p")
        one.note("late", "p")
        selection = one.items()
        with Commands(two.client) as commands:
            received = two.receive(selection, "")
        assert (received.new, received.rolled_back, received.replayed) == (1, 0, 0)
        costs.append(commands.total)
    assert costs[0] == costs[1]


def test_the_cost_of_accepting_does_not_depend_on_the_log() -> None:
    costs = []
    for count in (2, 100):
        replica = Cluster(2).replicas[1]
        tentative(replica, count)
        for number in range(count):
            replica.note(f"{number}", "p")
        with Commands(replica.client) as commands:
            replica.accept_only("last", "p", "q")
        costs.append(commands.total)
    assert costs[0] == costs[1]


def test_commits_in_the_tentative_order_cost_a_few_commands_each() -> None:
    """A commit in the tentative order causes no replay, neither at the primary nor at a replica that receives the
    commit as a notification."""
    cluster = Cluster(2, commit_mode="manual")
    primary, other = cluster
    for number in range(40):
        other.note(f"{number}", "p", f"q{number % 3}")
    meet(other, primary)
    with Commands(primary.client) as commands:
        assert primary.commit() == 40
    assert commands.total <= 40 * 12
    assert "hgetall" not in commands.by_name
    event = primary.events("0-0", 1, 10_000, primary.client)[-1][1]
    assert (event["rolled_back"], event["replayed"]) == (0, 0)
    received = other.receive(primary.items(0, other.state().vector), "")
    assert (received.new, received.rolled_back, received.replayed) == (40, 0, 0)


def test_a_commit_that_is_first_on_its_pages_rolls_nothing_back() -> None:
    """No write is rolled back, even if tentative writes on other pages are earlier in the order."""
    cluster = Cluster(3)
    primary, one, two = cluster
    tentative(one, 20)
    two.note("mine", "p")
    one.receive(two.items(), "")
    one.note("behind", "p")
    primary.receive(two.items(), "")
    received = one.receive(primary.items(0, one.state().vector), "")
    assert (received.new, received.csn, received.rolled_back, received.replayed) == (1, 1, 0, 0)


@pytest.mark.parametrize("committed", [True, False])
def test_the_cost_of_selecting_depends_on_what_is_sent(committed: bool) -> None:
    costs = []
    for count in (10, 200):
        replica = Cluster(2).replicas[0 if committed else 1]
        tentative(replica, count)
        state = replica.state()
        csn, vector = state.csn, dict(state.vector)
        for number in range(3):
            replica.note(f"new{number}", "p")
        with Commands(replica.client) as commands:
            selection = replica.items(csn, vector)
        assert len(selection.items) == 3
        costs.append(commands.total)
        with Commands(replica.client) as commands:
            replica.select_or_fail(0, {}, 3, 1 << 20)
        costs.append(commands.total)
    assert costs[:2] == costs[2:]


def test_the_cost_of_reading_depends_on_what_is_read() -> None:
    costs = []
    for count in (2, 100):
        replica = Cluster(2).replicas[1]
        tentative(replica, count)
        with Commands(replica.client) as commands:
            replica.read(["other0", "other1", "none"])
        costs.append(commands.total)
    assert costs[0] == costs[1]
