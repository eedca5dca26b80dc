"""A replica receives a batch that does not fit. Examples are a batch with a gap, with a fork or with a notification of
an unknown write, and a batch from another committed log. The replica stores only the writes before the first write that
does not fit."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from bayou.payloads import Item, Received
from tests.support.engine_harness import FIRST_US, Cluster, Replica, meet
from tests.support.invariants import Checker
from tests.support.toy import batch, draft, item, write_of

X = "x~aaaaaa"


@pytest.fixture
def replica() -> Replica:
    """A replica that is not the primary, with one write of its own."""
    replica: Replica = Cluster(2).replicas[1]
    replica.note("mine", "p")
    return replica


def chain(count: int, origin: str = X, start: int = FIRST_US) -> list[Any]:
    """Return `count` consecutive writes of one origin."""
    stamps = [start + number for number in range(count)]
    prevs = [0, *stamps]
    return [write_of(draft("note", f"{origin[0]}{i}", ["p"]), stamps[i], prevs[i], origin) for i in range(count)]


def receive(replica: Replica, *items: Item, **after: Any) -> Received:
    """Receive a batch from a peer with the same history."""
    return replica.receive(batch(*items, history=replica.state().history, **after), "")


def stored_only(replica: Replica, items: list[Item], good: int, status: str) -> None:
    """Assert that the batch stops with `status`, and that only its first `good` items are stored."""
    cluster = Cluster(2)
    twin = cluster.replicas[1]
    twin.receive(replica.items(), "")
    receive(twin, *items[:good])
    received = receive(replica, *items)
    assert (received.status, received.taken) == (status, good)
    assert replica.order() == twin.order()
    assert (replica.state().vector, replica.state().csn) == (twin.state().vector, twin.state().csn)
    assert replica.digest().tentative == twin.digest().tentative
    again = replica.dump()
    assert receive(replica, *items).status == status
    assert replica.dump() == again


@pytest.mark.parametrize("good", [0, 1, 2])
def test_a_hole_in_the_writes_of_an_origin_stops_the_batch(replica: Replica, good: int) -> None:
    first, second, third, fourth = chain(4)
    items = [[second], [first, third], [first, second, fourth]][good]
    stored_only(replica, [item(write) for write in items], good, "hole")


def test_a_hole_in_the_commits_stops_the_batch(replica: Replica) -> None:
    first, second, third = chain(3)
    receive(replica, item(first, 1), item(second))
    before = replica.dump()
    received = receive(replica, item(third, 3), after_csn=2, after_id=second.id)
    assert (received.status, received.taken, received.new) == ("hole", 0, 0)
    assert replica.dump() == before


def test_two_writes_after_the_same_write_are_a_fork(replica: Replica) -> None:
    """A fork shows that two servers use one id, which invariant 10 forbids."""
    first, second = chain(2)
    other = write_of(draft("note", "fork", ["p"]), second.stamp + 5, first.stamp, X)
    stored_only(replica, [item(first), item(second), item(other)], 2, "fork")


def test_a_commit_with_its_body_may_fork(replica: Replica) -> None:
    first, second = chain(2)
    other = write_of(draft("note", "fork", ["p"]), second.stamp + 5, first.stamp, X)
    stored_only(replica, [item(first, 1), item(second, 2), item(other, 3)], 2, "fork")


def test_a_notification_of_an_unknown_write_stops_the_batch(replica: Replica) -> None:
    first, second = chain(2)
    stored_only(replica, [item(first, 1), item(second, 2, bare=True)], 1, "unknown")


def test_a_batch_from_another_committed_log_is_refused(replica: Replica) -> None:
    """A batch names the commit that precedes it. So the receiver notices that the batch continues another committed
    log."""
    first, second = chain(2)
    (stranger,) = chain(1, "y~aaaaaa")
    receive(replica, item(first, 1))
    before = replica.dump()
    received = receive(replica, item(second, 2), after_csn=1, after_id=stranger.id)
    assert (received.status, received.taken, received.new) == ("diverged", 0, 0)
    assert receive(replica, item(stranger, 1), item(second, 2)).status == "diverged"
    assert replica.dump() == before
    assert receive(replica, item(second, 2), after_csn=1, after_id=first.id).status == "taken"


def test_known_writes_are_skipped(replica: Replica) -> None:
    """A replica skips commits up to its CSN, and tentative writes that its vector covers."""
    writes = chain(3)
    commits = [item(write, number) for number, write in enumerate(writes, start=1)]
    receive(replica, *commits[:2])
    before = replica.dump()
    known = receive(replica, *commits[:2], item(writes[0]), item(writes[1]))
    assert (known.status, known.taken, known.new) == ("taken", 4, 0)
    assert replica.dump() == before
    part = receive(replica, *commits)
    assert (part.status, part.taken, part.new, part.csn) == ("taken", 3, 1, 3)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"stamp":"1"}'], ids=["nothing", "no JSON", "a list", "half a write"]
)
def test_a_body_that_is_not_a_write_aborts_the_transaction(replica: Replica, body: bytes) -> None:
    (first,) = chain(1)
    (second,) = chain(1, "y~aaaaaa")
    before = replica.dump()
    with pytest.raises((redis.ResponseError, ValueError)):
        receive(replica, item(first), Item(second.id, None, body))
    assert replica.dump() == before


def test_an_empty_batch_is_taken(replica: Replica) -> None:
    before = replica.dump()
    received = receive(replica)
    assert (received.status, received.taken, received.new) == ("taken", 0, 0)
    assert replica.dump() == before


def test_a_primary_in_auto_mode_commits_what_it_receives() -> None:
    cluster = Cluster(2)
    primary, other = cluster
    writes = chain(3)
    received = primary.receive(batch(*(item(write) for write in writes)), other.label)
    assert (received.new, received.csn, received.rolled_back) == (3, 3, 0)
    assert primary.order() == ["!x0", "!x1", "!x2"]
    event = primary.events("0-0", 1, 10, primary.client)[-1][1]
    assert (event["kind"], event["from"], event["rolled_back"]) == ("received", other.label, 0)
    assert [(change.write, change.csn) for change in event["changes"]] == [
        (write.id, number) for number, write in enumerate(writes, start=1)
    ]
    Checker(cluster).check()


def test_a_selection_ends_at_its_bounds_and_begins_at_the_vectors() -> None:
    cluster = Cluster(2, commit_mode="manual")
    primary, other = cluster
    for number in range(3):
        other.note(f"c{number}", "p")
    meet(other, primary)
    primary.commit()
    for number in range(3):
        primary.note(f"t{number}", "p")
    whole = primary.items()
    assert [found.csn for found in whole.items] == [1, 2, 3, None, None, None]
    assert [found.is_notification for found in primary.items(0, other.state().vector).items[:4]] == [True] * 3 + [False]
    assert primary.items(3).after_id == primary.state().last
    for count in (1, 2, 4):
        assert primary.select_or_fail(0, {}, count, 1 << 20).items == whole.items[:count]
    size = len(whole.items[0].body)
    assert primary.select_or_fail(0, {}, 9, 1).items == whole.items[:1]
    assert primary.select_or_fail(0, {}, 9, size + 1).items == whole.items[:2]
    assert primary.select_or_fail(3, {str(other.server()): FIRST_US}, 9, 1 << 20).items == whole.items[3:]
    assert primary.items(3, primary.state().vector).items == ()
    assert primary.items(9, primary.state().vector).items == ()


def test_tentative_writes_of_several_origins_are_sent_in_log_order() -> None:
    """The log is in the order of stamps (Petersen 1997, section 3.2), so the receiver rolls back nothing."""
    _, one, two = Cluster(3)
    for number in range(3):
        one.note(f"1{number}", "p")
        two.note(f"2{number}", "p")
    meet(one, two)
    ids = [found.id for found in one.items().items]
    assert ids == sorted(ids)
    assert one.order() == ["10", "20", "11", "21", "12", "22"]
