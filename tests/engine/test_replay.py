"""Rollback, replay and commit: when a write is inserted into the log, later writes are played again."""

from __future__ import annotations

import json

import pytest

from bayou.application import Change, Undone
from bayou.errors import Conflict
from bayou.payloads import Selection
from tests.support.engine_harness import Cluster, Replica, meet
from tests.support.invariants import Checker
from tests.support.toy import batch, draft, item, only, take, write_of

DAY = "day:1"


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(3)


def early(cluster: Cluster) -> None:
    """Set the clock back, so that new writes get earlier stamps than all existing writes."""
    cluster.clock.tick(-100_000_000)


def changes(replica: Replica, number: int = -1) -> list[Change]:
    """Return the changes in the event of one transaction. `number` is the index of the event; -1 is the last event."""
    found: list[Change] = replica.events("0-0", 1, 10_000, replica.client)[number][1]["changes"]
    return found


def undone(replica: Replica, number: int = -1) -> list[Undone]:
    """Return the rolled-back writes in the event of one transaction. `number` is the index of the event."""
    found: list[Undone] = replica.events("0-0", 1, 10_000, replica.client)[number][1].get("undone", [])
    return found


def test_a_later_write_gives_way_to_an_earlier_one(cluster: Cluster) -> None:
    _, one, two = cluster
    later = two.take("later", (DAY, "slot 9"), (DAY, "slot 10"))
    early(cluster)
    earlier = one.take("earlier", (DAY, "slot 9"))
    report = meet(one, two).ends[1].report
    assert (report.rolled_back, report.replayed, report.received) == (1, 1, 1)
    assert two.order() == one.order() == ["earlier", "later"]
    assert two.page(DAY)[0] == {"slot 9": "vish/earlier", "slot 10": "vish/later"}
    moved = Change(later.id, None, "updated day:1 slot 9", "merged day:1 slot 10")
    assert changes(two) == [Change(earlier.id, None, None, "updated day:1 slot 9"), moved]
    assert undone(two) == [Undone(later.id, None, "updated day:1 slot 9", "merged day:1 slot 10")]
    Checker(cluster).check()


def test_a_rejected_write_may_succeed_in_another_order(cluster: Cluster) -> None:
    """A rejected write stays in the log, and its outcome is final only when it is committed."""
    primary, one, two = cluster
    two.take("b", (DAY, "slot 10"))
    early(cluster)
    one.take("a", (DAY, "slot 9"), (DAY, "slot 10"))
    meet(one, two)
    assert two.outcomes() == {"a": "updated day:1 slot 9", "b": "updated day:1 slot 10"}
    primary.take("c", (DAY, "slot 9"))
    two.receive(primary.items(), "")
    assert two.order() == ["!c", "a", "b"]
    assert two.outcomes()["a"] == "merged day:1 slot 10"
    assert two.outcomes()["b"] == "rejected none"
    assert two.page("request:vish/b")[0] == {"slot": "none"}
    Checker(cluster).check()
    primary.receive(only(two.items(1, primary.state().vector), 1), "")
    meet(two, primary)
    assert two.order() == ["!c", "!b", "!a"]
    assert two.outcomes() == {"c": "updated day:1 slot 9", "b": "updated day:1 slot 10", "a": "rejected none"}
    assert two.page("request:vish/b")[1] == {"slot": "day:1 slot 10"}
    Checker(cluster).check()


@pytest.mark.parametrize("op", ["fail", "fail_later"])
def test_a_write_that_fails_when_replayed_changes_nothing(cluster: Cluster, op: str) -> None:
    primary, one, two = cluster
    if op == "fail":
        two.put(draft("set", "before", ["p"], fields=[["spare", "me"]]))
        assert two.put(draft("fail", "x", ["p"], unless="spare")).outcome == "merged spared"
        early(cluster)
        one.put(draft("set", "wiper", ["p"], fields=[["y", "z"]]))
        primary.note("other", "q")
        left = {"y": "z", "spare": "me"}
    else:
        assert two.put(draft("fail_later", "x", ["p"], field="y")).outcome == "updated"
        early(cluster)
        one.put(draft("set", "wiper", ["p"], fields=[["y", "z"]]))
        left = {"y": "z"}
    meet(one, two)
    assert two.outcomes()["x"] == ("merged spared" if op == "fail" else "failed")
    assert two.page("p")[0] == left
    cluster.heal()
    assert primary.outcomes()["x"] == two.outcomes()["x"]
    assert primary.page("p") == two.page("p") == (left, left)
    Checker(cluster).check()


