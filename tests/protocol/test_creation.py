"""Creation writes: a repeated request creates one server, and a created server can retire."""

from __future__ import annotations

from tests.support.engine_harness import Cluster, Replica, meet


def create(at: Replica, request: str, label: str = "four") -> str:
    return at.create(label=label, rest="h:1", anti_entropy="h:2", request=request, now_us=at.clock.tick())


def test_the_same_request_creates_one_server() -> None:
    one, two, _ = Cluster()
    first = create(one, "r1")
    assert create(one, "r1") == first
    meet(two, one)
    assert create(two, "r1") == first
    assert create(one, "r2", "five") != first
    assert [(member.id, member.label) for member in two.members()] == [(first, "four")]


def test_one_request_at_two_disconnected_replicas_creates_one_member() -> None:
    cluster = Cluster()
    one, two, _ = cluster
    first, second = create(one, "r1"), create(two, "r1")
    assert first != second
    cluster.heal()
    assert [member.id for member in one.members()] == [first]
    assert one.members() == two.members()
    assert {first, second} < set(one.state().vector)


def test_a_created_server_that_took_a_minted_id_can_retire() -> None:
    cluster = Cluster(1)
    (one,) = cluster
    four = cluster.add("four")
    four.begin(server=create(one, "r1", four.label), cluster="test", first_primary=False)
    meet(four, one)
    four.begin(server=f"{four.label}~zzzzzz", cluster="test", first_primary=False)
    four.note("n", "p")
    four.retire(four.clock.tick())
    meet(four, one)
    assert one.members() == []
    assert f"{four.label}~zzzzzz" in one.state().retired_servers


def test_the_event_of_a_creation_is_marked_as_membership() -> None:
    one, two, _ = Cluster()
    create(one, "r1")
    one.note("n", "p")
    meet(two, one)
    changes = [change for _, entry in two.events("0-0", 1, 10, two.client) for change in entry.get("changes", ())]
    assert [change.is_membership for change in changes] == [True, False]
