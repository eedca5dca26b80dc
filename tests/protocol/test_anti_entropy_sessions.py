"""Sessions between real stores. Any frame may be lost or repeated, and sessions may run at the same time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayou import sender, window
from bayou.anti_entropy import ProtocolError
from bayou.frames import Ack, Batch, Done, Refuse, StateChunk, StateFinish
from bayou.payloads import Item
from storage import full_state
from tests.support.engine_harness import Cluster, Meeting, meet
from tests.support.invariants import Checker, Look
from tests.support.toy import batch, draft, item, write_of

pytestmark = pytest.mark.usefixtures("small_batches")


def _size(item: Item) -> int:
    return len(item.body) + sender.ITEM_BYTES


def busy(commit_mode: str = "auto") -> Cluster:
    """Return three replicas with writes on the same pages. Each replica holds writes that the other two lack."""
    cluster = Cluster(3, commit_mode=commit_mode)
    for round_ in range(3):
        for number, replica in enumerate(cluster.replicas):
            cluster.clock.tick(-3_000_000 if round_ == 1 else 1_000)
            replica.note(f"{number}{round_}", "p", f"q{round_}")
    return cluster


def settled(cluster: Cluster) -> bool:
    """Return whether all replicas are equal and no write is tentative (invariant 14)."""
    looks = [Look(replica) for replica in cluster.replicas]
    return all(look.shared == looks[0].shared and look.state.tentative == 0 for look in looks)


def test_one_session_serves_both_directions() -> None:
    cluster = busy()
    _, one, two = cluster
    meeting = meet(one, two)
    assert [(end.report.sent, end.report.received) for end in meeting.ends] == [(3, 3), (3, 3)]
    assert [end.report.peer for end in meeting.ends] == [two.label, one.label]
    assert one.digest() == two.digest()
    assert one.state().tentative == 6
    again = meet(two, one)
    assert [(end.report.sent, end.report.received) for end in again.ends] == [(0, 0), (0, 0)]
    assert again.frames(Batch) == []
    Checker(cluster).check()


def test_the_window_grows_with_what_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(3)
    _, one, two = cluster
    for number in range(23):
        one.note(f"{number}", "p")
    monkeypatch.setattr(window, "BYTES_FIRST", 1)
    monkeypatch.setattr(window, "BYTES_MAX", 3 * sum(_size(item) for item in one.items().items[:2]))
    meeting = Meeting(one, two)
    most, at_first = 0, 0
    while meeting.waiting:
        # The receiver is slow: it takes a frame only when the sender has nothing to read.
        meeting.step(0)
        in_flight = sum(isinstance(frame, Batch) for frame in meeting.wires[1])
        most, at_first = max(most, in_flight), at_first or in_flight
    assert (at_first, most) == (1, 3)
    assert [len(frame.selection.items) for frame in meeting.frames(Batch, 1)] == [2] * 11 + [1]
    assert meeting.ends[0].report.sent == meeting.ends[1].report.received == 23
    assert all(end.finished for end in meeting.ends)
    assert two.digest() == one.digest()


def test_commits_of_the_primary_travel_back_in_the_same_session() -> None:
    cluster = busy()
    primary, one, _ = cluster
    meeting = meet(one, primary)
    assert one.state().tentative == 0
    assert one.order() == primary.order()
    back = [found for frame in meeting.frames(Batch, 0) for found in frame.selection.items]
    assert [found.is_notification for found in back] == [False] * 3 + [True] * 3
    assert meeting.frames(Done, 1)
    assert meeting.delivered[-1][0] == 0
    Checker(cluster).check()


def test_a_session_that_the_primary_starts_brings_its_own_commits() -> None:
    """During a session, the primary commits writes that the peer sends. Some of these commits may reach the peer in the
    next session, but no commit is lost."""
    cluster = busy()
    primary, one, _ = cluster
    meet(primary, one)
    assert primary.state().csn == 6
    Checker(cluster).check()
    meet(primary, one)
    assert one.order() == primary.order()


def test_a_write_that_is_accepted_during_a_session_goes_with_it() -> None:
    cluster = Cluster(3)
    _, one, two = cluster
    one.note("before", "p")
    meeting = Meeting(one, two).run(2)
    one.note("during", "p")
    two.note("there", "p")
    meeting.run()
    assert two.order() == one.order() == ["before", "during", "there"]


@pytest.mark.slow
@pytest.mark.parametrize("initiator", [0, 1])
def test_a_link_cut_after_any_frame_loses_nothing_that_was_acknowledged(initiator: int) -> None:
    frames = 0
    while True:
        cluster = busy()
        pair = cluster.replicas[initiator], cluster.replicas[1 - initiator]
        meeting = Meeting(*pair).run(frames)
        held = [len(replica.order()) for replica in pair]
        for end in (0, 1):
            acknowledged = sum(1 for frame in meeting.frames(Ack, end) if not frame.replan)
            assert meeting.ends[end].report.sent <= 2 * acknowledged
            assert held[1 - end] >= meeting.ends[end].report.sent
        Checker(cluster).check()
        if not meeting.waiting:
            break
        frames += 1
        cluster.heal()
        assert settled(cluster)
    assert frames > 12


@pytest.mark.slow
def test_a_repeated_frame_changes_nothing() -> None:
    """The receiver knows the writes of a repeated batch, so the batch has no effect. Any other repeated frame ends the
    session."""
    doubled = 0
    while True:
        cluster = busy()
        primary, one, _ = cluster
        meeting = Meeting(one, primary).run(doubled)
        waiting = meeting.waiting
        if not waiting:
            break
        end = waiting[0]
        frame = meeting.wires[end][0]
        try:
            meeting.step(end, double=True)
            meeting.run()
        except ProtocolError:
            assert not isinstance(frame, Batch) or meeting.frames(Ack)
        checker = Checker(cluster)
        checker.check()
        cluster.heal()
        checker.check()
        assert settled(cluster)
        doubled += 1
    assert doubled > 12


frame_numbers = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.sampled_from([False, False, False, True])), max_size=60
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frame_numbers, st.sampled_from(["auto", "manual"]))
def test_sessions_between_three_may_cross_in_any_way(frames: list[tuple[int, int, bool]], commit_mode: str) -> None:
    """Three sessions run at once. Frames of different sessions arrive in any order, and some frames arrive twice. Then
    all links are cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sender, "BATCH_COUNT_MAX", 2)
        cluster = busy(commit_mode)
        primary, one, two = cluster
        meetings = [Meeting(one, primary), Meeting(two, one), Meeting(primary, two)]
        broken = set()
        for session, end, double in frames:
            if session not in broken:
                try:
                    meetings[session].step(end, double=double)
                except ProtocolError:
                    broken.add(session)
        checker = Checker(cluster)
        checker.check()
        cluster.heal()
        primary.commit()
        cluster.heal()
        checker.check()
        assert settled(cluster)


