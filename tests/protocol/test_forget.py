"""The vectors keep their entries for a forgotten server. So a replica still takes writes of the forgotten server from
any peer."""

from __future__ import annotations

from tests.support.engine_harness import Cluster, Replica, meet


def forget(at: Replica, lost: Replica) -> None:
    at.forget_server(lost.label, at.clock.tick())


def committed(replica: Replica) -> set[str]:
    return {entry.write.request for entry in replica.log(None, 20) or () if entry.csn is not None}


def test_writes_of_a_forgotten_server_are_taken_wherever_they_turn_up() -> None:
    one, two, three = Cluster()
    for number, holder in enumerate((one, two)):
        three.note(f"w{number}", "p")
        meet(holder, three)
    three.note("w2", "p")  # only the replica `three` holds this write
    forget(one, three)
    meet(one, two)
    assert committed(one) >= {"w0", "w1"}
    assert "w2" not in committed(one)
    one.truncate(0)
    assert three.state().server in one.state().vector
    meet(three, two)  # it was not lost after all
    meet(one, two)
    assert "w2" in committed(one)
    assert one.forgotten() == two.forgotten() == three.forgotten() == {three.label}


def test_a_forgotten_server_comes_back_under_its_id() -> None:
    one, two, three = Cluster()
    three.note("w0", "p")
    forget(two, three)
    meet(two, one)
    meet(three, one)
    server = three.state().server
    three.come_back(three.clock.tick())
    three.note("w1", "p")
    for pair in ((one, three), (two, one)):
        meet(*pair)
    assert committed(two) >= {"w0", "w1"}
    assert three.state().server == server
    assert one.forgotten() == two.forgotten() == set()
    assert two.digest() == one.digest()


def test_a_replica_that_has_not_heard_of_a_return_may_forget_the_server_again() -> None:
    one, two, three = Cluster()
    forget(one, three)
    meet(three, one)
    three.come_back(three.clock.tick())
    forget(two, three)
    meet(one, three)
    meet(one, two)
    meet(three, one)
    assert one.forgotten() == {three.label}, "the later write counts"
    three.come_back(three.clock.tick())
    meet(one, three)
    assert one.forgotten() == set()


def test_a_forgotten_server_that_retires_counts_as_retired() -> None:
    one, two, three = Cluster()
    forget(one, three)
    three.retire(three.clock.tick())
    meet(two, three)
    meet(one, two)
    assert one.forgotten() == set()
    assert three.state().server in one.state().retired_servers
