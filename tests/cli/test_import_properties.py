"""The versions of an event may be imported in any order. The newest version decides what is reserved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.calendar_text import calendar, event, read
from tests.support.import_harness import Desk, desk

FIRST = datetime(2026, 12, 1)
DAYS = st.integers(0, 9)
RULES = st.sampled_from(
    [
        "",
        "RRULE:FREQ=DAILY;COUNT=1",
        "RRULE:FREQ=DAILY;COUNT=4",
        "RRULE:FREQ=DAILY;INTERVAL=2;COUNT=5",
        "RRULE:FREQ=WEEKLY;COUNT=3",
        "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,TH;UNTIL=20261220",
    ]
)
_rooms = count()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("import")) as found:
        yield found


@st.composite
def versions(draw: st.DrawFn) -> list[tuple[str, ...]]:
    """Draw the versions of an event. Each version is a tuple of VEVENTs: first the event itself, then events that
    replace single occurrences. The slot of a replacement never overlaps another occurrence."""
    found = []
    for sequence in range(draw(st.integers(1, 4))):
        start = FIRST + timedelta(days=draw(st.integers(0, 3)), hours=draw(st.sampled_from([8, 9])))
        rule = draw(RULES)
        lines = [f"SEQUENCE:{sequence}", f"SUMMARY:{draw(st.sampled_from(['tea', 'cake']))}", rule]
        whole = draw(st.integers(0, 9)) == 0
        if whole:
            lines.append("STATUS:CANCELLED")
        if rule:
            lines += [f"EXDATE:{start + timedelta(days=day):%Y%m%dT%H%M%S}" for day in draw(st.lists(DAYS, max_size=2))]
        events = [_event(start, *lines)]
        for number, day in enumerate(draw(st.lists(DAYS, max_size=2, unique=True)) if rule else []):
            key = start + timedelta(days=day)
            moved = key.replace(hour=14 + 2 * number) + timedelta(days=draw(st.sampled_from([0, 0, 1])))
            state = draw(st.sampled_from(["X-A:B", "STATUS:CANCELLED"]))
            events.append(_event(moved, f"SEQUENCE:{sequence}", f"RECURRENCE-ID:{key:%Y%m%dT%H%M%S}", state))
        found.append(tuple(events))
    return found


def _event(start: datetime, *lines: str) -> str:
    end = start + timedelta(hours=1)
    given = [line for line in lines if line]
    return event("UID", *given, start=f"{start:%Y%m%dT%H%M%S}", end=f"{end:%Y%m%dT%H%M%S}")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(of_one_event=versions(), data=st.data())
def test_what_is_reserved_is_what_the_newest_version_says(
    here: Desk, of_one_event: list[tuple[str, ...]], data: Any
) -> None:
    name = f"room {next(_rooms)}"
    contents = [
        calendar(
            *(one.replace("UID:UID", f"UID:{name}").replace("LOCATION:6.12", f"LOCATION:{name}") for one in events)
        )
        for events in of_one_event
    ]
    newest, shown = -1, -1  # the newest version that changed something; a version that changes nothing leaves no trace
    for number in data.draw(st.lists(st.integers(0, len(contents) - 1), min_size=len(contents), max_size=6)):
        status, answer = here.take(contents[number], "--new-rooms")
        assert status == 0, answer
        has_changed = bool(answer["added"] or answer["changed"] or answer["cancelled"])
        assert not (has_changed and number <= newest), answer
        newest = number if has_changed else newest
        shown = number if number > newest or has_changed else shown
        wanted = [(one.slot.start.astimezone(UTC), one.purpose) for one in read(contents[shown]).wanted]
        assert booked(here, name) == sorted(wanted), answer


def booked(here: Desk, room: str) -> list[tuple[datetime, str]]:
    return sorted(
        (datetime.fromisoformat(one["slot"]["start"]).astimezone(UTC), one["purpose"])
        for one in here.reservations()
        if one["slot"] and one["room"] == room
    )