def test_rollback_reaches_writes_through_shared_pages(cluster: Cluster) -> None:
    """Write 0 arrives. Write 1 shares the page p with write 0, write 2 shares the page q with write 1, and write 3
    shares the page r with write 2. So writes 1, 2 and 3 are played again. Write 4 shares no page with the other writes,
    and is not played again."""
    _, one, two = cluster
    reached = [two.note("1", "p", "q").id, two.note("2", "q", "r").id, two.note("3", "r").id]
    two.note("4", "s")
    early(cluster)
    one.note("0", "p")
    report = meet(one, two).ends[1].report
    assert (report.rolled_back, report.replayed) == (3, 3)
    assert [entry.write for entry in undone(two)] == reached
    assert one.digest().tentative == two.digest().tentative
    Checker(cluster).check()


def test_the_event_of_a_long_replay_names_its_first_writes(cluster: Cluster) -> None:
    """The event names only the first 20 writes that were played again. So the event of a long replay stays small."""
    _, one, two = cluster
    later = [two.note(f"{number:02}", "p").id for number in range(25)]
    early(cluster)
    one.note("early", "p")
    assert meet(one, two).ends[1].report.rolled_back == 25
    assert undone(two) == [Undone(identifier, None, "updated", "updated") for identifier in later[:20]]


def test_writes_before_the_new_one_are_not_played_again(cluster: Cluster) -> None:
    """The arriving write belongs between two other writes of its page. Only the later one of these two writes is rolled
    back."""
    _, one, two = cluster
    two.note("1", "p")
    cluster.clock.tick()
    two.note("3", "p")
    cluster.clock.tick(-500_000)
    one.note("2", "p")
    report = meet(one, two).ends[1].report
    assert two.order() == ["1", "2", "3"]
    assert (report.rolled_back, report.replayed) == (1, 1)
    Checker(cluster).check()


def test_a_page_emptied_by_a_tentative_write_stays_empty(cluster: Cluster) -> None:
    """The tentative copy of a page is a hash in Redis. Redis deletes a hash that has no fields left. Even then, a read
    must give an empty page, and not the committed page."""
    primary, one, two = cluster
    primary.put(draft("set", "a", ["p"], fields=[["x", "y"]]))
    meet(one, primary)
    meet(two, primary)
    one.put(draft("wipe", "b", ["p"], page="p"))
    assert one.page("p") == ({}, {"x": "y"})
    assert one.digest().tentative != one.digest().committed
    assert one.digest().tentative != two.digest().tentative
    assert one.put(draft("list_fields", "r", ["p"])).outcome == "updated  false"
    one.put(draft("set", "c", ["p"], fields=[["z", "1"]]))
    assert one.page("p")[0] == {"z": "1"}
    early(cluster)
    two.put(draft("set", "d", ["p"], fields=[["w", "2"]]))
    meet(two, one)
    assert one.page("p")[0] == {"z": "1"}
    Checker(cluster).check()
    cluster.heal()
    assert [replica.page("p")[1] for replica in cluster] == [primary.page("p")[0]] * 3


def test_commits_in_the_tentative_order_replay_nothing() -> None:
    """The tentative copy of a page stays until the last tentative write of the page is committed."""
    cluster = Cluster(2, commit_mode="manual")
    primary, other = cluster
    for number in range(4):
        other.note(f"{number}", "p", f"q{number}")
    meet(other, primary)
    assert primary.commit() == 4
    before = other.page("p")[0]
    notifications = primary.items(0, other.state().vector)
    assert all(found.is_notification for found in notifications.items)
    received = other.receive(only(notifications, 0, 1), "")
    assert (received.status, received.csn, received.rolled_back, received.replayed) == ("taken", 2, 0, 0)
    assert other.page("p")[0] == before != other.page("p")[1]
    Checker(cluster).check()
    meet(other, primary)
    assert other.page("p") == (before, before)
    assert changes(other, -2) == [
        Change(found.id, number, "updated", "updated") for number, found in enumerate(notifications.items[:2], start=1)
    ]
    Checker(cluster).check()


