"""A replica that is far behind gets the full state instead of the log. The newest commits come with the full state, and
the replica puts these commits into its log."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace

import pytest

from bayou import sender, window
from bayou.anti_entropy import ProtocolError
from bayou.arrivals import Arrivals
from bayou.frames import Ack, Batch, Frame, StateChunk, StateFinish
from bayou.payloads import StatePages
from storage.full_state import Keep
from tests.support.engine_harness import FIRST_US, Cluster, Meeting, Replica, meet, session_of
from tests.support.toy import RULES

KEPT = 4


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a replica send the full state to a peer that lacks only ten commits."""
    monkeypatch.setattr(sender, "FAR_COMMITS_MIN", 10)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(2, keep=Keep(KEPT))


def filled(cluster: Cluster, count: int = 20) -> tuple[Replica, Replica]:
    """Commit `count` writes on two pages. Return (the primary, the other replica); both hold all the writes."""
    primary, other = cluster.replicas
    for number in range(count):
        (primary if number % 2 else other).note(f"n{number}", f"p{number % 2}")
        if not number % 2:
            meet(other, primary)
    meet(other, primary)
    return primary, other


def bodies(meeting: Meeting, end: int) -> int:
    """Return how many whole writes the side `end` (0 or 1) of a session received in batches."""
    return sum(bool(one.body) for frame in meeting.frames(Batch, end) for one in frame.selection.items)


def committed(replica: Replica) -> list[tuple[int | None, str, str]]:
    return [(entry.csn, entry.write.id, entry.outcome) for entry in replica.log(None, 1000) or () if entry.csn]


def test_a_new_replica_gets_the_state_with_the_newest_commits(cluster: Cluster) -> None:
    primary, _ = filled(cluster)
    new = cluster.add("new")
    meeting = meet(new, primary)
    assert meeting.frames(StateFinish, 0)
    assert bodies(meeting, 0) == 0
    assert new.digest() == primary.digest()
    assert committed(new) == committed(primary)[-KEPT:]
    state, there = new.state(), primary.state()
    assert (state.csn, state.last, state.committed_vector) == (there.csn, there.last, there.committed_vector)
    assert state.osn == there.csn - KEPT
    newest = {entry.write.id for entry in primary.log(None, 1000) or ()} - {one for _, one, _ in committed(new)}
    assert all(new.state().omitted_vector[one.partition("@")[2]] >= int(one[:16]) for one in newest)
    primary.note("after", "p0")
    assert bodies(meet(new, primary), 0) == 1


def test_the_log_that_came_with_the_state_is_passed_on(cluster: Cluster) -> None:
    """A replica that lacks only the newest commits gets them as writes, even from a replica that got them with a full
    state."""
    primary, other = filled(cluster)
    for number in range(KEPT - 1):
        primary.note(f"late-{number}", "p1")
    new = cluster.add("new")
    meet(new, primary)
    meeting = meet(other, new)
    assert bodies(meeting, 0) == KEPT - 1
    assert not meeting.frames(StateFinish)
    assert other.digest() == primary.digest()


def test_members_that_are_created_and_retire_among_the_newest_commits(cluster: Cluster) -> None:
    """The vector O describes the commits before the log. So it has no entry for a server that is created in the log,
    and still has an entry for a server that retires in the log."""
    primary, other = filled(cluster, 12)
    before = primary.state()
    made = primary.create(label="made", rest="h:1", anti_entropy="h:2", request="made", now_us=cluster.clock.tick())
    other.retire(cluster.clock.tick())
    meet(other, primary)
    new = cluster.add("new")
    meet(new, primary)
    state = new.state()
    assert len(committed(new)) == KEPT
    assert made in state.vector
    assert made not in state.omitted_vector
    assert other.state().server not in state.vector
    assert other.state().server in state.omitted_vector
    assert before.csn + 2 == state.csn
    primary.truncate(KEPT)
    assert primary.state().omitted_vector == state.omitted_vector


def test_all_commits_that_are_young_come_with_the_state() -> None:
    cluster = Cluster(2, keep=Keep(2, lambda: FIRST_US + 1_000_000))
    primary, _ = filled(cluster)
    cluster.clock.tick()
    for number in range(6):
        primary.note(f"young-{number}", "p0")
    assert primary.state_size().commits >= 6
    new = cluster.add("new")
    meet(new, primary)
    assert len(committed(new)) >= 6
    assert committed(new) == committed(primary)[-len(committed(new)) :]


