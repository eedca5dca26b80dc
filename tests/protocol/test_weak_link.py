"""Over a slow link that often breaks, each session brings a part of what is missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import pytest

from bayou import sender, window
from bayou.arrivals import Arrivals
from bayou.frames import Batch, Frame, StateChunk, StateFinish
from bayou.window import PeerMemory
from tests.support.engine_harness import Cluster, Meeting, Replica, meet

LINK_BYTES = 20_000  # that the link carries before it breaks
WRITES = 80
PAGES = [f"a-page-with-a-long-name-{number}" for number in range(15)]


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster(2)
    for number in range(WRITES):
        cluster.replicas[0].note(f"{number}", *PAGES)
    return cluster


def size(frame: Frame) -> int:
    match frame:
        case Batch(_, selection):
            return sum(len(item.body) for item in selection.items)
        case StateChunk(pages=pages, commits=commits):
            return len(pages.text) + sum(len(one.body) for one in commits)
    return 0


def carry(meeting: Meeting) -> None:
    """Deliver the frames of a session to both sides. Stop when LINK_BYTES have gone to side 0."""
    left = LINK_BYTES
    while meeting.waiting:
        end = meeting.waiting[0]
        left -= size(meeting.wires[0][0]) if end == 0 else 0
        if left < 0:
            break
        meeting.step(end)


def test_batches_begin_small_and_grow(cluster: Cluster) -> None:
    primary, new = cluster
    while (before := new.state().csn) < WRITES:
        carry(Meeting(new, primary))
        assert new.state().csn > before
    sizes = [size(frame) for frame in meet(cluster.add("last"), primary).frames(Batch, 0)]
    assert [each // sender.BATCH_BYTES_FIRST for each in sizes] == [1, 2, 0]


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a replica send the full state to a peer that lacks only ten commits."""
    monkeypatch.setattr(sender, "FAR_COMMITS_MIN", 10)
    monkeypatch.setattr(sender, "FAR_SHARE_MAX", 10.0)


def test_after_a_state_that_was_broken_off_the_log_is_sent(cluster: Cluster, far: None) -> None:
    primary, new = cluster
    memory = PeerMemory()
    kinds: list[set[type]] = []
    while new.state().csn < WRITES:
        assert len(kinds) < 20
        session = Meeting(new, primary, memory=memory)
        session.step(1)
        kinds.append({type(frame) for frame in session.wires[0]} & {Batch, StateChunk})
        carry(session)
    assert kinds[:2] == [{StateChunk}, {Batch}]
    assert kinds.count({StateChunk}) == 1
    assert not memory.offered
    assert new.digest() == primary.digest()


def test_a_state_that_arrived_may_be_offered_in_the_next_session(cluster: Cluster, far: None) -> None:
    primary, new = cluster
    memory = PeerMemory()
    for number in range(2):
        assert Meeting(new, primary, memory=memory).run().frames(StateFinish, 0)
        assert not memory.offered
        for request in range(WRITES):
            primary.note(f"{number}-{request}", *PAGES)


