"""Standing sessions: each side sends new writes as soon as they arrive. The two sides can also confirm to each other
that everything has been sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from bayou.arrivals import Arrivals
from bayou.frames import Ack, Batch, Done, Frame, Holds, Sync
from bayou.payloads import Item
from bayou.sender import SMALL_FRAMES_MAX
from tests.support.engine_harness import Cluster, Meeting, Replica, meet
from tests.support.invariants import Checker


class Standing(Meeting):
    """A standing session between two replicas. The session has already sent all writes that the replicas held when it
    began. `given` is empty or has two `Arrivals`: first the initiator's, then the responder's."""

    def __init__(self, initiator: Replica, responder: Replica, *given: Arrivals) -> None:
        here, there = given or (Arrivals(0), Arrivals(0))
        super().__init__(initiator, responder, arrivals=(here, there))
        self.replicas = (initiator, responder)
        self.run()
        self.delivered.clear()

    def send(self, end: int, frames: list[Frame]) -> Standing:
        self.wires[1 - end].extend(frames)
        self.run()
        return self

    def push(self, end: int) -> Standing:
        return self.send(end, self.ends[end].send_new())

    def tell(self, end: int) -> Standing:
        return self.send(end, self.ends[end].tell(self.replicas[end].state()))

    def sync(self, end: int) -> int:
        number, frames = self.ends[end].sync()
        self.send(end, frames)
        return number

    def items(self, end: int) -> list[Item]:
        """Return the items that the side `end` (0 or 1) of the session has received."""
        return [item for frame in self.frames(Batch, end) for item in frame.selection.items]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(3)


def test_a_write_and_its_commit_need_one_batch_each_way(cluster: Cluster) -> None:
    primary, one, _ = cluster
    session = Standing(one, primary)
    assert all(end.is_quiet for end in session.ends)
    one.note("a", "p")
    session.push(0)
    assert not primary.state().tentative, "an automatic primary commits it"
    session.push(1)
    assert [(item.csn, bool(item.body)) for item in session.items(1)] == [(None, True)]
    assert [(item.csn, bool(item.body)) for item in session.items(0)] == [(1, False)]
    assert len(session.delivered) == 4  # two batches, and two acknowledgements
    assert one.state().csn == 1
    assert all(end.is_quiet and not end.finished for end in session.ends)
    Checker(cluster).check()


def test_nothing_new_sends_nothing(cluster: Cluster) -> None:
    session = Standing(cluster.replicas[1], cluster.replicas[2])
    for end in (0, 1):
        session.push(end).tell(end)
    assert session.delivered == []


def test_a_replica_does_not_send_what_the_peer_has_told_that_it_holds(cluster: Cluster) -> None:
    primary, one, two = cluster
    session = Standing(one, two)
    primary.note("a", "p")
    meet(primary, one)
    meet(primary, two)
    session.tell(1)
    assert [type(frame) for _, frame in session.delivered] == [Holds]
    session.push(0)
    assert session.items(1) == []
    session.push(1)  # the replica `one` has sent no Holds, so its peer sends the item
    assert len(session.items(0)) == 1


def test_what_the_two_have_sent_each_other_is_not_told(cluster: Cluster) -> None:
    primary, one, _ = cluster
    session = Standing(one, primary)
    one.note("a", "p")
    session.push(0).push(1)
    assert one.state().csn == primary.state().csn == 1
    session.delivered.clear()
    session.tell(0).tell(1)
    assert session.delivered == []


@dataclass
class Observed:
    """A store that counts how often it is used."""

    store: Replica
    uses: int = 0

    def __getattr__(self, name: str) -> Any:
        self.uses += 1
        return getattr(self.store, name)


def test_a_light_frame_is_taken_without_the_store(cluster: Cluster) -> None:
    primary, one, two = cluster
    stores = Observed(one), Observed(two)
    session = Meeting(*stores, arrivals=(Arrivals(0), Arrivals(0)))
    lights = 0

    def run() -> None:
        nonlocal lights
        while session.waiting:
            end = session.waiting[0]
            is_light, uses = session.ends[end].is_light(session.wires[end][0]), stores[end].uses
            session.step(end)
            lights += is_light
            assert stores[end].uses == uses or not is_light

    run()
    assert not lights, "the first frames need the store"
    for number in range(3):
        one.note("a", f"p{number}")
        two.note("b", f"q{number}")
        meet(primary, one)
        for end in (0, 1):
            session.wires[1 - end].extend([*session.ends[end].tell(stores[end].state()), *session.ends[end].send_new()])
        run()
    kinds = {type(frame) for _, frame in session.delivered}
    assert {Ack, Holds} <= kinds
    assert lights >= 6
    for number in range(SMALL_FRAMES_MAX + 1):  # the last one has to wait for an acknowledgement
        one.note("a", f"r{number}")
        session.wires[1].extend(session.ends[0].send_new())
    run()
    assert one.state().vector == two.state().vector


def test_what_has_just_arrived_waits_until_the_pause_is_over(cluster: Cluster) -> None:
    primary, one, two = cluster
    now_s = 0.0
    arrivals = Arrivals(0.01, lambda: now_s)
    to_two = Standing(one, two, arrivals, Arrivals(0))
    from_primary = Standing(primary, one, Arrivals(0), arrivals)
    primary.note("a", "p")
    from_primary.push(0)
    one.note("b", "q")
    to_two.push(0)
    assert [item.csn for item in to_two.items(1)] == [None], "the write of one itself need not wait for the commit"
    now_s = 0.02
    to_two.push(0)
    assert [item.csn for item in to_two.items(1)] == [None, 1]


def test_a_write_does_not_wait_for_the_commit_of_the_one_before_it(cluster: Cluster) -> None:
    primary, one, _ = cluster
    session = Standing(one, primary, Arrivals(0.01, lambda: 0.0), Arrivals(0))
    one.note("a", "p")
    session.push(0)
    assert one.state().csn == 1, "the commit has just arrived"
    one.note("a", "q")
    session.push(0)
    assert len(session.items(1)) == 2


def test_the_pause_grows_with_what_is_passed_on_in_vain_and_shrinks_with_what_the_peer_lacked(cluster: Cluster) -> None:
    primary, one, two = cluster
    now_s = 0.0
    arrivals = Arrivals(0.01, lambda: now_s)
    to_two = Standing(one, two, arrivals, Arrivals(0))
    from_primary = Standing(primary, one, Arrivals(0), arrivals)
    for number in range(3):  # the primary sends each write to both replicas, and replica `two` sends no Holds
        primary.note("a", f"p{number}")
        meet(primary, two)
        from_primary.push(0)
        now_s += 1
        to_two.push(0)
    assert to_two.ends[0].pause_s == pytest.approx(0.08)
    one.note("b", "q")
    to_two.push(0)
    assert to_two.ends[0].pause_s == pytest.approx(0.08), "own writes do not wait, so they do not change the pause"
    for number in range(10):  # from now on, the primary does not send to `two`
        primary.note("a", f"r{number}")
        from_primary.push(0)
        now_s += 1
        to_two.push(0)
    assert to_two.ends[0].pause_s == 0.01


def test_the_pause_grows_if_only_the_commit_was_new_to_the_peer(cluster: Cluster) -> None:
    primary, one, two = cluster
    now_s = 0.0
    arrivals = Arrivals(0.01, lambda: now_s)
    from_one = Standing(one, primary, Arrivals(0), arrivals)
    to_two = Standing(primary, two, arrivals, Arrivals(0))
    one.note("a", "p")
    meet(one, two)
    from_one.push(0)
    now_s += 1
    to_two.push(0)
    assert [(item.csn, bool(item.body)) for item in to_two.items(1)] == [(1, True)]
    assert to_two.ends[0].pause_s == pytest.approx(0.02)


def test_a_sync_is_answered_when_both_sides_have_sent_everything(cluster: Cluster) -> None:
    _, one, two = cluster
    session = Standing(one, two)
    one.note("a", "p")
    two.note("b", "q")
    number = session.sync(0)
    assert session.ends[0].syncs_answered == number
    assert session.frames(Sync) == [Sync(number), Sync(number, is_answer=True)]
    assert one.state().vector == two.state().vector
    assert session.sync(0) == number + 1


def test_a_session_is_closed_when_its_hello_is_no_longer_true(cluster: Cluster) -> None:
    primary, one, two = cluster
    session = Standing(one, two)
    assert not session.ends[0].has_changed(one.state())
    meet(primary, one)
    primary.note("a", "p")
    meet(primary, one)
    assert session.ends[0].has_changed(one.state()), "its log has writes of an application now"
    one.note("b", "p")
    session.send(0, session.ends[0].close())
    assert all(end.finished for end in session.ends)
    assert len(session.frames(Done)) == 2
    assert session.items(1) == [], "the next session sends it"
    assert [end.report.error for end in session.ends] == [None, None]


def test_a_session_does_not_stay_open_if_one_side_does_not_offer_it(cluster: Cluster) -> None:
    _, one, two = cluster
    meeting = Meeting(one, two, arrivals=(Arrivals(0), None)).run()
    assert all(end.finished for end in meeting.ends)
    assert all(end.send_new() == [] for end in meeting.ends)


def test_frames_of_standing_sessions_are_refused_in_other_sessions(cluster: Cluster) -> None:
    _, one, two = cluster
    for frame in (Holds(0, {}, ()), Sync(1), Sync(5, is_answer=True)):
        meeting = Meeting(one, two).run(2)
        with pytest.raises(Exception, match="not allowed at this point"):
            meeting.ends[0].receive(frame)
    session = Standing(one, two)
    with pytest.raises(Exception, match="not allowed at this point"):
        session.ends[0].receive(Sync(1, is_answer=True))


def test_a_session_sends_nothing_of_a_history_that_began_after_its_hellos(cluster: Cluster) -> None:
    """The replica `two` holds a forced promotion and a later promotion. The later promotion has revoked the forced
    promotion, so the forced promotion is tentative at this replica. The replica `one` does not know the later
    promotion. So the replica `one` would regard the tentative promotion as a forgery."""
    primary, one, two = cluster
    primary.note("a", "p")
    for peer in (one, two):
        meet(primary, peer)
    session = Standing(one, two)
    primary.note("b", "p")
    meet(primary, one)  # a commit that the promotions revoke
    primary.force("first~zzzzzz", cluster.clock.tick())
    for name in ("second~zzzzzz", "third~zzzzzz"):
        two.force(name, cluster.clock.tick())
    meet(primary, two)
    assert "first~zzzzzz" in two.state().vector  # the replica has its first write, the promotion
    session.push(1)
    assert session.items(0) == []
    assert not session.ends[0].finished
    meet(one, two)
    assert one.state().history == two.state().history