def test_the_log_is_sent_if_the_state_is_not_cheaper(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    primary, _ = filled(cluster)
    assert primary.state_size().pages + KEPT < primary.state_size().csn
    monkeypatch.setattr(sender, "FAR_SHARE_MAX", 0.1)
    meeting = meet(cluster.add("new"), primary)
    assert not meeting.frames(StateFinish)
    assert bodies(meeting, 0) == primary.state().csn


def test_a_replica_that_lacks_little_gets_the_log(cluster: Cluster) -> None:
    primary, _ = filled(cluster, 9)
    assert not meet(cluster.add("new"), primary).frames(StateFinish)


def test_with_tls_the_log_is_sent() -> None:
    """The commits of the log come with seals. With the seals, the receiver can prove the commits to other replicas."""
    cluster = Cluster(2, signed=True)
    primary, _ = filled(cluster)
    new = cluster.add("new")
    assert not meet(new, primary).frames(StateFinish)
    assert new.digest() == primary.digest()


def test_own_writes_of_the_receiver_stay(cluster: Cluster) -> None:
    primary, _ = filled(cluster)
    new = cluster.add("new")
    new.note("own", "p0", "mine")
    meeting = meet(new, primary)
    assert meeting.frames(StateFinish, 0)
    assert new.page("mine") != ({}, {})
    meet(new, primary)
    assert new.order()[-1] == "!own"
    assert new.digest() == primary.digest()


def test_commits_that_came_with_the_state_are_played_again_after_a_forced_promotion(cluster: Cluster) -> None:
    """The promoted replica lacks the last commits. Another replica got these commits with the full state, and sends
    them to the promoted replica as tentative writes."""
    primary, other = filled(cluster)
    for number in range(KEPT - 1):
        primary.note(f"late-{number}", "p1")
    new = cluster.add("new")
    meet(new, primary)
    other.force(f"{other.label}~zzzzzz", cluster.clock.tick())
    meeting = meet(new, other)
    installed = meeting.ends[0].report.installed
    assert installed is not None
    assert len(installed.revoked) == KEPT - 1
    assert not installed.lost_pages
    assert other.order()[-KEPT + 1 :] == [f"!late-{number}" for number in range(KEPT - 1)]
    meet(new, other)
    assert new.digest() == other.digest()


def test_an_interrupted_state_begins_again_in_the_next_session(cluster: Cluster, small_batches: None) -> None:
    primary, _ = filled(cluster)
    new = cluster.add("new")
    Meeting(new, primary).run(9)
    assert new.state().csn == 0
    meet(new, primary)
    assert new.digest() == primary.digest()
    assert committed(new) == committed(primary)[-KEPT:]


def test_the_state_begins_again_if_the_log_is_truncated_meanwhile(
    cluster: Cluster, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "BYTES_FIRST", 1)  # one frame at a time
    monkeypatch.setattr(window, "BYTES_MAX", 1)
    primary, _ = filled(cluster)
    new = cluster.add("new")
    meeting = Meeting(new, primary)
    while not any(frame.commits for frame in meeting.frames(StateChunk, 0)):
        meeting.step()
    primary.truncate(1)
    meeting.run()
    assert [frame.number for frame in meeting.frames(StateChunk, 0) if frame.first][1:]
    assert [end.report.error for end in meeting.ends] == [None, None]
    assert new.digest() == primary.digest()
    assert committed(new) == committed(primary)[-len(committed(new)) :]


def test_the_log_goes_on_if_the_receiver_cannot_take_the_state(cluster: Cluster) -> None:
    """While the parts of the state arrive, the receiver begins to stage another state, as if another session had
    brought it. So the first state cannot be installed, and the sender sends its log."""
    primary, _ = filled(cluster)
    new = cluster.add("new")
    meeting = Meeting(new, primary)
    while not meeting.frames(StateChunk, 0):
        meeting.step()
    new.stage("", StatePages(), ())
    meeting.run()
    assert [end.report.error for end in meeting.ends] == [None, None]
    assert not [frame for frame in meeting.frames(StateFinish, 0) if frame.plan]
    assert bodies(meeting, 0) == primary.state().csn
    assert new.digest() == primary.digest()


class Two:
    """A new replica that is in two standing sessions at the same time: with the primary and with another replica."""

    def __init__(self, cluster: Cluster) -> None:
        self.primary, self.other = filled(cluster)
        self.new, self.arrivals = cluster.add("new"), Arrivals(0)
        self.first, self.second = self._session(self.primary), self._session(self.other)

    def _session(self, peer: Replica) -> Meeting:
        return Meeting(self.new, peer, arrivals=(self.arrivals, Arrivals(0)))

    def begin(self) -> None:
        """Let the first session bring a part of the state. Then run the second session until nothing is in flight."""
        while not self.first.frames(StateChunk, 0):
            self.first.step()
        self.second.run()


@pytest.fixture
def two(cluster: Cluster, small_batches: None) -> Two:
    found = Two(cluster)
    found.begin()
    return found


def push(meeting: Meeting, end: int) -> None:
    meeting.wires[1 - end].extend(meeting.ends[end].send_new())
    meeting.run()


def test_one_session_at_a_time_brings_a_state(two: Two) -> None:
    """The second session waits until the first one has brought the state. Then nothing is left to send."""
    assert two.new.state().csn == 0
    two.first.run()
    assert two.first.ends[0].take_report().installed is not None
    assert two.new.digest() == two.primary.digest()
    push(two.second, 0)
    assert two.second.ends[0].take_report().installed is None
    assert bodies(two.second, 0) == 0
    two.primary.note("more", "p0")
    push(two.first, 1)
    assert two.new.order()[-1] == "!more"
    assert all(end.is_open for meeting in (two.first, two.second) for end in meeting.ends)


def test_a_session_that_waits_goes_on_when_the_other_one_has_broken(two: Two) -> None:
    push(two.second, 0)
    assert two.new.state().csn == 0
    gone = weakref.ref(two.first.ends[0])
    del two.first
    assert gone() is None
    push(two.second, 0)
    assert two.second.ends[0].take_report().installed is not None
    assert two.new.digest() == two.primary.digest()


def test_a_session_that_waits_can_be_closed(two: Two) -> None:
    two.second.wires[1].extend(two.second.ends[0].close())
    two.second.run()
    assert all(end.finished and end.report.error is None for end in two.second.ends)
    assert two.new.digest() == two.primary.digest()


def without_last(chunk: StateChunk) -> Frame:
    return replace(chunk, commits=chunk.commits[:-1])


def with_gap(chunk: StateChunk) -> Frame:
    first, *rest = chunk.commits
    return replace(chunk, commits=(replace(first, csn=first.csn - 1), *rest))


def with_another_body(chunk: StateChunk) -> Frame:
    *rest, last = chunk.commits
    return replace(chunk, commits=(*rest, replace(last, body=rest[0].body)))


@pytest.mark.parametrize("altered", [without_last, with_gap, with_another_body])
def test_commits_that_do_not_belong_to_the_state_are_refused(
    cluster: Cluster, altered: Callable[[StateChunk], Frame]
) -> None:
    primary, _ = filled(cluster)
    new = cluster.add("new")
    meeting = Meeting(new, primary)
    while not any(isinstance(one, StateFinish) for one in meeting.wires[0]):
        meeting.step(1)
    frames = [altered(one) if isinstance(one, StateChunk) and one.commits else one for one in meeting.wires[0]]
    meeting.wires[0].clear()
    meeting.wires[0].extend(frames)
    try:
        meeting.run()
    except ProtocolError:
        assert altered is not with_another_body
    else:
        error = meeting.ends[0].report.error
        assert error is not None
        assert error.code == "malformed"
    assert new.state().csn == 0


def test_the_end_of_a_full_state_is_acknowledged_by_asking_for_a_new_plan(cluster: Cluster) -> None:
    """The sender refuses an ordinary Ack of the frame that ends the state. From such an Ack, the sender would conclude
    that the receiver also holds the writes after the state."""
    primary, _ = filled(cluster)
    new = cluster.add("new")
    giver, taker = session_of(primary, RULES, initiator=True), session_of(new, RULES, initiator=False)
    giver.start()
    (hello,) = taker.start()
    frames = giver.receive(hello)
    assert isinstance(frames[-1], StateFinish)
    ack = Ack(0, replan=False, csn=0, vector={})
    for _ in frames[:-1]:
        assert giver.receive(ack) == []
    with pytest.raises(ProtocolError, match="Ack"):
        giver.receive(ack)


def test_the_newest_commits_keep_to_the_window(small_batches: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many commits come with the state, at most two frames of commits are in flight."""
    cluster = Cluster(2, keep=Keep(20))
    monkeypatch.setattr(sender, "FAR_SHARE_MAX", 2)
    monkeypatch.setattr(window, "BYTES_FIRST", 300)  # less than a frame with two commits
    monkeypatch.setattr(window, "BYTES_MAX", 300)
    primary, _ = filled(cluster)
    meeting = Meeting(cluster.add("new"), primary)
    while meeting.step():
        assert sum(isinstance(one, StateChunk) and bool(one.commits) for one in meeting.wires[0]) <= 2
    assert sum(len(frame.commits) for frame in meeting.frames(StateChunk, 0)) == 20
