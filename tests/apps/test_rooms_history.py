"""The history of a reservation. The committed events are the same at every replica and are kept for good. A replay at
one replica may also move a reservation. Only the history at that replica lists this move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from apps.rooms.settings import RoomSettings
from replica.clock import microseconds, utc_now
from tests.support import sides_harness
from tests.support.replica_harness import SETTINGS
from tests.support.sides_harness import Side, new_stores
from tests.support.worker_redis import worker_redis

CONFIGURED = SETTINGS.model_copy(update={"rooms": (RoomSettings(name="6.12"), RoomSettings(name="7.01"))})
NINE = {"start": "2026-12-01T09:00:00+00:00", "end": "2026-12-01T10:00:00+00:00"}
TEN = {"start": "2026-12-01T10:00:00+00:00", "end": "2026-12-01T11:00:00+00:00"}
NEXT_DAY = {"start": "2026-12-02T09:00:00+00:00", "end": "2026-12-02T10:00:00+00:00"}
NOON = {"start": "2026-12-01T12:00:00+00:00", "end": "2026-12-01T13:00:00+00:00"}


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 29, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Site(Side):
    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, user: str = "vish") -> Any:
        answer = self.client.open(path, method=method, json=body, headers={"Bayou-User": user})
        assert answer.status_code in {200, 201}, answer.json
        return answer.json

    def reserve(self, name: str, *slots: dict[str, str], **more: Any) -> None:
        user, _, request = name.partition("/")
        self.ask("POST", "/reservations", {"room": "6.12", "slots": slots, "request": request, **more}, user)

    def history(self, name: str) -> Any:
        return self.ask("GET", f"/reservations/{name}/history")


def sites() -> list[Site]:
    return [Site(store, CONFIGURED) for store in new_stores(CONFIGURED, 14, "one", "two", "three")]


def meet(one: Site, other: Site) -> None:
    sides_harness.meet(one.store, other.store)


def short(history: Any) -> list[str]:
    """Return the events of a history as lines: `STATE OP by USER at REPLICA: OUTCOME FROM>TO`."""

    def hour(place: Any) -> str:
        return place["start"][11:13] if place else "-"

    return [
        f"{event['state']} {event['op']} by {event['user']} at {event['accepted_by']}:"
        f" {event['outcome']} {hour(event['before'])}>{hour(event['after'])}"
        for event in history["events"]
    ]


def test_committed_events_are_the_same_everywhere_and_outlive_the_log() -> None:
    one, two, three = sites()
    two.reserve("vish/a", NINE)
    assert short(two.history("vish/a")) == ["tentative reserve by vish at two: updated ->09"]
    one.ask("POST", "/reservations", {"room": "6.12", "slots": [NOON], "request": "b"}, "neil")
    meet(one, two)
    two.ask("PATCH", "/reservations/vish/a", {"slots": [TEN], "request": "m"})
    two.ask("DELETE", "/reservations/vish/a?reason=ill&request=c")
    told = [
        "committed reserve by vish at two: updated ->09",
        "tentative move by vish at two: updated 09>10",
        "tentative cancel by vish at two: updated 10>-",
    ]
    assert short(two.history("vish/a")) == told
    meet(two, one)
    final = two.history("vish/a")
    assert short(final) == [line.replace("tentative", "committed") for line in told]
    assert [event["csn"] for event in final["events"]] == [2, 3, 4]
    assert [event["reason"] for event in final["events"]] == [None, None, "ill"]
    one.store.truncate(0)
    meet(three, one)  # by a full state
    assert three.store.log(None, 10) == []
    assert three.history("vish/a")["events"] == one.history("vish/a")["events"] == final["events"]
    assert one.store.digest().committed == three.store.digest().committed


def test_moves_are_those_that_this_replica_saw() -> None:
    one, two, three = sites()
    one.reserve("neil/first", NINE)
    two.reserve("vish/a", NINE, TEN)
    meet(two, one)
    seen = two.history("vish/a")["moves_seen_here"]
    assert [(move["from"]["start"], move["to"]["start"]) for move in seen] == [(NINE["start"], TEN["start"])]
    (cause,) = one.history("neil/first")["events"]
    assert seen[0]["because"] == {
        "write": cause["write"],
        "user": "neil",
        "earlier": True,
        "got": {"room": "6.12", "start": NINE["start"], "end": NINE["end"]},
    }
    meet(three, one)
    assert three.history("vish/a")["events"] == two.history("vish/a")["events"]
    assert three.history("vish/a")["moves_seen_here"] == [], "the reservation came to three as it is now"
    worker_redis(14).xtrim("bayou:{two}:events", maxlen=0)
    gone = two.history("vish/a")
    assert (gone["moves_seen_here"], gone["moves_kept_since"]) == ([], None)
    assert short(gone) == ["committed reserve by vish at two: merged ->10"]


def test_an_occurrence_and_its_series_have_histories() -> None:
    one, two, _ = sites()
    one.reserve("neil/first", {"start": "2026-12-08T09:00Z", "end": "2026-12-08T10:00Z"})
    two.reserve("vish/w", NINE, TEN, rule="FREQ=WEEKLY;COUNT=3")
    later = {"start": "2026-12-15T12:00Z", "end": "2026-12-15T13:00Z"}
    two.ask("PATCH", "/series/vish/w?from=2026-12-15", {"slots": [later], "request": "m"})
    tentative = {day: short(two.history(f"vish/w~2026-12-{day}")) for day in ("01", "08", "15")}
    assert tentative["15"] == [
        "tentative reserve by vish at two: updated ->09",
        "tentative move by vish at two: updated 09>12",
    ]
    meet(two, one)
    for site in (one, two):
        assert short(site.history("vish/w~2026-12-01")) == ["committed reserve by vish at two: updated ->09"]
        assert short(site.history("vish/w~2026-12-08")) == ["committed reserve by vish at two: merged ->10"]
        assert short(site.history("vish/w~2026-12-15"))[1] == "committed move by vish at two: updated 09>12"
        assert short(site.history("vish/w")) == [
            "committed reserve by vish at two: merged ->-",
            "committed move by vish at two: updated ->-",
        ]
    (move,) = two.history("vish/w~2026-12-08")["moves_seen_here"]
    assert move["because"]["write"] == one.history("neil/first")["events"][0]["write"]
    assert two.history("vish/w~2026-12-01")["moves_seen_here"] == []
    two.store.truncate(0)
    assert short(two.history("vish/w~2026-12-08")) == ["committed reserve by vish at two: merged ->10"]


def test_a_revoked_commit_disappears_from_the_history() -> None:
    one, two, three = sites()
    one.reserve("vish/kept", TEN)
    meet(one, two)
    one.reserve("vish/a", NINE)
    assert one.history("vish/a")["events"][0]["csn"] == 2
    two.store.force("two~bbbbbb", microseconds(utc_now()))
    two.reserve("neil/b", NINE)
    meet(one, two)
    for site in (one, two):
        assert short(site.history("vish/a")) == ["committed reserve by vish at one: rejected ->-"]
        assert site.history("vish/a")["events"][0]["csn"] == 4
        assert short(site.history("neil/b")) == ["committed reserve by neil at two: updated ->09"]
    assert one.store.digest().committed == two.store.digest().committed
    assert three.client.get("/reservations/vish/a/history").status_code == 404


def test_a_cancel_covers_the_slot_that_a_forced_promotion_gives() -> None:
    """The reservation `vish/a` is cancelled. Then a forced promotion revokes the commit of `vish/a`, and `neil/b` takes
    the first choice of `vish/a`. So a replay gives `vish/a` its second choice, on another day. The cancel must free
    that slot too."""
    one, two, three = sites()
    one.reserve("vish/a", NINE, NEXT_DAY)
    meet(one, three)
    three.ask("DELETE", "/reservations/vish/a?request=c")
    two.store.force("two~bbbbbb", microseconds(utc_now()))
    two.reserve("neil/b", NINE)
    meet(three, two)
    meet(one, two)
    for site in (one, two, three):
        told = short(site.history("vish/a"))
        assert told == [
            "committed reserve by vish at one: merged ->09",
            "committed cancel by vish at three: updated 09>-",
        ]
        assert site.ask("GET", "/reservations/vish/a")["state"] == "cancelled"
        assert site.ask("GET", "/rooms/6.12/calendar?from=2026-12-02T00:00Z&to=2026-12-03T00:00Z")["reservations"] == []


def test_a_clock_that_was_ahead_does_not_change_the_time_of_later_events() -> None:
    wall = Clock()
    one, two, three = (Site(site.store, CONFIGURED, wall) for site in sites())
    now = wall.now
    wall.now = now + timedelta(days=300)
    one.reserve("vish/a", NINE)
    wall.now = now
    one.reserve("vish/b", TEN)
    one.ask("DELETE", "/reservations/vish/b?request=c", user="vish")
    meet(two, one)
    one.store.truncate(0)
    meet(three, one)
    for site in (one, two, three):
        (first,) = site.history("vish/a")["events"]
        assert datetime.fromisoformat(first["accepted_at"]) - now == timedelta(days=300)
        later = site.history("vish/b")["events"]
        assert [datetime.fromisoformat(event["accepted_at"]) - now for event in later] == [timedelta()] * 2