def test_a_peer_that_asks_for_a_new_plan_is_offered_the_state_later(cluster: Cluster, far: None) -> None:
    """Two replicas offer the state at the same time, and the new replica takes only one of the two."""
    primary, other = cluster
    meet(other, primary)
    new, arrivals = cluster.add("new"), Arrivals(0)
    memories = [PeerMemory(), PeerMemory()]
    meetings = [
        Meeting(new, peer, arrivals=(arrivals, Arrivals(0)), memory=memory)
        for peer, memory in zip((primary, other), memories, strict=True)
    ]
    for meeting in meetings:
        meeting.step(1)
        meeting.step(0)
    assert all(memory.offered for memory in memories)
    for meeting in (*meetings, meetings[1]):
        meeting.wires[1].extend(meeting.ends[0].send_new())
        meeting.run()
    assert new.state().csn == WRITES
    assert not any(memory.offered for memory in memories)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the window begin with the whole log, and let a batch have few writes."""
    monkeypatch.setattr(window, "BYTES_FIRST", 100_000)
    monkeypatch.setattr(window, "BYTES_MIN", 1_000)
    monkeypatch.setattr(sender, "BATCH_BYTES_FIRST", 1_000)
    monkeypatch.setattr(sender, "BATCH_BYTES_MAX", 1_000)
    monkeypatch.setattr(sender, "BATCH_COUNT_MAX", 2)


def queues(
    meeting: Meeting, replicas: Iterable[Replica], bytes_per_s: float, round_trip_s: float = 0.2
) -> Iterator[int]:
    """Run a session over a link that has this speed in each direction. After each frame, yield how many bytes were on
    their way to side 0."""
    arrivals_us: tuple[deque[float], deque[float]] = (deque(), deque())  # of the frames that are on their way
    is_free_us = [0.0, 0.0]  # when the link to a side has sent everything
    now_us = max(replica.clock.now_us for replica in replicas)
    while meeting.waiting:
        for end, wire in enumerate(meeting.wires):
            for frame in list(wire)[len(arrivals_us[end]) :]:
                is_free_us[end] = max(is_free_us[end], now_us) + size(frame) / bytes_per_s * 1e6
                arrivals_us[end].append(is_free_us[end] + round_trip_s / 2 * 1e6)
        end = min(meeting.waiting, key=lambda one: arrivals_us[one][0])
        now_us = int(arrivals_us[end].popleft())
        for replica in replicas:
            replica.clock.now_us = now_us
        meeting.step(end)
        for side in (0, 1):
            while frames := meeting.ends[side].send_more():
                meeting.wires[1 - side].extend(frames)
        yield sum(map(size, meeting.wires[0]))


@pytest.mark.parametrize("is_two_way", [False, True])
def test_the_queue_of_a_slow_link_becomes_short(cluster: Cluster, small: None, is_two_way: bool) -> None:
    primary, new = cluster
    for number in range(WRITES if is_two_way else 0):
        new.note(f"new-{number}", *PAGES)
    memory, link = PeerMemory(), 5_000
    assert max(queues(Meeting(new, primary, memory=memory), cluster.replicas, link)) > 5 * link
    assert memory.window_bytes[new.state().server] < 3 * link
    for number in range(WRITES):
        primary.note(f"more-{number}", *PAGES)
    second = max(queues(Meeting(new, primary, memory=memory), cluster.replicas, link))
    assert 0.5 * link < second < 3 * link, "the next session begins with a short queue"


def test_a_long_round_trip_is_no_queue(cluster: Cluster, small: None) -> None:
    primary, new = cluster
    memory = PeerMemory()
    assert max(queues(Meeting(new, primary, memory=memory), cluster.replicas, 200_000, round_trip_s=3.0))
    assert not memory.window_bytes
    assert new.digest() == primary.digest()


def test_small_writes_say_nothing_about_the_link(cluster: Cluster, small: None) -> None:
    primary, new = cluster
    memory, server = PeerMemory(window_bytes={new.state().server: 20_000}), new.state().server
    meeting = Meeting(new, primary, arrivals=(Arrivals(0), Arrivals(0)), memory=memory)
    assert list(queues(meeting, cluster.replicas, 1_000_000))
    learned = memory.window_bytes[server]
    for number in range(WRITES):
        primary.note(f"small-{number}", "p")
        meeting.wires[0].extend(meeting.ends[1].send_new())
        assert list(queues(meeting, cluster.replicas, 1_000, round_trip_s=0.2 if number % 2 else 9.0))
    assert memory.window_bytes[server] == learned


def test_batches_with_seals_grow_too() -> None:
    """A batch ends with the last commit that its seals cover, even if it has not reached the limit of bytes. The limit
    still doubles for the next batch."""
    signed = Cluster(2, signed=True)
    primary, second = signed
    for number in range(600):
        primary.note(f"{number}", *PAGES)
        meet(second, primary)
    batches = meet(signed.add("third"), second).frames(Batch, 0)
    assert max(map(size, batches)) > 4 * sender.BATCH_BYTES_FIRST


def test_an_own_write_does_not_wait_behind_writes_that_have_just_arrived() -> None:
    cluster = Cluster(4)
    _, one, two, three = cluster
    arrivals = Arrivals(0.1, lambda: 100.0)
    meeting = Meeting(two, three, arrivals=(arrivals, Arrivals(0))).run()
    for number in range(WRITES):
        one.accept_only(f"{number}", *PAGES)
    Meeting(one, two, arrivals=(Arrivals(0), arrivals)).run()
    two.accept_only("own", "p")
    (frame,) = meeting.ends[0].send_new()
    assert isinstance(frame, Batch)
    assert [item.id.endswith(two.state().server) for item in frame.selection.items] == [True]