def test_commits_out_of_the_tentative_order_replay_the_writes_they_overtake(cluster: Cluster) -> None:
    """The primary commits the writes of each server in order, but need not commit all writes in the order of stamps
    (Terry 1995, section 5)."""
    primary, one, two = cluster
    one.take("a", (DAY, "slot 9"), (DAY, "slot 11"))
    two.take("b", (DAY, "slot 9"), (DAY, "slot 10"))
    meet(one, two)
    assert two.outcomes() == {"a": "updated day:1 slot 9", "b": "merged day:1 slot 10"}
    later = two.items(0, one.state().vector)
    assert later.items == ()
    fresh = two.items(0, {key: stamp for key, stamp in two.state().vector.items() if key == one.server()})
    primary.receive(fresh, "")
    assert primary.outcomes() == {"b": "updated day:1 slot 9"}
    report = meet(one, primary).ends[0].report
    assert one.order() == ["!b", "!a"]
    assert one.outcomes() == {"b": "updated day:1 slot 9", "a": "merged day:1 slot 11"}
    assert report.rolled_back == 2
    assert [(entry.csn, entry.was, entry.now) for entry in undone(one, -2)] == [
        (None, "updated day:1 slot 9", "merged day:1 slot 11"),
        (1, "merged day:1 slot 10", "updated day:1 slot 9"),
    ]
    Checker(cluster).check()
    meet(two, primary)
    assert two.outcomes() == one.outcomes()
    Checker(cluster).check()


def test_a_commit_with_its_body_precedes_all_tentative_writes(cluster: Cluster) -> None:
    primary, one, _ = cluster
    one.take("mine", (DAY, "slot 9"), (DAY, "slot 10"))
    one.note("aside", "q")
    primary.take("committed", (DAY, "slot 9"))
    received = one.receive(primary.items(), "")
    assert (received.new, received.rolled_back, received.replayed) == (1, 1, 1)
    assert one.order() == ["!committed", "mine", "aside"]
    assert one.outcomes()["mine"] == "merged day:1 slot 10"
    assert one.page(DAY) == ({"slot 9": "vish/committed", "slot 10": "vish/mine"}, {"slot 9": "vish/committed"})
    Checker(cluster).check()


def test_a_batch_mixes_whole_commits_with_notifications_or_tentative_writes(cluster: Cluster) -> None:
    """In one session, a batch has whole commits and a tentative write. In another session, a batch has a whole commit
    and notifications. The writes of each batch share pages."""
    primary, one, two = cluster
    one.note("a", "p", "q")
    one.note("b", "p")
    meet(one, primary)
    primary.note("c", "q")
    two.note("d", "p", "q", "r")
    one.note("e", "r")
    meet(one, two)
    meet(two, primary)
    meet(one, primary)
    assert one.order() == two.order() == primary.order()
    Checker(cluster).check()


@pytest.mark.parametrize("mode", ["auto", "manual"])
def test_every_transaction_is_safe_to_run_twice(mode: str) -> None:
    """A transaction is run again if its reply was lost. The second run changes nothing and adds no event."""
    cluster = Cluster(3, commit_mode=mode)
    primary, one, two = cluster
    one.take("a", (DAY, "slot 9"), (DAY, "slot 10"))
    early(cluster)
    two.take("b", (DAY, "slot 9"), (DAY, "slot 10"))
    two.note("c", DAY, "p")
    primary.note("d", "p")

    def send(source: Replica, target: Replica) -> None:
        state = target.state()
        selection = source.items(state.csn, state.vector)
        first = target.receive(selection, source.label)
        assert first.new == len(selection.items) > 0
        before = target.dump()
        again = target.receive(selection, source.label)
        assert (again.status, again.taken, again.new) == ("taken", len(selection.items), 0)
        assert target.dump() == before

    send(one, two)
    send(two, primary)
    primary.commit()
    before = primary.dump()
    assert primary.commit() == 0
    assert primary.dump() == before
    send(primary, one)
    send(primary, two)
    Checker(cluster).check()


