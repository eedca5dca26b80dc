"""Over a slow link that often breaks, each session brings a part of what is missing."""

from __future__ import annotations

import pytest

from bayou import sender
from bayou.frames import Batch, Frame, StateChunk, StateFinish
from tests.support.engine_harness import Cluster, Meeting, meet

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
    offered: set[str] = set()
    kinds: list[set[type]] = []
    while new.state().csn < WRITES:
        assert len(kinds) < 20
        session = Meeting(new, primary, offered=offered)
        session.step(1)
        kinds.append({type(frame) for frame in session.wires[0]} & {Batch, StateChunk})
        carry(session)
    assert kinds[:4] == [{StateChunk}, {Batch}, {StateChunk}, {Batch}]
    assert new.digest() == primary.digest()


def test_a_state_that_arrived_may_be_offered_in_the_next_session(cluster: Cluster, far: None) -> None:
    primary, new = cluster
    offered: set[str] = set()
    for number in range(2):
        assert Meeting(new, primary, offered=offered).run().frames(StateFinish, 0)
        for request in range(WRITES):
            primary.note(f"{number}-{request}", *PAGES)
