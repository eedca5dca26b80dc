"""Tests that two independent libraries read the right times from a feed. Both libraries take the time zone from the
feed itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from ical.calendar_stream import CalendarStream
from icalendar import Calendar

from apps.rooms import feed
from apps.rooms.feed_event import FeedEvent
from apps.rooms.feed_zone import described
from apps.rooms.pages import RoomSlot
from bayou.application import FeedRevision
from replica.config import parse
from tests.support.sides_harness import Side, new_stores

TWO_YEARS = (date(2026, 1, 1), date(2027, 12, 31))
THREE_YEARS = (date(2026, 1, 1), date(2028, 12, 31))
PARTS = 4  # of the slow test
NEAR_H = 3  # more than any change of the clocks
UNKNOWN = "Zone of the feed"  # a name that no library knows, so that it reads the description
CHOSEN = [
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "Africa/Cairo",
    "America/Havana",
    "America/Nuuk",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Jerusalem",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Europe/Brussels",
    "Europe/Chisinau",
    "Europe/Dublin",
    "Pacific/Chatham",
    "Pacific/Norfolk",
]


def hours(zone: ZoneInfo, years: tuple[date, date]) -> Iterator[datetime]:
    """Yield the times at which the events of a feed begin. One event begins on every thirtieth day. Around each change
    of the clocks, an event begins every hour, from NEAR_H hours before the change to NEAR_H hours after it. So some
    events begin between any two changes."""
    moment = datetime(years[0].year, 1, 1, tzinfo=UTC)
    day, hour = timedelta(days=1), timedelta(hours=1)
    while moment.year <= years[1].year:
        if moment.toordinal() % 30 == 0:
            yield moment
        before = offset(moment, zone)
        if before != offset(moment + day, zone):
            change = next(hours for hours in range(1, 25) if before != offset(moment + hours * hour, zone))
            yield from (moment + (change + near) * hour for near in range(-NEAR_H, NEAR_H + 1))
        moment += day


def offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def feed_in(zone: ZoneInfo, years: tuple[date, date]) -> tuple[dict[str, datetime], bytes]:
    """Make a feed with one event for each time that the function `hours` yields. Return the start of each event by
    reservation id, and the bytes of the feed. In these bytes, UNKNOWN replaces the name of the zone."""
    starts = {f"vish/{moment:%Y%m%dT%H}": moment for moment in hours(zone, years)}
    seen = {}
    for identifier, moment in starts.items():
        minute = int(moment.timestamp()) // 60
        shown = FeedEvent("committed", RoomSlot("6.12", minute, minute + 90), "tea")
        seen[identifier] = FeedRevision(0, 0, True, shown.encode())
    body = feed.calendar("6.12", "c", zone, years, seen)
    return starts, body.replace(zone.key.encode(), UNKNOWN.encode())


def by_icalendar(body: bytes) -> dict[str, tuple[datetime, datetime]]:
    calendar = Calendar.from_ical(body)
    described: list[Any] = calendar.walk("VTIMEZONE")
    zones = [one.to_tz(lookup_tzid=False) for one in described]

    def instant(value: Any) -> datetime:
        local: datetime = value.dt
        return (local.replace(tzinfo=zones[0]) if "TZID" in value.params else local).astimezone(UTC)

    return {
        str(event["UID"]).partition("@")[0]: (instant(event["DTSTART"]), instant(event["DTEND"]))
        for event in calendar.walk("VEVENT")
    }


def by_ical(body: bytes) -> dict[str, tuple[datetime, datetime]]:
    (calendar,) = CalendarStream.from_ics(body.decode()).calendars
    found = {}
    for event in calendar.events:
        assert isinstance(event.dtstart, datetime)
        assert isinstance(event.end, datetime)
        found[str(event.uid).partition("@")[0]] = (event.dtstart.astimezone(UTC), event.end.astimezone(UTC))
    return found


def check(name: str, years: tuple[date, date]) -> None:
    starts, body = feed_in(ZoneInfo(name), years)
    expected = {identifier: (moment, moment + timedelta(minutes=90)) for identifier, moment in starts.items()}
    assert by_icalendar(body) == expected, name
    assert by_ical(body) == expected, name


@pytest.mark.parametrize("name", CHOSEN)
def test_two_libraries_read_the_times_of_a_feed(name: str) -> None:
    check(name, TWO_YEARS)


def different_zones(part: int) -> list[str]:
    """Return the names of the time zones of one part, from 0 to PARTS - 1. If several zones have the same description
    for THREE_YEARS, return only one of them.

    The UTC offset of a zone decides its part. So zones with the same description are always in the same part.
    """
    alike = {}
    for name in sorted(available_timezones()):
        first = offset(datetime(THREE_YEARS[0].year, 1, 1, tzinfo=UTC), ZoneInfo(name)) or timedelta()
        if first // timedelta(hours=1) % PARTS == part:
            description = described(name, *(day.year for day in THREE_YEARS)).to_ical()
            alike[description.replace(name.encode(), b"")] = name
    return list(alike.values())


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_two_libraries_read_the_times_of_a_feed_in_every_zone(part: int) -> None:
    zones = different_zones(part)
    assert len(zones) > 90 / PARTS / 2
    for name in zones:
        check(name, THREE_YEARS)


@pytest.mark.parametrize("name", ["Africa/Casablanca", "Africa/El_Aaiun", "America/New_York"])
def test_the_onsets_of_a_description(name: str) -> None:
    """The feed describes the time zone with one onset for each change of the clocks. An onset is the local time of a
    change, by the clocks before the change. The expected changes come from the time zone database of this machine. Two
    changes may be only a month apart."""
    zone = ZoneInfo(name)
    _, body = feed_in(zone, THREE_YEARS)
    (description,) = Calendar.from_ical(body).walk("VTIMEZONE")
    onsets = []
    for part in description.subcomponents[1:]:  # the first one says what holds at the beginning
        dates: Any = part["RDATE"]
        onsets += [one.dt for one in dates.dts]
    assert sorted(onsets) == changes(zone, THREE_YEARS)
    assert b"X-PUBLISHED-TTL:PT5M" in body
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT5M" in body


def changes(zone: ZoneInfo, years: tuple[date, date]) -> list[datetime]:
    """Return the local time of each change of the clocks in these years, by the clocks before the change."""
    moment = datetime(years[0].year, 1, 1, tzinfo=UTC)
    found, before = [], moment.astimezone(zone).utcoffset()
    while moment.year <= years[1].year:
        offset = moment.astimezone(zone).utcoffset()
        if offset != before and before is not None:
            found.append((moment + before).replace(tzinfo=None))
        before = offset
        moment += timedelta(hours=1)
    return found


@pytest.mark.parametrize("zone", ["Africa/Casablanca", "America/New_York", "UTC"])
def test_every_feed_is_read_by_two_libraries(zone: str) -> None:
    settings = parse(
        f"cluster: feeds\nprimary: one\ntimezone: {zone}\nrooms: ['6.12']\n"
        "replicas:\n  one: {rest: 127.0.0.1:8001, anti_entropy: 127.0.0.1:9001}\n",
        Path("config.yaml"),
    )
    (store,) = new_stores(settings, 11, "one")
    side = Side(store, settings, lambda: datetime(2026, 11, 30, 12, 0, tzinfo=UTC))
    starts = [datetime(2027, 2, 20, 9, 0, tzinfo=UTC), datetime(2027, 7, 1, 22, 30, tzinfo=UTC)]
    for number, start in enumerate(starts):
        end = start + timedelta(hours=1)
        body = {"room": "6.12", "slots": [{"start": start.isoformat(), "end": end.isoformat()}], "request": str(number)}
        assert side.client.post("/reservations", json=body, headers={"Bayou-User": "vish"}).status_code == 201
    expected = {f"vish/{number}": (start, start + timedelta(hours=1)) for number, start in enumerate(starts)}
    for path in ("/rooms/6.12/calendar.ics", "/users/vish/calendar.ics"):
        content = side.client.get(path).data.replace(zone.encode(), UNKNOWN.encode())
        assert by_icalendar(content) == by_ical(content) == expected
    for path in ("/rooms/6.12/freebusy.ics", "/users/vish/freebusy.ics"):
        content = side.client.get(path).data
        (busy,) = Calendar.from_ical(content).walk("VFREEBUSY")
        own: Any = busy["FREEBUSY"]
        (other,) = CalendarStream.from_ics(content.decode()).calendars[0].freebusy
        assert [one.dt for one in own] == [(one.start, one.end) for one in other.freebusy]
        assert [one.dt[0] for one in own] == starts
