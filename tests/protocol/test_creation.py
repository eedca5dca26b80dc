"""Creation writes: asked again after a lost answer they give the same id, and who has left is forgotten."""

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
    assert [(member.id, member.label) for member in two.members_of_cluster()] == [(first, "four")]


def test_one_request_at_two_replicas_that_are_apart_is_one_member_for_both() -> None:
    cluster = Cluster()
    one, two, _ = cluster
    first, second = create(one, "r1"), create(two, "r1")
    assert first != second
    cluster.heal()
    assert [member.id for member in one.members_of_cluster()] == [first]
    assert one.members_of_cluster() == two.members_of_cluster()
    assert {first, second} < set(one.state().vector)


def test_a_created_server_that_went_on_under_a_minted_id_leaves_with_it() -> None:
    cluster = Cluster(1)
    (one,) = cluster
    four = cluster.add("four")
    four.begin(server=create(one, "r1", four.label), cluster="test", first_primary=False)
    meet(four, one)
    four.begin(server=f"{four.label}~zzzzzz", cluster="test", first_primary=False)
    four.note("n", "p")
    four.retire(four.clock.tick())
    meet(four, one)
    assert one.members_of_cluster() == []
    assert f"{four.label}~zzzzzz" in one.state().retired_servers


def test_the_event_of_a_creation_says_that_it_is_of_the_membership() -> None:
    one, two, _ = Cluster()
    create(one, "r1")
    one.note("n", "p")
    meet(two, one)
    told = [change for _, entry in two.events("0-0", 1, 10, two.client) for change in entry.get("changes", ())]
    assert [change.is_membership for change in told] == [True, False]
