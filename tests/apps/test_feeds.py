"""Calendar feeds: the events in a feed after moves, rollbacks and cancels, and the import of a feed."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from apps.api import one_at_a_time
from apps.rooms import pages
from apps.rooms.endpoints import feeds
from apps.rooms.pages import decode_reservation
from cli.calendar_files.rooms import Rooms
from cli.calendar_files.timetable import read_timetable
from replica.config import parse
from storage.store import Store
from tests.support import sides_harness
from tests.support.sides_harness import meet, new_stores
from tests.support.web_server import served
from tests.support.worker_redis import worker_redis

BRUSSELS = ZoneInfo("Europe/Brussels")
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
CONFIGURED = parse(
    """
cluster: building-6
primary: one
timezone: Europe/Brussels
rooms: ["6.12", "6.13"]
replicas:
  one: {rest: 127.0.0.1:8001, anti_entropy: 127.0.0.1:9001}
  two: {rest: 127.0.0.1:8002, anti_entropy: 127.0.0.1:9002}
""",
    Path("config.yaml"),
)
KHAL_TIMEOUT_S = 60


class Side(sides_harness.Side):
    """A replica with a clock that the test sets."""

    def __init__(self, store: Store) -> None:
        self.now = NOW
        super().__init__(store, CONFIGURED, lambda: self.now)

    def reserve(self, user: str, request: str, *hours: int, room: str = "6.12", **more: Any) -> Any:
        """Reserve one hour on 1 December 2026 (UTC): the first of `hours` that is free."""
        slots = [{"start": f"2026-12-01T{hour:02}:00Z", "end": f"2026-12-01T{hour + 1:02}:00Z"} for hour in hours]
        body = {"room": room, "slots": slots, "request": request, **more}
        answer = self.client.post("/reservations", json=body, headers={"Bayou-User": user})
        assert answer.status_code == 201, answer.json
        return answer.json

    def feed(self, path: str) -> dict[str, Any]:
        """Return the events of a feed. Each key is the part of the event's UID before the @, without the cluster id."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.json
        assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
        events = Calendar.from_ical(answer.data).walk("VEVENT")
        return {str(event["UID"]).partition("@")[0]: event for event in events}


@pytest.fixture
def sides() -> tuple[Side, Side]:
    """The replicas `one`, the primary, and `two`. They exchange writes only when the test makes them meet."""
    one, two = new_stores(CONFIGURED, 13, "one", "two")
    return Side(one), Side(two)


def start_of(event: Any) -> datetime:
    found: datetime = event["DTSTART"].dt.astimezone(UTC)
    return found


def test_an_event_describes_its_reservation(sides: tuple[Side, Side]) -> None:
    one, two = sides
    two.reserve("vish", "a", 9, purpose="weekly; tea, and cake")
    event = two.feed("/rooms/6.12/calendar.ics")["vish/a"]
    assert (event["STATUS"], event["LOCATION"], event["SUMMARY"]) == ("TENTATIVE", "6.12", "weekly; tea, and cake")
    assert (event["CONTACT"], event["TRANSP"]) == ("vish", "OPAQUE")
    assert event["DTSTART"].params["TZID"] == "Europe/Brussels"
    assert event["DTSTART"].dt == datetime(2026, 12, 1, 10, 0, tzinfo=BRUSSELS)
    assert event["DTEND"].dt - event["DTSTART"].dt == timedelta(hours=1)
    meet(two.store, one.store)
    there, here = one.feed("/users/vish/calendar.ics")["vish/a"], two.feed("/users/vish/calendar.ics")["vish/a"]
    assert (there["STATUS"], here["STATUS"]) == ("CONFIRMED", "CONFIRMED")
    assert event["UID"] == there["UID"] == here["UID"] == f"vish/a@{CONFIGURED.cluster_id}"


