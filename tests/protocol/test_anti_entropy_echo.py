"""In a session, a peer's writes do not go back to that peer, even if the peer accepted them after its hello."""

from __future__ import annotations

import pytest

from bayou import sender
from bayou.frames import Batch
from bayou.payloads import Item
from tests.support.engine_harness import Cluster, Meeting, Replica, meet
from tests.support.invariants import Checker

ROUNDS = 4

pytestmark = pytest.mark.usefixtures("small_batches")


def came_to(meeting: Meeting, end: int) -> list[Item]:
    """Return all items that the side `end` (0 or 1) of the session has received, in order."""
    return [found for frame in meeting.frames(Batch, end) for found in frame.selection.items]


def bodies(items: list[Item]) -> list[str]:
    return [found.id for found in items if found.body]


def while_it_lasts(meeting: Meeting, *writers: Replica) -> Meeting:
    """Run a session. After the hellos, interrupt it ROUNDS times. Each time, let each of the writers accept a write."""
    meeting.run(2)
    for round_ in range(ROUNDS):
        for writer in writers:
            writer.note(f"{writer.label}-{round_}", "p")
        meeting.run(2)
    return meeting.run()


def with_backlog(*replicas: Replica) -> None:
    """Give each replica 12 writes. So many writes keep the session running while `while_it_lasts` adds more writes."""
    for number in range(12):
        for replica in replicas:
            replica.note(f"{replica.label}-before-{number}", "p")


def no_echo(meeting: Meeting) -> None:
    """Assert that no write was sent twice, and that the reports of the session agree."""
    there, back = bodies(came_to(meeting, 1)), bodies(came_to(meeting, 0))
    assert len({*there, *back}) == len(there) + len(back)
    for end, other in (meeting.ends, meeting.ends[::-1]):
        assert end.finished
        assert end.report.error is None
        assert end.report.sent == other.report.received


@pytest.mark.parametrize("writer", [0, 1])
def test_a_write_that_one_side_accepts_during_a_session_travels_once(writer: int) -> None:
    cluster = Cluster(3)
    pair = _, one, two = cluster.replicas
    with_backlog(one, two)
    meeting = while_it_lasts(Meeting(one, two), pair[1 + writer])
    no_echo(meeting)
    assert one.digest() == two.digest()
    counts = [len(came_to(meeting, end)) for end in (1, 0)]
    assert counts == [12 + ROUNDS * (writer == 0), 12 + ROUNDS * (writer == 1)]
    assert [end.report.sent for end in meeting.ends] == counts
    Checker(cluster).check()


def test_writes_that_both_sides_accept_during_a_session_travel_once() -> None:
    cluster = Cluster(3)
    _, one, two = cluster
    with_backlog(one, two)
    meeting = while_it_lasts(Meeting(one, two), one, two)
    no_echo(meeting)
    assert one.digest() == two.digest()
    assert [end.report.sent for end in meeting.ends] == [12 + ROUNDS, 12 + ROUNDS]
    Checker(cluster).check()


def test_the_primary_sends_notifications_of_writes_that_were_accepted_during_the_session() -> None:
    cluster = Cluster(2)
    primary, one = cluster
    with_backlog(one)
    meeting = while_it_lasts(Meeting(one, primary), one)
    no_echo(meeting)
    assert one.digest() == primary.digest()
    back = came_to(meeting, 0)
    assert [found.csn for found in back] == list(range(1, 12 + ROUNDS + 1))
    assert bodies(back) == []
    assert one.state().tentative == 0
    Checker(cluster).check()


def test_commits_that_the_primary_makes_during_a_session_do_not_come_back() -> None:
    cluster = Cluster(2)
    primary, one = cluster
    with_backlog(one, primary)
    meeting = while_it_lasts(Meeting(primary, one), primary)
    no_echo(meeting)
    assert [found.csn for found in came_to(meeting, 0)] == [None] * 12
    assert len(bodies(came_to(meeting, 1))) == 12 + ROUNDS
    cluster.heal()
    assert one.digest() == primary.digest()
    Checker(cluster).check()


def created(cluster: Cluster, at: Replica, label: str) -> Replica:
    """Let `at` create a server, and let the new server meet `at` once. Return the new server."""
    server = at.create(label=label, rest="h:1", anti_entropy="h:2", request=label, now_us=cluster.clock.tick())
    made = Replica(cluster.client, f"{label}-{cluster.number}", cluster.clock)
    made.begin(server=server, cluster="test", first_primary=False)
    meet(made, at)
    return made