def test_in_manual_mode_the_primary_commits_on_request_only() -> None:
    cluster = Cluster(2, commit_mode="manual")
    primary, other = cluster
    accepted = primary.take("a", (DAY, "slot 9"))
    assert not accepted.committed
    other.note("b", "p")
    meet(other, primary)
    assert (primary.state().csn, primary.state().tentative) == (0, 2)
    before = other.dump()
    with pytest.raises(Conflict, match="is not the primary"):
        other.commit()
    assert other.dump() == before
    assert primary.commit() == 2
    assert changes(primary)[0].csn == 1
    assert primary.events("0-0", 1, 100, primary.client)[-1][1]["kind"] == "commit"
    meet(other, primary)
    assert other.order() == primary.order() == ["!a", "!b"]
    Checker(cluster).check()


def test_a_primary_that_changes_to_auto_mode_keeps_the_order() -> None:
    """A new write is not committed before older tentative writes of its origin (invariant 6)."""
    cluster = Cluster(1, commit_mode="manual")
    manual = cluster.replicas[0]
    manual.note("a", "p")
    automatic = Replica(cluster.client, manual.label, cluster.clock, "auto")
    assert not automatic.note("b", "p").committed
    remote = write_of(draft("note", "c", ["p"]), cluster.clock.tick(), 0, "x~aaaaaa")
    automatic.receive(batch(item(remote)), "")
    assert automatic.order() == ["a", "b", "c"]
    assert automatic.commit() == 3
    assert automatic.note("d", "p").committed
    assert automatic.order() == ["!a", "!b", "!c", "!d"]


def test_many_commits_take_several_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.store.BATCH", 2)
    primary = Cluster(1, commit_mode="manual").replicas[0]
    for number in range(5):
        primary.note(f"{number}", "p")
    assert primary.commit() == 5
    assert [len(changes(primary, -number)) for number in (1, 2, 3)] == [1, 2, 2]
    assert primary.order() == [f"!{number}" for number in range(5)]


def test_the_effects_of_a_write_have_one_entry_per_field(cluster: Cluster) -> None:
    """An entry has the value of a field before and after the write, however often the write has set the field."""
    primary, one, _ = cluster
    primary.put(draft("set", "a", ["p"], fields=[["x", "1"], ["same", "s"]]))
    meet(one, primary)
    fields = [["x", "2"], ["x", "3"], ["y", "1"], ["same", "t"], ["same", "s"]]
    accepted = one.put(draft("set", "b", ["p"], fields=fields))
    kept = one.client.hget(one.key("effects"), accepted.id)
    assert json.loads(kept) == [1, "x", "1", "3", 1, "y", False, "1"]


def test_a_transaction_ends_after_a_bounded_amount_of_play(cluster: Cluster) -> None:
    """The amount of play in one transaction is limited. So a transaction may take only the first part of a batch. The
    sender then sends the other writes again, and no write is lost."""
    _, one, two = cluster
    for number in range(23):
        one.note(f"{number}", *(f"page{page}" for page in range(400)))
    left = one.items()
    received = two.receive(left, "")
    assert (received.status, received.taken) == ("more", 21)
    received = two.receive(Selection(0, "", left.items[received.taken :]), "")
    assert (received.status, received.taken) == ("taken", 2)
    assert one.digest().tentative == two.digest().tentative


def test_a_request_submitted_at_two_replicas_takes_one_slot(cluster: Cluster) -> None:
    """The request becomes two writes. The write that is committed second has the outcome `duplicate`. So the request
    takes only one slot (invariant 13)."""
    primary, one, two = cluster
    one.put(take("a", (DAY, "slot 9")))
    two.put(take("a", (DAY, "slot 10")))
    cluster.heal()
    assert sorted(entry.outcome for entry in primary.log(None, 9) or ()) == ["duplicate", "updated day:1 slot 9"]
    assert [replica.page(DAY)[1] for replica in cluster] == [{"slot 9": "vish/a"}] * 3
    Checker(cluster).check()