def test_a_reservation_of_several_rooms_is_one_event_in_each_of_them(sides: tuple[Side, Side]) -> None:
    one, two = sides
    two.reserve("vish", "a", 9, room="6.12+6.13")
    feeds = ("/rooms/6.12/calendar.ics", "/rooms/6.13/calendar.ics", "/users/vish/calendar.ics")
    assert [str(two.feed(path)["vish/a"]["LOCATION"]) for path in feeds] == ["6.12+6.13"] * 3
    busy = Calendar.from_ical(two.client.get("/rooms/6.13/freebusy.ics").data).walk("VFREEBUSY")[0]
    assert busy["FREEBUSY"].params["FBTYPE"] == "BUSY-TENTATIVE"
    one.reserve("neil", "n", 9, room="6.13")
    meet(two.store, one.store)
    assert two.feed("/users/vish/calendar.ics")["vish/a"]["STATUS"] == "CANCELLED", "one of its rooms was taken first"
    assert list(one.feed("/rooms/6.13/calendar.ics")) == ["neil/n"]
    answers: list[Any] = [two.client.get(f"/conflicts?room={room}").json for room in ("6.12", "6.13", "7.01")]
    conflicts = [answer["conflicts"] for answer in answers]
    assert [[entry["id"] for entry in found] for found in conflicts] == [["vish/a"], ["vish/a"], []]
    history: Any = two.client.get("/reservations/vish/a/history").json
    (move,) = history["moves_seen_here"]
    assert (move["from"]["room"], move["to"]) == ("6.12+6.13", None)
    assert move["because"]["got"]["room"] == "6.13"


def test_a_feed_describes_the_time_zone(sides: tuple[Side, Side]) -> None:
    calendar = Calendar.from_ical(sides[0].client.get("/rooms/6.12/calendar.ics").data)
    zone: Any = calendar.walk("VTIMEZONE")[0]
    assert zone["TZID"] == "Europe/Brussels"
    described = zone.to_tz(lookup_tzid=False)
    for day in (date(2026, 12, 1), date(2027, 7, 1), date(2027, 10, 31)):
        noon = datetime(day.year, day.month, day.day, 12)
        assert noon.replace(tzinfo=described).utcoffset() == noon.replace(tzinfo=BRUSSELS).utcoffset()


def test_the_second_of_two_equal_hours_is_given_in_utc(sides: tuple[Side, Side]) -> None:
    one, _ = sides
    slots = [{"start": "2027-10-31T01:30Z", "end": "2027-10-31T02:30Z"}]
    body = {"room": "6.12", "slots": slots, "request": "night"}
    assert one.client.post("/reservations", json=body, headers={"Bayou-User": "vish"}).status_code == 201
    event = one.feed("/rooms/6.12/calendar.ics")["vish/night"]
    assert b"DTSTART:20271031T013000Z" in event.to_ical()
    assert b"DTEND;TZID=Europe/Brussels:20271031T033000" in event.to_ical()


def test_the_sequence_grows_with_each_move_and_never_falls(sides: tuple[Side, Side]) -> None:
    """A replay moves the reservation, because an earlier write takes its slot. Then the user moves the reservation away
    and back. Each of these three moves gives the event a higher SEQUENCE."""
    one, two = sides
    two.reserve("vish", "a", 9, 10)
    seen = [two.feed("/rooms/6.12/calendar.ics")["vish/a"]]
    one.now = two.now = NOW + timedelta(seconds=1)
    one.reserve("neil", "first", 9)
    meet(two.store, one.store)  # the commit of `first` comes before `a`, which goes to 10
    seen.append(two.feed("/rooms/6.12/calendar.ics")["vish/a"])
    for hour in (14, 10):
        body = {"slots": [{"start": f"2026-12-01T{hour}:00Z", "end": f"2026-12-01T{hour + 1}:00Z"}]}
        assert two.client.patch("/reservations/vish/a", json=body, headers={"Bayou-User": "vish"}).status_code == 200
        seen.append(two.feed("/rooms/6.12/calendar.ics")["vish/a"])
    assert [start_of(event).hour for event in seen] == [9, 10, 14, 10]
    numbers = [event["SEQUENCE"] for event in seen]
    assert numbers == sorted(set(numbers))
    assert [event["LAST-MODIFIED"].dt for event in seen] == sorted(event["LAST-MODIFIED"].dt for event in seen)
    assert two.feed("/rooms/6.12/calendar.ics")["vish/a"]["SEQUENCE"] == numbers[-1]