@pytest.mark.parametrize("writer", [0, 1])
def test_writes_of_a_server_that_was_created_and_retired_during_a_session_travel_once(writer: int) -> None:
    """The peer creates the server, and receives all writes of this server. Then the peer itself accepts another
    write."""
    cluster = Cluster(3)
    _, one, two = cluster
    with_backlog(one, two)
    meeting = Meeting(one, two).run(2)
    peer, other = (one, two) if writer == 0 else (two, one)
    fourth = created(cluster, peer, "fourth")
    meeting.run(2)
    fourth.note("its", "p")
    meet(fourth, peer)
    meeting.run(2)
    fourth.note("last", "p")
    fourth.retire(cluster.clock.tick())
    meet(fourth, peer)
    peer.note("behind", "p")
    meeting.run()
    no_echo(meeting)
    assert peer.digest() == other.digest()
    assert {"its", "last", "behind"} <= set(other.order())
    assert fourth.server() not in other.state().vector


def test_a_creation_from_another_replica_does_not_hide_the_writes_of_the_created_server() -> None:
    """The replicas `one` and `two` have a session. Meanwhile the replica `two` gets the creation of a server and a
    later write from the creator. The replica `two` sends the later write to the replica `one`. From this write, the
    replica `one` must not conclude that the replica `two` holds the writes of the created server."""
    cluster = Cluster(4)
    _, one, two, creator = cluster
    with_backlog(two)
    for number in range(30):  # the creation waits behind these
        one.note(f"{number}", "p")
    fourth = created(cluster, creator, "fourth")
    fourth.note("its", "p")
    fourth.retire(cluster.clock.tick())
    meet(fourth, one)
    meeting = Meeting(one, two).run(2)
    creator.note("next", "p")
    meet(creator, two)
    meeting.run()
    assert {"its", "next"} <= set(two.order())
    assert one.digest() == two.digest()


def test_the_primary_sends_notifications_of_the_last_writes_of_a_retired_peer() -> None:
    """The primary notices that the peer holds these writes, although a retired server has no entry in the vector."""
    cluster = Cluster(2)
    primary, one = cluster
    with_backlog(one)
    one.retire(cluster.clock.tick())
    meeting = meet(one, primary)
    no_echo(meeting)
    assert bodies(came_to(meeting, 0)) == []
    assert one.digest() == primary.digest()


def test_a_creation_committed_by_another_replica_does_not_hide_the_writes_of_the_created_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The replica `two` sends the commit of a creation to the replica `one`, as a notification without a body. A
    notification does not show that the commit creates a server. So the replica `one` must still send the writes of the
    created server to the replica `two`."""
    monkeypatch.setattr(sender, "BATCH_COUNT_MAX", 1)
    cluster = Cluster(4)
    primary, one, two, creator = cluster
    with_backlog(two)
    for number in range(30):  # the creation waits behind these
        one.note(f"{number}", "p")
    fourth = created(cluster, creator, "fourth")
    meet(primary, creator)  # `creator` does not get the commit of its creation
    creator.note("next", "p")
    fourth.note("its", "p")
    meet(fourth, creator)
    meet(creator, one)
    assert one.state().csn == 0
    meeting = Meeting(one, two).run(2)
    meet(two, primary)
    meeting.run()
    assert (1, False) in [(found.csn, bool(found.body)) for found in came_to(meeting, 0)]
    assert {"next", "its"} <= set(two.order())
    assert one.digest() == two.digest()


def test_a_creation_after_the_peers_full_state_does_not_hide_the_writes_of_the_created_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The primary sends a full state to the replica `one`, and then commits the creation of a server. The replica `one`
    gets the commit as a notification. A notification does not show that the commit creates a server. So the replica
    `one` must still send the writes of the created server to the primary."""
    monkeypatch.setattr(sender, "BATCH_COUNT_MAX", 1)
    cluster = Cluster(4)
    primary, one, creator, carrier = cluster
    for number in range(8):
        primary.note(f"old-{number}", f"page-{number}")
    primary.truncate(0)
    for number in range(20):  # the creation waits behind these
        one.note(f"{number}", "p")
    fourth = created(cluster, creator, "fourth")
    meet(carrier, creator)
    creator.note("next", "p")
    fourth.note("its", "p")
    meet(fourth, creator)
    meet(creator, one)
    meeting = Meeting(one, primary).run(2)
    meet(carrier, primary)
    meeting.run()
    assert meeting.ends[0].report.installed is not None
    assert {"!next", "!its"} <= set(primary.order())
    assert one.digest() == primary.digest()
