"""Screen events (the events of GET /events): how transactions become events, the feed of events, and the followers of
the feed."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
import redis

from bayou.application import Change, Undone
from replica.events import feed as feed_module
from replica.events.describe import Describer
from replica.events.expand import Cursor, ScreenEvent, Transaction, expand
from replica.events.feed import MANY, FeedFollower
from tests.support.replica_harness import FIRST_MS, Harness, application, slot, write
from tests.support.waiting import wait_until

ID = "0000000000000005@one~aaaaaa"
WRITE = write(5)
DESCRIBER = Describer([application()])


def expanded(entry: dict[str, Any], *held: Any) -> Transaction:
    return expand("1796112000000-3", entry, {found.id: found for found in held}, DESCRIBER, "one")


def change(now: str, was: str | None = None, csn: int | None = None) -> Change:
    return Change(ID, csn, was, now)


@pytest.mark.parametrize(
    ("kind", "changed", "names"),
    [
        ("accepted", change("updated 09"), ["accepted"]),
        ("accepted", change("updated 09", csn=7), ["accepted", "committed"]),
        ("received", change("updated 09"), ["received"]),
        ("received", change("rejected no_alternative"), ["received"]),
        ("received", change("merged 10", csn=7), ["received", "committed"]),
        ("received", change("merged 10", was="updated 09"), ["moved"]),
        ("received", change("merged 09", was="updated 09"), []),
        ("received", change("merged 10", was="rejected no_alternative"), ["moved"]),
        ("received", change("rejected no_alternative", was="updated 09"), ["rejected"]),
        ("received", change("failed", was="updated 09"), ["rejected"]),
        ("received", change("duplicate", was="updated 09"), []),
        ("commit", change("updated 09", was="updated 09", csn=7), ["committed"]),
        ("commit", change("merged 10", was="updated 09", csn=7), ["moved", "committed"]),
        ("commit", change("rejected no_alternative", was="updated 09", csn=7), ["rejected", "committed"]),
    ],
)
def test_the_events_of_a_change(kind: str, changed: Change, names: list[str]) -> None:
    transaction = expanded({"kind": kind, "from": "two", "changes": [changed]}, WRITE)
    assert [event.name for event in transaction.events] == names
    assert [str(event.cursor) for event in transaction.events] == [
        f"1796112000000-3.{index}" for index in range(len(names))
    ]


def test_a_replay_names_the_writes_backwards_as_undone_and_in_order_as_played_again() -> None:
    first, second, third = (write(stamp) for stamp in (5, 6, 7))
    undone = [
        Undone(first.id, None, "updated 09", "merged 10"),
        Undone(second.id, 7, "merged 10", "updated 09"),
        Undone(third.id, None, "rejected no_alternative", None),
    ]
    entry = {"kind": "received", "from": "two", "rolled_back": 30, "replayed": 29, "undone": undone}
    changes = [Change(second.id, 7, "merged 10", "updated 09"), Change(first.id, None, "updated 09", "merged 10")]
    told, *others = expanded({**entry, "changes": changes}, first, second).events
    assert (told.name, [event.name for event in others]) == ("replay", ["moved", "committed", "moved"])
    assert [event.cursor.number for event in (told, *others)] == [0, 1, 2, 3]
    data = json.loads(told.encoded)
    assert {name: data[name] for name in ("replica", "from", "rolled_back", "replayed", "left_out")} == {
        "replica": "one", "from": "two", "rolled_back": 30, "replayed": 29, "left_out": 27,
    }  # fmt: skip
    assert [step["write"] for step in data["undone"]] == [third.id, second.id, first.id]
    assert data["undone"][0] == {
        "write": third.id, "stamp": third.id.partition("@")[0], "outcome": "rejected",
        "app": None, "op": None, "user": None, "what": None, "before": None,
    }  # fmt: skip
    assert data["played_again"] == [
        {
            "write": one.id, "stamp": one.id.partition("@")[0], "app": "notes/1", "op": "reserve", "user": "vish",
            "what": "reserve", "outcome": status, "csn": csn, "before": slot(before), "after": slot(after), "why": None,
        }
        for one, status, csn, before, after in (
            (second, "updated", 7, "merged 10", "updated 09"), (first, "merged", None, "updated 09", "merged 10"),
        )
    ]  # fmt: skip


def test_an_installed_state_gives_revoked_commits_and_a_reset() -> None:
    lost = "0000000000000009@one~aaaaaa"
    transaction = expanded({"kind": "revoked", "peer": "two", "revoked": [ID], "lost": [lost]}, WRITE)
    assert [(event.name, str(event.cursor).rpartition(".")[2]) for event in transaction.events] == [
        ("revoked", "0"),
        ("revoked", "1"),
        ("reset", "2"),
    ]
    first, second, last = (event.data for event in transaction.events)
    assert (first["user"], first["request"], first["outcome"], first["from"]) == ("vish", "r5", "revoked", "two")
    assert (second["write"], second["user"], second["outcome"]) == (lost, None, "lost")
    assert last == {"replica": "one", "peer": "two", "lost_pages": []}
    assert [event.name for event in expanded({"kind": "revoked", "peer": "two"}).events] == ["reset"]


def test_the_data_of_an_event() -> None:
    counts = {"rolled_back": 2, "replayed": 3}
    changes = [change("merged 10", was="updated 09")]
    transaction = expanded({"kind": "received", "from": "two", **counts, "changes": changes}, WRITE)
    assert (transaction.source, transaction.rolled_back, transaction.replayed) == ("two", 2, 3)
    assert transaction.events[0].data == {
        "write": ID,
        "csn": None,
        "from": "two",
        "app": "notes/1",
        "op": "reserve",
        "user": "vish",
        "request": "r5",
        "reservation": "vish/r5",
        "before": slot("updated 09"),
        "after": slot("updated 10"),
        "outcome": "merged",
        "why": None,
        "replica": "one",
    }


def test_the_event_of_a_write_that_is_not_in_the_log() -> None:
    (event,) = expanded({"kind": "commit", "changes": [change("updated 09", was="updated 09", csn=7)]}).events
    assert (event.data["write"], event.data["csn"], event.data["user"], event.data["after"]) == (ID, 7, None, None)


def test_the_event_of_a_write_of_an_unknown_application() -> None:
    other = write(5, app="chess/2")
    (event,) = expanded({"kind": "received", "changes": [change("updated 09")]}, other).events
    assert (event.data["app"], event.data["user"], event.data["reservation"]) == ("chess/2", "vish", None)


def test_the_events_of_links_and_sessions() -> None:
    (event,) = expanded({"kind": "link", "peer": "two", "up": False}).events
    assert (event.name, event.data) == ("link", {"peer": "two", "up": False, "replica": "one"})


@pytest.mark.parametrize(
    ("text", "before"),
    [("5-2", "5-2"), ("5-2.0", "5-1"), ("5-0.3", f"4-{2**64 - 1}"), ("0-0", "0-0"), ("0-0.0", "0-0")],
)
def test_a_cursor_says_after_which_transaction_the_store_is_read_again(text: str, before: str) -> None:
    assert Cursor.parse(text).before_transaction() == before
    assert str(Cursor.parse(text)) == text


@pytest.mark.parametrize("text", ["", "5", "5-", "-5", "5-2.", "a-b", "5-2.x", "5-2-1", f"{2**64}-0", "5-2.9999999999"])
def test_an_invalid_event_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not the id of an event"):
        Cursor.parse(text)


@pytest.fixture
def harness() -> Any:
    harness = Harness()
    yield harness
    harness.store.fault = None
    harness.feed.stop()


def accepted(harness: Harness, stamp: int, csn: int | None = None) -> str:
    found = write(stamp)
    return harness.store.tell({"kind": "accepted", "changes": [Change(found.id, csn, None, "updated 09")]}, found)


def taken(follower: FeedFollower, count: int) -> list[ScreenEvent]:
    """Return the next `count` events of a follower."""
    events: list[ScreenEvent] = []
    for _ in range(count):
        if len(events) < count:
            events += follower.take(20)
    assert len(events) == count
    return events


def test_the_feed_passes_on_all_new_events_in_order(harness: Harness) -> None:
    accepted(harness, 1)
    harness.feed.start()
    follower = harness.feed.follow(None)
    ids = [accepted(harness, stamp, csn=stamp) for stamp in range(2, 12)]
    events = taken(follower, 20)
    assert [str(event.cursor) for event in events] == [f"{key}.{index}" for key in ids for index in (0, 1)]
    wait_until(lambda: len(harness.heard) == 10)
    assert [transaction.id for transaction in harness.heard] == ids


def test_a_follower_can_go_on_in_the_middle_of_a_transaction(harness: Harness) -> None:
    first = accepted(harness, 1, csn=1)
    second = accepted(harness, 2)
    harness.feed.start()
    follower = harness.feed.follow(Cursor.parse(f"{first}.0"))
    # It is the oldest transaction in the store, so there may have been trimmed ones before it.
    assert [event.name for event in follower.take(1)] == ["reset"]
    follower = harness.feed.follow(Cursor.parse(f"{second}.0"))
    assert follower.take(0) == []
    third = accepted(harness, 3, csn=1)
    wait_until(lambda: str(harness.feed.follow(None).after) == third)
    follower = harness.feed.follow(Cursor.parse(f"{third}.0"))
    assert [(event.name, str(event.cursor)) for event in follower.take(1)] == [("committed", f"{third}.1")]


def test_a_follower_that_is_far_behind_reads_the_store(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "BATCH_MAX", 3)
    ids = [accepted(harness, stamp) for stamp in range(1, 11)]
    harness.feed.start()
    follower = harness.feed.follow(Cursor.parse("0-0"))
    ids.append(accepted(harness, 11))
    events = taken(follower, 11)
    assert [str(event.cursor) for event in events] == [f"{key}.0" for key in ids]


def test_a_follower_misses_nothing_when_the_memory_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "RECENT_MAX", 4)
    harness = Harness()
    harness.feed.start()
    try:
        follower = harness.feed.follow(None)
        ids = [accepted(harness, stamp, csn=stamp) for stamp in range(1, 8)]
        wait_until(lambda: len(harness.heard) == 7)
        events = taken(follower, 14)
        assert [str(event.cursor) for event in events] == [f"{key}.{index}" for key in ids for index in (0, 1)]
    finally:
        harness.feed.stop()


def test_a_large_transaction_is_summarised_for_the_listener_and_complete_for_followers(harness: Harness) -> None:
    harness.feed.start()
    follower = harness.feed.follow(None)
    before = accepted(harness, 1)
    writes = [write(stamp) for stamp in range(2, MANY + 6)]
    changes = [Change(found.id, csn, None, "updated 09") for csn, found in enumerate(writes[:-3], 1)]
    changes.append(Change(writes[-3].id, None, "updated 09", "updated 10"))
    changes.append(Change(writes[-2].id, 99, "updated 09", "updated 09"))
    changes.append(Change(writes[-1].id, None, None, "updated 09", is_membership=True))
    large = harness.store.tell({"kind": "received", "changes": changes}, *writes)
    after = accepted(harness, 99)
    events = taken(follower, 2 * len(writes[:-3]) + 5)
    assert [event.name for event in events[-5:]] == ["committed", "moved", "committed", "received", "accepted"]
    assert [str(event.cursor) for event in (events[0], events[1], events[-2], events[-1])] == [
        f"{before}.0",
        f"{large}.0",
        f"{large}.{2 * len(writes[:-3]) + 2}",
        f"{after}.0",
    ]
    wait_until(lambda: len(harness.heard) == 3)
    heard = harness.heard[1]
    assert [event.name for event in heard.events] == ["moved", "received"]
    assert heard.summed == {"received": len(writes) - 3, "committed": len(writes) - 2}
    assert (min(heard.csns), max(heard.csns), len(heard.csns)) == (1, 99, len(writes) - 2)


@pytest.mark.parametrize("after", [f"{FIRST_MS}-0.0", f"{FIRST_MS + 99}-0.0"])
def test_a_position_that_was_trimmed_or_never_existed_gives_a_reset(harness: Harness, after: str) -> None:
    for stamp in range(1, 6):
        accepted(harness, stamp)
    harness.store.trim(3)
    harness.feed.start()
    follower = harness.feed.follow(Cursor.parse(after))
    (event,) = follower.take(1)
    assert (event.name, event.data, str(event.cursor)) == ("reset", {"replica": "one"}, f"{FIRST_MS + 4}-0")
    last = accepted(harness, 6)
    assert [str(event.cursor) for event in follower.take(20)] == [f"{last}.0"]


def test_a_storage_that_lost_its_events_gives_a_reset(harness: Harness) -> None:
    for stamp in range(1, 4):
        accepted(harness, stamp)
    harness.feed.start()
    follower = harness.feed.follow(None)
    harness.store.fault = redis.ConnectionError("away")
    assert harness.store.failed.wait(20)
    harness.store.forget()
    first = accepted(harness, 9)
    harness.store.fault = None
    events = taken(follower, 1)
    assert [event.name for event in events] == ["reset"]
    assert events[0].cursor == Cursor.parse(first)
    second = accepted(harness, 10)
    assert [str(event.cursor) for event in follower.take(20)] == [f"{second}.0"]


def test_an_event_that_cannot_be_expanded_gives_a_reset(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    harness.feed.start()
    follower = harness.feed.follow(None)
    harness.store.tell({"kind": "accepted", "changes": [{"id": ID}]})
    assert [event.name for event in follower.take(20)] == ["reset"]
    last = accepted(harness, 6)
    assert [str(event.cursor) for event in follower.take(20)] == [f"{last}.0"]
    assert "events cannot be shown" in caplog.text


def test_a_stop_wakes_every_follower(harness: Harness) -> None:
    harness.feed.start()
    follower, got = harness.feed.follow(None), []
    thread = threading.Thread(target=lambda: got.append(follower.take(60)))
    thread.start()
    harness.feed.stop()
    thread.join(20)
    assert got == [[]]
