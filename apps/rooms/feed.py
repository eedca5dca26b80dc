"""Writes reservations as iCalendar (RFC 5545): the events of a feed, and free/busy times.

A feed is a calendar that other programs poll. An event has the same UID at every replica and after every move.
Service.feed_revisions gives the SEQUENCE and LAST-MODIFIED of each event. The replica stores these two values, and
changes these values only if the event changes. So an event that has not changed always has the same bytes.

This module has no access to requests or the store. The module is imported only when a client asks for a feed, because
icalendar takes 3 MiB of memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, FreeBusy, vDuration, vPeriod

from apps.rooms.feed_event import STATUSES, FeedEvent
from apps.rooms.feed_zone import described
from apps.rooms.pages import RoomSlot
from bayou.application import FeedRevision

PRODUCT = "-//Bayou//meeting rooms//EN"
REFRESH = timedelta(minutes=5)  # how often programs are told to poll
NO_PURPOSE = "Reserved"
RESERVATION = "X-BAYOU-RESERVATION"  # USER/REQUEST, by which an import finds the reservation again


def calendar(
    name: str, cluster: str, zone: ZoneInfo, days: tuple[date, date], seen: Mapping[str, FeedRevision]
) -> bytes:
    """Return the feed called `name`, as iCalendar. `seen` has the revision of each reservation, by reservation id. The
    feed has an event for each revision. If `here` of a revision is false, the status of the event is CANCELLED.

    `days` are the first and the last day for which the feed describes the time zone.
    """
    made = _calendar(name)
    made.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    made.add("x-published-ttl", vDuration(REFRESH))
    if zone.key != "UTC":
        made.add_component(described(zone.key, days[0].year, days[1].year))
    for identifier in sorted(seen):
        made.add_component(_event(identifier, f"{identifier}@{cluster}", seen[identifier], zone))
    return bytes(made.to_ical())


def free_busy(
    name: str, cluster: str, period: tuple[datetime, datetime], busy: Iterable[tuple[RoomSlot, str]], now: datetime
) -> bytes:
    """Return the free/busy times of the room or user `name`, as iCalendar. The result names neither users nor
    purposes."""
    made, found = _calendar(name), FreeBusy()
    found.add("uid", f"free-busy of {name}@{cluster}")
    found.add("dtstamp", now.replace(microsecond=0))
    found.add("dtstart", period[0])
    found.add("dtend", period[1])
    for slot, state in sorted(busy, key=lambda one: (one[0].start, one[0].end, one[1])):
        kind = "BUSY" if state == "committed" else "BUSY-TENTATIVE"
        found.add("freebusy", vPeriod((moment(slot.start), moment(slot.end))), parameters={"FBTYPE": kind})
    made.add_component(found)
    return bytes(made.to_ical())


def moment(minute: int) -> datetime:
    """Convert `minute`, the number of minutes since 1970, to a time in UTC."""
    return datetime.fromtimestamp(minute * 60, UTC)


def _calendar(name: str) -> Calendar:
    made = Calendar()
    made.add("version", "2.0")
    made.add("prodid", PRODUCT)
    made.add("calscale", "GREGORIAN")
    made.add("name", name)
    made.add("x-wr-calname", name)
    return made


def _event(identifier: str, uid: str, revision: FeedRevision, zone: ZoneInfo) -> Event:
    shown = FeedEvent.decode(revision.text)
    status = STATUSES.get(shown.state, "CANCELLED") if revision.here else "CANCELLED"
    changed = datetime.fromtimestamp(revision.changed_s, UTC)
    event = Event()
    event.add("uid", uid)
    event.add("sequence", revision.number)
    event.add("dtstamp", changed)  # without a METHOD it says the same as LAST-MODIFIED (3.8.7.2)
    event.add("last-modified", changed)
    event.add("dtstart", _local(shown.slot.start, zone))
    event.add("dtend", _local(shown.slot.end, zone))
    event.add("summary", shown.purpose or NO_PURPOSE)
    event.add("location", shown.slot.room)
    event.add("contact", shown.owner or identifier.partition("/")[0])
    event.add("status", status)
    event.add("transp", "TRANSPARENT" if status == "CANCELLED" else "OPAQUE")
    if shown.reason and revision.here:
        event.add("comment", shown.reason)
    event.add(RESERVATION, identifier)
    return event


def _local(minute: int, zone: ZoneInfo) -> datetime:
    """Convert `minute`, the number of minutes since 1970, to a local time. When clocks go back, clocks show some local
    times twice. If clocks show the local time for the second time, return the time in UTC instead."""
    local = moment(minute).astimezone(zone)
    return local.astimezone(UTC) if local.fold or zone.key == "UTC" else local