def test_the_sequence_does_not_fall_when_the_noted_revisions_are_lost(sides: tuple[Side, Side]) -> None:
    one, _ = sides
    one.reserve("vish", "a", 9)
    before = one.feed("/rooms/6.12/calendar.ics")["vish/a"]["SEQUENCE"]
    assert worker_redis(13).delete("bayou:{one}:seen:room:6.12") == 1
    one.now += timedelta(seconds=1)
    assert one.feed("/rooms/6.12/calendar.ics")["vish/a"]["SEQUENCE"] > before


def test_the_sequence_does_not_fall_when_the_clock_goes_back(sides: tuple[Side, Side]) -> None:
    one, _ = sides
    one.reserve("vish", "a", 9)
    before = one.feed("/rooms/6.12/calendar.ics")["vish/a"]
    one.now -= timedelta(hours=5)
    assert one.client.delete("/reservations/vish/a", headers={"Bayou-User": "vish"}).status_code == 200
    after = one.feed("/rooms/6.12/calendar.ics")["vish/a"]
    assert after["SEQUENCE"] == before["SEQUENCE"] + 1
    assert after["LAST-MODIFIED"].dt == before["LAST-MODIFIED"].dt


def test_a_reservation_that_is_cancelled_or_leaves_the_room_is_cancelled_in_the_feed(sides: tuple[Side, Side]) -> None:
    one, _ = sides
    one.reserve("vish", "a", 9, purpose="tea")
    one.reserve("vish", "b", 11)
    one.feed("/rooms/6.12/calendar.ics")
    assert one.client.delete("/reservations/vish/a", headers={"Bayou-User": "vish"}).status_code == 200
    elsewhere = {"room": "6.13", "slots": [{"start": "2026-12-01T11:00Z", "end": "2026-12-01T12:00Z"}]}
    assert one.client.patch("/reservations/vish/b", json=elsewhere, headers={"Bayou-User": "vish"}).status_code == 200
    left = one.feed("/rooms/6.12/calendar.ics")
    assert {identifier: str(event["STATUS"]) for identifier, event in left.items()} == {
        "vish/a": "CANCELLED",
        "vish/b": "CANCELLED",
    }
    assert (left["vish/a"]["SUMMARY"], start_of(left["vish/a"]).hour) == ("tea", 9)
    assert one.feed("/rooms/6.13/calendar.ics")["vish/b"]["STATUS"] == "CONFIRMED"
    mine = one.feed("/users/vish/calendar.ics")
    assert (str(mine["vish/a"]["STATUS"]), str(mine["vish/b"]["STATUS"])) == ("CANCELLED", "CONFIRMED")
    one.now += timedelta(days=40)
    assert one.feed("/rooms/6.12/calendar.ics") == {}


def test_a_rejected_reservation_says_why(sides: tuple[Side, Side]) -> None:
    one, two = sides
    two.reserve("vish", "a", 9)
    one.reserve("neil", "b", 9)
    meet(two.store, one.store)
    event = two.feed("/users/vish/calendar.ics")["vish/a"]
    assert event["STATUS"] == "CANCELLED"
    assert "earlier reservation" in event["COMMENT"]


