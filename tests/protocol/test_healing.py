"""A copy of a replica's data has run under the id of the original. The replicas become equal again by themselves, and
in the end every acknowledged write is in the log (docs/design.md, "A copy that has run")."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from bayou.anti_entropy import Report
from bayou.errors import Conflict
from bayou.export import Importer, export_volumes
from bayou.handshake import FORK_OF_MEMBERS, LOGS_DIFFER
from bayou.healing import PAUSE_S, Cure, Healing
from storage.identity_file import mint
from tests.support.engine_harness import Cluster, Meeting, Replica
from tests.support.toy import RULES

Copy = list[tuple[bytes, Any]]
Healings = dict[str, Healing]


def copy_of(replica: Replica) -> Copy:
    """Return a copy of a replica's data."""
    return [(key, replica.client.dump(key)) for key in replica.client.scan_iter(replica.prefix + "*", count=1000)]


def put(copy: Copy, source: Replica, target: Replica) -> None:
    """Replace the data of `target` with `copy`, which was made of `source`. Only the label of `target` stays."""
    target.forget()
    for key, content in copy:
        target.client.restore(key.decode().replace(source.prefix, target.prefix), 0, content)
    target.client.hset(target.key("meta"), "label", target.label)


def session(one: Replica, other: Replica, healings: Healings, originals: Sequence[Replica] = ()) -> None:
    """Run a session. Then heal both replicas, as a running replica does after a session.

    If `originals` is not empty, a primary that is not in `originals` is a copy. Healing may need a new epoch. The
    primary then begins the epoch, but a copy takes a new id instead.
    """
    meeting = Meeting(one, other).run()
    for replica, end in zip((one, other), meeting.ends, strict=True):
        healing = healings.setdefault(replica.label, Healing())
        cure = healing.cure(end.report, replica.state())
        fresh = mint(replica.label)
        is_copy = cure is Cure.NEW_EPOCH and bool(originals) and replica not in originals
        if cure is Cure.NEW_ID or is_copy:
            replica.begin(server=fresh, cluster="test", first_primary=False, manner="copy" if is_copy else "")
        elif cure is Cure.NEW_EPOCH:
            replica.force(fresh, replica.clock.tick(), heals=True)
            healing.note_epoch(end.report.peer)
        replica.resubmit(replica.clock.tick())
        replica.catch_up()


def settle(replicas: Sequence[Replica], originals: Sequence[Replica] = ()) -> None:
    """Run sessions between all pairs until all replicas are equal and nothing is tentative."""
    healings: Healings = {}
    for _ in range(12):
        for one, other in itertools.combinations(replicas, 2):
            session(one, other, healings, originals)
        states = [replica.state() for replica in replicas]
        logs = {(state.history, one.log_digest(state.csn)) for one, state in zip(replicas, states, strict=True)}
        if len(logs) == 1 and not any(state.tentative or state.set_aside for state in states):
            return
    raise AssertionError([(state.label, state.server, state.csn, state.tentative, state.set_aside) for state in states])


def slots(replica: Replica) -> dict[str, str]:
    """Return the committed fields of the page `p`. Each field is a slot; the value names the user and the request."""
    return replica.page("p")[1]