def test_a_session_makes_a_new_plan_when_a_batch_does_not_fit() -> None:
    """The first batch is lost, so the second batch does not follow the writes that the receiver holds."""
    cluster = Cluster(3, commit_mode="manual")
    primary, one, two = cluster
    for number in range(6):
        one.note(f"{number}", "p")
    meet(one, primary)
    primary.commit()
    slow = Meeting(primary, two).run(3)
    assert slow.frames(Batch) or slow.wires[1]
    kept = [frame for frame in slow.wires[1] if isinstance(frame, Batch)]
    slow.wires[1].remove(kept[0])  # the first batch is lost
    slow.run()
    assert [frame.replan for frame in slow.frames(Ack, 0)].count(True) == 1
    assert {frame.plan for frame in slow.frames(Batch, 1)} == {0, 1}
    assert all(end.finished and end.report.error is None for end in slow.ends)
    assert two.order() == primary.order()
    assert slow.ends[1].report.received == 6
    Checker(cluster).check()


def refused(one: Any, other: Any, code: str, sentence: str, **options: Any) -> None:
    """Run a session. Assert that both sides end the session with the error `code`, that its message
    contains `sentence`, and that neither replica has changed."""
    before = one.dump(), other.dump()
    meeting = Meeting(one, other, **options).run()
    for end in meeting.ends:
        assert end.finished
        assert isinstance(end.report.error, Refuse)
        assert end.report.error.code == code
        assert sentence in end.report.error.message
        assert (end.report.sent, end.report.received) == (0, 0)
        with pytest.raises(ProtocolError, match="after the end"):
            end.receive(Done())
    assert (one.dump(), other.dump()) == before


def test_another_cluster_is_refused() -> None:
    cluster = Cluster(1)
    primary = cluster.replicas[0]
    stranger = cluster.add("stranger", cluster="elsewhere")
    primary.note("a", "p")
    stranger.note("b", "p")
    refused(primary, stranger, "other_cluster", "Start both replicas with the same configuration file")


def test_a_replica_of_another_birth_is_refused() -> None:
    """Two clusters have the same name but different births (first primaries). Each of the two replicas has met another
    replica of its own cluster."""
    ours, theirs = Cluster(2), Cluster(2)
    for cluster in (ours, theirs):
        cluster.replicas[1].note("a", "p")
        cluster.heal()
    refused(ours.replicas[1], theirs.replicas[1], "other_birth", "two clusters of the same name")


def test_a_replica_refuses_itself() -> None:
    primary = Cluster(1).replicas[0]
    primary.note("a", "p")
    refused(primary, primary, "same_server", "Check the addresses")


def test_forks_and_other_histories_end_the_session_on_both_sides() -> None:
    """Both sides end the session with an error. Writes that were received before the fork are kept."""
    cluster = Cluster(3)
    _, one, two = cluster
    first = write_of(draft("note", "x1", ["p"]), 5, 0, "x~aaaaaa")
    left, right = (write_of(draft("note", name, ["p"]), stamp, 5, "x~aaaaaa") for stamp, name in ((7, "l"), (9, "r")))
    for replica, fork in ((one, left), (two, right)):
        replica.receive(batch(item(first), item(fork)), "")
    one.note("good", "p")
    meeting = Meeting(one, two).run()
    errors = [end.report.error for end in meeting.ends]
    assert all(error is not None and error.code == "fork" for error in errors)
    assert "used twice" in str(errors[0])
    assert "l" not in two.order() or "r" not in one.order()
    assert not {"l", "r"} <= set(one.order())
    assert not {"l", "r"} <= set(two.order())