def test_a_client_that_has_the_feed_already_gets_304(sides: tuple[Side, Side]) -> None:
    one, _ = sides
    one.reserve("vish", "a", 9)
    paths = ("/rooms/6.12/calendar.ics", "/rooms/6.12/freebusy.ics", "/users/vish/calendar.ics")
    for number, path in enumerate(paths):
        tag = one.client.get(path).headers["ETag"]
        one.now += timedelta(minutes=1)
        again = one.client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.data) == (304, b""), path
        one.reserve("vish", f"more{number}", 10 + number)
        changed = one.client.get(path, headers={"If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.headers["ETag"] != tag


def test_a_feed_with_too_many_events_is_refused(sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = sides
    monkeypatch.setattr(feeds, "EVENTS_MAX", 1)
    for number in range(2):
        one.reserve("vish", str(number), 9 + number)
    for path in ("/rooms/6.12/calendar.ics", "/users/vish/calendar.ics", "/users/vish/freebusy.ics"):
        answer = one.client.get(path)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (413, "too_large")


def test_a_feed_with_too_many_events_is_not_read_to_its_end(
    sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "EVENTS_MAX", 1)
    monkeypatch.setattr(pages, "PAGES_AT_ONCE", 1)
    one, _ = sides
    for number in range(5):
        one.reserve("vish", str(number), 9 + number)
    read = []

    def decode(page: Mapping[str, str]) -> Any:
        read.append(page)
        return decode_reservation(page)

    monkeypatch.setattr(feeds, "decode_reservation", decode)
    assert one.client.get("/users/vish/calendar.ics").status_code == 413
    assert len(read) == 2


def test_one_large_feed_of_users_is_read_at_a_time(sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_at_a_time, "WAIT_S", 0.01)
    monkeypatch.setattr(feeds, "LARGE", 1)
    one, _ = sides
    for user, count in (("vish", 2), ("neil", 1)):
        for number in range(count):
            one.reserve(user, str(number), 9 + number, room={"vish": "6.12", "neil": "6.13"}[user])
    reading, may_end = threading.Event(), threading.Event()

    def decode(page: Mapping[str, str]) -> Any:
        if not reading.is_set():
            reading.set()
            may_end.wait(30)
        return decode_reservation(page)

    monkeypatch.setattr(feeds, "decode_reservation", decode)
    with ThreadPoolExecutor() as others:
        first = others.submit(one.app.test_client().get, "/users/vish/calendar.ics")
        assert reading.wait(30)
        refused = one.client.get("/users/vish/freebusy.ics")
        assert (refused.status_code, refused.get_json()["error"]["code"]) == (503, "busy")
        assert one.client.get("/users/neil/calendar.ics").status_code == 200
        may_end.set()
        assert first.result(30).status_code == 200


def test_free_busy_has_no_names(sides: tuple[Side, Side]) -> None:
    one, two = sides
    one.reserve("vish", "secret", 9, purpose="hidden")
    meet(two.store, one.store)
    two.reserve("neil", "b", 11, room="6.13")
    two.reserve("vish", "c", 13)
    body = two.client.get("/rooms/6.12/freebusy.ics").data
    found: Any = Calendar.from_ical(body).walk("VFREEBUSY")[0]
    assert [(period.params["FBTYPE"], period.dt[0].hour) for period in found["FREEBUSY"]] == [
        ("BUSY", 9),
        ("BUSY-TENTATIVE", 13),
    ]
    assert not any(word in body for word in (b"vish", b"secret", b"hidden"))


def test_each_occurrence_of_a_series_is_an_event(sides: tuple[Side, Side]) -> None:
    one, _ = sides
    slots = [{"start": "2026-12-01T09:00Z", "end": "2026-12-01T10:00Z"}]
    body = {"room": "6.12", "slots": slots, "request": "s", "rule": "FREQ=WEEKLY;COUNT=3", "purpose": "weekly"}
    assert one.client.post("/reservations", json=body, headers={"Bayou-User": "vish"}).status_code == 201
    mine, room = one.feed("/users/vish/calendar.ics"), one.feed("/rooms/6.12/calendar.ics")
    assert [start_of(event).day for event in mine.values()] == [1, 8, 15]
    assert set(mine) == set(room)
    content = one.client.get("/users/vish/calendar.ics").data
    courses = read_timetable(content, BRUSSELS, Rooms(), user="vish", cluster=CONFIGURED.cluster_id).courses
    assert {course.own for course in courses} == {f"vish/s~2026-12-{day}" for day in ("01", "08", "15")}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/rooms/none/calendar.ics", "room_unknown"),
        ("/rooms/ /freebusy.ics", "room_unknown"),
        ("/users/%0A/calendar.ics", "user_unknown"),
        ("/users/a b/freebusy.ics", "user_unknown"),
    ],
)
def test_an_unknown_room_or_user_has_no_feed(sides: tuple[Side, Side], path: str, code: str) -> None:
    answer = sides[0].client.get(path)
    refused: Any = answer.json
    assert (answer.status_code, refused["error"]["code"]) == (404, code)


def test_importing_an_own_feed_finds_every_reservation_there(sides: tuple[Side, Side]) -> None:
    """If the owner imports the feed, the reservations keep their request ids, so nothing is reserved twice. If somebody
    else imports the feed, or if another cluster made the feed, the reservations get other request ids."""
    one, _ = sides
    one.reserve("vish", "a", 9, purpose="tea")
    one.reserve("vish", "gone", 12)
    one.client.delete("/reservations/vish/gone", headers={"Bayou-User": "vish"})
    content = one.client.get("/users/vish/calendar.ics").data
    read = partial(read_timetable, content, BRUSSELS, Rooms())
    table = read(user="vish", cluster=CONFIGURED.cluster_id)
    (wanted,) = table.wanted
    assert {course.request: course.cancelled for course in table.courses} == {"a": False, "gone": True}
    assert (wanted.room, wanted.purpose) == ("6.12", "tea")
    assert wanted.slot.start.astimezone(UTC) == datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    others = read(user="neil", cluster=CONFIGURED.cluster_id), read(user="vish", cluster="another building")
    assert all("a" not in {course.request for course in other.courses} for other in others)
    assert not any(course.own for course in others[1].courses)


@pytest.mark.skipif(not shutil.which("khal") or not shutil.which("vdirsyncer"), reason="no khal or vdirsyncer")
def test_khal_and_vdirsyncer_read_a_feed_over_http(sides: tuple[Side, Side], tmp_path: Path) -> None:
    """To run this test, install khal and vdirsyncer in a separate environment, and add the environment's `bin` to
    PATH."""
    one, _ = sides
    one.reserve("vish", "a", 9, purpose="weekly tea")
    with served(one.app) as address:
        read = _khal(tmp_path, f"http://{address}/rooms/6.12/calendar.ics")
        assert "10:00-11:00 weekly tea @ 6.12" in read
        body = {"slots": [{"start": "2026-12-01T13:00Z", "end": "2026-12-01T14:00Z"}]}
        assert one.client.patch("/reservations/vish/a", json=body, headers={"Bayou-User": "vish"}).status_code == 200
        assert "14:00-15:00 weekly tea @ 6.12" in _khal(tmp_path, None)


def _khal(folder: Path, url: str | None) -> str:
    """Let vdirsyncer fetch the feed, and return what khal lists for 1 December. Only the first call needs a URL."""
    if url:
        (folder / "calendars").mkdir()
        (folder / "vdirsyncer").write_text(
            f'[general]\nstatus_path = "{folder}/status"\n\n'
            '[pair rooms]\na = "feed"\nb = "files"\ncollections = null\nconflict_resolution = "a wins"\n\n'
            f'[storage feed]\ntype = "http"\nurl = "{url}"\n\n'
            f'[storage files]\ntype = "filesystem"\npath = "{folder}/calendars"\nfileext = ".ics"\n'
        )
        (folder / "khal").write_text(
            f"[calendars]\n[[rooms]]\npath = {folder}/calendars\n\n[sqlite]\npath = {folder}/khal.db\n\n"
            "[locale]\nlocal_timezone = Europe/Brussels\ndefault_timezone = Europe/Brussels\n"
            "timeformat = %H:%M\ndateformat = %Y-%m-%d\nlongdateformat = %Y-%m-%d\n"
            "datetimeformat = %Y-%m-%d %H:%M\nlongdatetimeformat = %Y-%m-%d %H:%M\n"
        )
        _run("vdirsyncer", "-c", folder / "vdirsyncer", "discover")
    _run("vdirsyncer", "-c", folder / "vdirsyncer", "sync")
    form = "{start-time}-{end-time} {title} @ {location}"
    return _run("khal", "-c", folder / "khal", "list", "--format", form, "2026-12-01", "1d")


def _run(*words: str | Path) -> str:
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=KHAL_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