@pytest.fixture
def few_ids(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let replicas keep the ids of four commits only. Return this number."""
    monkeypatch.setattr("storage.scripts.RECENT_MAX", 4)
    return 4


@pytest.fixture
def three() -> tuple[Replica, Replica, Replica]:
    one, two, three = Cluster(3).replicas
    for replica in (one, two, three):
        replica.take(f"common-{replica.label}", ("p", f"common {replica.label}"))
    for other in (two, three, two, three):
        Meeting(one, other).run()
    return one, two, three


def want(replica: Replica, name: str, count: int, *contested: str) -> set[str]:
    """Let the replica accept `count` writes, each for another free slot, and one more write for each slot in
    `contested`. Return the request ids of all these writes."""
    made = set()
    for number in range(count):
        replica.take(f"{name}{number}", ("p", f"{name} {number}"))
        made.add(f"{name}{number}")
    for slot in contested:
        replica.take(f"{name}-{slot}", ("p", slot), ("p", f"{slot} instead of {name}"))
        made.add(f"{name}-{slot}")
    return made


def requests(replica: Replica) -> list[str]:
    return sorted(entry.write.request for entry in replica.log(None, 100_000) or ())


def import_whole(giver: Replica, receiver: Replica) -> Report:
    importer = Importer(receiver, RULES, lambda: receiver.clock.now_us)
    for frame in export_volumes(giver, RULES, 0, {}, 1 << 30):
        importer.take(frame)
    return importer.report


def assert_all_kept(replicas: Sequence[Replica], wanted: set[str]) -> None:
    """Assert that each wanted request has exactly one slot, and that all replicas agree on it."""
    first = replicas[0]
    holders = [text.partition("/")[2] for text in slots(first).values()]
    assert wanted <= set(holders)
    assert len(holders) == len(set(holders))
    for replica in replicas[1:]:
        assert slots(replica) == slots(first)
        assert replica.page("p")[0] == slots(first)


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3), (3, 0), (0, 2), (40, 40)])
@pytest.mark.parametrize("truncated", [False, True])
def test_a_primary_that_was_rolled_back(
    three: tuple[Replica, Replica, Replica], before: int, after: int, truncated: bool
) -> None:
    """The other replicas hold commits that the primary has lost. After the loss, the primary has made other commits."""
    one, two, three_ = three
    copy = copy_of(one)
    wanted = want(one, "before", before, "contested") | want(two, "second", 2)
    for other in (two, three_, two):
        Meeting(one, other).run()
    if truncated:
        three_.truncate(0)
    put(copy, one, one)
    wanted |= want(one, "after", after, "contested") if after else set()
    wanted |= want(three_, "third", 1)
    settle(three)
    assert_all_kept(three, wanted)
    assert one.state().is_primary


@pytest.mark.parametrize("truncated", [False, True])
def test_two_logs_that_differ_and_then_have_the_same_writes(
    three: tuple[Replica, Replica, Replica], truncated: bool
) -> None:
    """The primary hands its role over, and is then rolled back to a state before the hand-over. This replica then
    commits another write at the CSN of the hand-over. After that, both primaries commit the same writes."""
    one, two, other = three
    copy = copy_of(one)
    one.hand_over(two.state().server, one.clock.tick())
    Meeting(one, two).run()
    wanted = want(other, "same", 3)
    state = two.state()
    same = other.select(state.csn, state.vector, state.retired_servers, 100, 1 << 20)
    assert same is not None
    assert two.receive(same, other.label).status == "taken"
    put(copy, one, one)
    wanted |= want(one, "after", 1)
    Meeting(one, other).run()
    first, second = one.state(), two.state()
    assert (first.csn, first.last, first.history) == (second.csn, second.last, second.history)
    if truncated:
        two.truncate(1)
    settle(three, originals=(two,))
    assert_all_kept(three, wanted)
    assert one.log_digest(one.state().csn) == two.log_digest(two.state().csn)


@pytest.mark.parametrize("committed", [True, False])
def test_a_secondary_that_was_rolled_back(three: tuple[Replica, Replica, Replica], committed: bool) -> None:
    one, two, three_ = three
    copy = copy_of(two)
    wanted = want(two, "before", 2, "contested")
    Meeting(two, one if committed else three_).run()
    put(copy, two, two)
    wanted |= want(two, "after", 3, "contested")
    Meeting(two, three_).run()  # a third replica holds writes of both
    settle(three)
    assert_all_kept(three, wanted)
    if committed:
        assert two.state().server != f"{two.label}~aaaaaa"


@pytest.mark.parametrize("is_by_primary", [True, False])
@pytest.mark.parametrize("is_in_file", [True, False])
def test_writes_that_a_full_state_covers_and_does_not_have(
    three: tuple[Replica, Replica, Replica], is_by_primary: bool, is_in_file: bool
) -> None:
    """One replica has run twice under one id. Only a third replica holds the writes of the first run. The vector of the
    full state covers the writes of the first run, but the state holds only the writes of the second run."""
    one, two, other = three
    copy = copy_of(two)
    lost = want(two, "before", 3, "contested")
    Meeting(two, other).run()
    put(copy, two, two)
    wanted = lost | want(two, "after", 2, "contested")
    Meeting(two, one).run()
    giver = one if is_by_primary else two
    giver.truncate(0)
    report = import_whole(giver, other) if is_in_file else Meeting(giver, other).run().ends[1].report
    assert report.installed is not None
    assert len(report.installed.set_aside) == len(lost)
    settle(three)
    assert_all_kept(three, wanted)


@pytest.mark.parametrize("is_covered", [True, False])
def test_a_full_state_of_another_log_is_not_imported(
    few_ids: int, three: tuple[Replica, Replica, Replica], is_covered: bool
) -> None:
    """The replica sees that the full state comes from another log: the state lists other ids for the newest commits, or
    its vector does not cover one of the replica's commits."""
    one, two, other = three
    copy = Replica(one.client, f"copy-{one.label}", one.clock)
    put(copy_of(one), one, copy)
    if is_covered:
        wanted = want(copy, "copy", 1) | want(one, "original", 2)
    else:
        wanted = want(one, "original", few_ids + 1) | want(copy, "copy", 1)
    Meeting(copy, two).run()
    before = two.state()
    one.truncate(0)
    with pytest.raises(Conflict) as refusal:
        import_whole(one, two)
    assert (refusal.value.code, refusal.value.message) == ("export_does_not_fit", LOGS_DIFFER)
    assert two.state() == before
    settle([one, two, other, copy], originals=[one])
    assert_all_kept([one, two, other, copy], wanted)


def test_writes_that_a_full_state_covers_are_found_before_the_log_of_its_sender(
    few_ids: int, three: tuple[Replica, Replica, Replica]
) -> None:
    """A full state lists the ids of the newest commits only. The receiver asks the sender for the ids of older
    commits."""
    one, two, other = three
    copy = copy_of(two)
    lost = want(two, "before", 3)
    Meeting(two, other).run()
    put(copy, two, two)
    wanted = lost | want(two, "after", 2)
    Meeting(two, one).run()
    wanted |= want(one, "later", few_ids)
    one.truncate(few_ids)
    installed = Meeting(one, other).run().ends[1].report.installed
    assert installed is not None
    assert len(installed.set_aside) == len(lost)
    settle(three)
    assert_all_kept(three, wanted)


def test_two_copies_of_a_secondary_at_once(three: tuple[Replica, Replica, Replica]) -> None:
    one, two, three_ = three
    four = Replica(two.client, f"copy-{two.label}", two.clock)
    put(copy_of(two), two, four)
    wanted = want(two, "here", 3, "contested") | want(four, "there", 4, "contested")
    settle([one, two, three_, four])
    assert_all_kept([one, two, three_, four], wanted)


@pytest.mark.parametrize(("here", "there"), [(3, 1), (1, 3), (30, 30)])
def test_two_copies_of_a_primary_at_once(three: tuple[Replica, Replica, Replica], here: int, there: int) -> None:
    one, two, three_ = three
    four = Replica(one.client, f"copy-{one.label}", one.clock)
    put(copy_of(one), one, four)
    wanted = want(one, "here", here, "contested") | want(four, "there", there, "contested")
    Meeting(one, two).run()
    Meeting(four, three_).run()
    settle([one, two, three_, four], originals=[one])
    assert_all_kept([one, two, three_, four], wanted)
    assert one.state().is_primary
    assert not four.state().is_primary


def test_a_primary_that_has_dropped_its_log_since_it_was_rolled_back(three: tuple[Replica, Replica, Replica]) -> None:
    """The primary has no log, so it cannot say which commits of the other replicas it also holds. So the other replicas
    make the writes of all these commits again. Each request still takes only one slot."""
    one, two, other = three
    copy = copy_of(one)
    wanted = want(one, "before", 3, "contested")
    for peer in (two, other):
        Meeting(one, peer).run()
    put(copy, one, one)
    wanted |= want(one, "after", 2, "contested")
    one.truncate(0)
    settle(three)
    assert_all_kept(three, wanted)


def test_a_retired_server_whose_writes_have_no_place_retires_again(three: tuple[Replica, Replica, Replica]) -> None:
    """The writes of the retired server are made again under a new id. After that, the new id retires."""
    one, two, _ = three
    copy = copy_of(two)
    wanted = want(two, "before", 2)
    Meeting(two, one).run()
    put(copy, two, two)
    wanted |= want(two, "after", 2)
    healings: Healings = {}
    for _ in range(3):
        session(two, one, healings)
    two.retire(two.clock.tick())
    before = two.state()
    two.begin(server=mint(two.label), cluster="test", first_primary=False, manner="retires")
    assert (before.retired, two.state().retired, two.state().retires) == (True, False, True)
    settle(three)
    assert_all_kept(three, wanted)


def test_a_retirement_without_a_place_is_refused_with_what_to_do(three: tuple[Replica, Replica, Replica]) -> None:
    """A server retires, is rolled back, and accepts another write. A replica that holds the retirement seems to hold
    all writes of the server. So this replica gets the commit of the new write without a body. The replica lacks the new
    write, so the session ends with an error."""
    one, two, other = three
    copy = copy_of(two)
    two.retire(two.clock.tick())
    Meeting(two, other).run()
    put(copy, two, two)
    want(two, "after", 1)
    Meeting(two, one).run()
    error = Meeting(one, other).run().ends[1].report.error
    assert error is not None
    assert error.message == FORK_OF_MEMBERS


def test_a_peer_cannot_make_a_primary_begin_epochs_for_ever(three: tuple[Replica, Replica, Replica]) -> None:
    now_s = [0.0]
    healing = Healing(lambda: now_s[0])
    state = three[0].state()
    lost = Report("liar", lost=state.server)
    assert healing.cure(lost, state) is Cure.NEW_EPOCH
    healing.note_epoch("liar")
    assert healing.cure(lost, state) is None
    assert healing.cure(Report("honest", lost=state.server), state) is Cure.NEW_EPOCH
    now_s[0] = PAUSE_S
    assert healing.cure(lost, state) is Cure.NEW_EPOCH


def test_a_write_that_was_set_aside_may_be_rejected_when_it_is_made_again(
    three: tuple[Replica, Replica, Replica],
) -> None:
    """The write asks for one slot only, and this slot is taken. So the log has the write with the outcome
    `rejected`."""
    one, two, _ = three
    copy = copy_of(two)
    one.take("first", ("p", "contested"))
    put(copy, two, two)
    two.take("lost", ("p", "contested"))
    settle(three)
    assert one.outcomes()["lost"] == "rejected none"