def test_replicas_that_know_no_birth_exchange_writes_and_learn_the_birth_later() -> None:
    cluster = Cluster(3, met=False)
    primary, one, two = cluster
    one.note("a", "p")
    two.note("b", "p")
    meet(one, two)
    assert (one.state().birth, one.state().tentative) == ("", 2)
    meet(primary, one)
    meet(two, one)
    assert {replica.state().birth for replica in cluster} == {primary.server()}
    cluster.heal()
    assert settled(cluster)


def behind_a_promotion() -> tuple[Cluster, Meeting]:
    """Return a cluster, and a session between r1 and r2. A forced promotion of r1 has revoked a commit of r0, and r2
    still holds this commit. So r1 sends r2 a full state, and r2 has taken the first part. r3 has the history of r1."""
    cluster = Cluster(4)
    primary, one, two, three = cluster
    primary.note("a", "p")
    meet(primary, two)
    one.force(f"{one.label}~zzzzzz", cluster.clock.tick())
    one.note("a", "q")
    meet(one, three)
    session = Meeting(one, two)
    while not session.frames(StateChunk, 1):
        session.step()
    return cluster, session


def test_a_full_state_that_another_session_has_superseded_is_sent_again() -> None:
    cluster, session = behind_a_promotion()
    _, one, two, three = cluster
    other = Meeting(three, two)
    while not other.frames(StateChunk, 1):
        other.step()
    session.run()
    assert all(end.finished and end.report.error is None for end in session.ends)
    assert two.state().history == one.state().history
    cluster.replicas = [one, two, three]
    cluster.heal()
    assert one.digest() == two.digest() == three.digest()


def test_a_session_ends_if_another_history_has_come_during_the_full_state() -> None:
    cluster, session = behind_a_promotion()
    _, _, two, three = cluster
    while not isinstance(session.wires[1][0], StateFinish):
        session.step(1)
    two.force(f"{two.label}~zzzzzz", cluster.clock.tick())  # a later promotion than that of r1
    session.run()
    assert [end.report.code for end in session.ends] == ["busy", "busy"]
    meet(two, three)
    assert three.state().history == two.state().history


def test_a_session_that_cannot_send_a_later_history_does_not_end_as_if_it_had_sent_everything() -> None:
    """A retired replica may leave as soon as a session with a peer has succeeded. So a session that could not send
    everything must not count as a success."""
    cluster = Cluster(3)
    _, one, two = cluster
    session = Meeting(one, two)
    one.force(f"{one.label}~zzzzzz", cluster.clock.tick())  # after its hello
    one.note("a", "p")
    session.run()
    assert [end.report.code for end in session.ends] == ["busy", "busy"]
    meet(one, two)
    assert two.digest() == one.digest()


def test_a_full_state_includes_pages_that_were_emptied() -> None:
    """A page that a commit has emptied is part of the full state. Without this page, the receiver would keep the old
    fields of the page."""
    cluster = Cluster(2, met=False)
    giver, taker = cluster
    giver.put(draft("set", "made", ["p"], fields=[["x", "y"]]))
    meet(giver, taker)
    assert taker.page("p") == ({"x": "y"}, {"x": "y"})
    giver.put(draft("wipe", "gone", ["p"], page="p", notes=[]))
    giver.note("kept", "q")
    giver.truncate(0)
    meeting = meet(giver, taker)
    assert meeting.frames(StateChunk)
    assert [end.report.error for end in meeting.ends] == [None, None]
    assert taker.page("p") == ({}, {})
    assert taker.digest() == giver.digest()


def test_a_full_state_brings_many_lists_in_few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most users have few reservations. So one part of a full state has the entries of many lists. If each part had
    only one list, there would be many more parts."""
    monkeypatch.setattr(full_state, "PART_ENTRIES", 20)
    monkeypatch.setattr(full_state, "PART_LISTS", 10)
    cluster = Cluster(2)
    giver, taker = cluster
    names = [f"user:u{number}" for number in range(45)]
    for name in names:
        giver.put(draft("note", f"of-{name}", ["p"], entries=[name, "a"]))
    for number in range(60):
        giver.put(draft("note", f"long-{number}", ["p"], entries=["long", f"m{number:03}"]))
    giver.truncate(0)
    sizes = [
        (len(frame.lists), sum(len(part.entries) for part in frame.lists))
        for frame in meet(giver, taker).frames(StateChunk)
        if frame.lists
    ]
    assert max(lists for lists, _ in sizes) <= 10
    assert max(entries for _, entries in sizes) <= 20
    assert len(sizes) <= 10, "45 lists with an entry each, and one with 60"
    assert [taker.list_entries(name) for name in names] == [["a"]] * len(names)
    assert taker.list_entries("long") == [f"m{number:03}" for number in range(60)]
