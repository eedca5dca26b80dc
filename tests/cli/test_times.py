"""How the client reads times that people type. A text with two meanings is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cli.problems import Usage
from cli.times import (
    read_beside,
    read_date,
    read_length,
    read_period,
    read_time,
    show_length,
    show_slot,
    show_zone,
    slot_from,
)

BRUSSELS = ZoneInfo("Europe/Brussels")
NOW = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)  # already December in Brussels


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-01T09:00", "2026-12-01T09:00+01:00"),
        ("2026-12-01 09:00", "2026-12-01T09:00+01:00"),
        ("2026-12-01 9:00", "2026-12-01T09:00+01:00"),
        ("2026-07-01T09:00", "2026-07-01T09:00+02:00"),
        ("2026-12-01T09:00Z", "2026-12-01T09:00+00:00"),
        ("2026-12-01T09:00-05:30", "2026-12-01T09:00-05:30"),
        ("today 14:00", "2026-12-01T14:00+01:00"),
        ("Tomorrow  9:00", "2026-12-02T09:00+01:00"),
        ("Monday 9:00", "2026-12-07T09:00+01:00"),  # it is Tuesday
        ("wed 9:00", "2026-12-02T09:00+01:00"),
        ("2026-10-25T02:30+02:00", "2026-10-25T02:30+02:00"),
        ("2026-10-25T02:30+01:00", "2026-10-25T02:30+01:00"),
    ],
)
def test_a_time_is_read(text: str, expected: str) -> None:
    assert read_time(text, BRUSSELS, NOW).isoformat(timespec="minutes") == expected


@pytest.mark.parametrize(
    "text",
    ["noon", "9:00", "12/01/2026 09:00", "2026-12-01", "2026-12-01T09", "2026-12-01T09:00:00", "today 9pm", ""],
)
def test_an_unreadable_time_names_the_forms(text: str) -> None:
    with pytest.raises(Usage, match=r"Cannot read the time .*2026-12-01T09:00 or 2026-12-01 09:00.*tomorrow 9:00"):
        read_time(text, BRUSSELS, NOW)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-02-30T09:00", "2026-02-30 in .* is not a day"),
        ("2026-12-01T24:00", "24:00 in .* is not a time of day"),
        ("2026-12-01T09:00+15:00", r"\+15:00 in .* is not an offset from UTC"),
        ("0001-01-01T00:00", "outside the years 1 to 9999"),
    ],
)
def test_a_time_that_does_not_exist_is_refused(text: str, message: str) -> None:
    with pytest.raises(Usage, match=message):
        read_time(text, BRUSSELS, NOW)


def test_a_time_that_happens_twice_asks_for_an_offset() -> None:
    with pytest.raises(Usage, match="happens twice in Europe/Brussels") as caught:
        read_time("2026-10-25T02:30", BRUSSELS, NOW)
    assert "2026-10-25T02:30+02:00 or 2026-10-25T02:30+01:00" in caught.value.message


def test_a_time_that_is_skipped_asks_for_an_offset() -> None:
    with pytest.raises(Usage, match="does not exist in Europe/Brussels") as caught:
        read_time("2026-03-29T02:30", BRUSSELS, NOW)
    assert "2026-03-29T02:30+01:00 or 2026-03-29T02:30+02:00" in caught.value.message


def test_a_bare_time_takes_date_and_offset_of_the_first() -> None:
    first = read_time("2026-12-01T09:00-05:00", BRUSSELS, NOW)
    assert read_beside("10:00", first, BRUSSELS, NOW).isoformat(timespec="minutes") == "2026-12-01T10:00-05:00"
    assert (
        read_beside("2026-12-02T10:00", first, BRUSSELS, NOW).isoformat(timespec="minutes") == "2026-12-02T10:00+01:00"
    )


def test_a_bare_time_on_a_clock_change_is_refused_too() -> None:
    first = read_time("2026-03-29T09:00", BRUSSELS, NOW)
    with pytest.raises(Usage, match="does not exist"):
        read_beside("2:30", first, BRUSSELS, NOW)


@pytest.mark.parametrize(("text", "minutes"), [("1h", 60), ("90m", 90), ("1h30m", 90), ("1:30", 90), ("0:45", 45)])
def test_a_length_is_read(text: str, minutes: int) -> None:
    assert read_length(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "1", "h", "0m", "0:00", "1:60", "-1h", "1.5h", "1d", "m30"])
def test_an_unreadable_length_names_the_forms(text: str) -> None:
    with pytest.raises(Usage, match=r"Cannot read the length .*1h, 90m, 1h30m, 1:30"):
        read_length(text)


def test_dates() -> None:
    assert read_date("today", BRUSSELS, NOW) == date(2026, 12, 1)
    assert read_date("2026-12-24", BRUSSELS, NOW) == date(2026, 12, 24)
    with pytest.raises(Usage, match="Cannot read the date"):
        read_date("24.12.2026", BRUSSELS, NOW)


def test_an_hour_stays_an_hour_when_clocks_change() -> None:
    slot = slot_from(read_time("2026-10-25T01:30", BRUSSELS, NOW), timedelta(hours=2))
    assert slot.end.astimezone(UTC) - slot.start.astimezone(UTC) == timedelta(hours=2)
    assert show_slot(slot, BRUSSELS) == "Sun 2026-10-25 01:30 (+02:00)–02:30 (+01:00)"


def test_how_times_are_shown() -> None:
    slot = slot_from(read_time("2026-12-01T23:30", BRUSSELS, NOW), timedelta(hours=1))
    assert show_slot(slot, BRUSSELS) == "Tue 2026-12-01 23:30–Wed 2026-12-02 00:30"
    assert show_zone(BRUSSELS, NOW) == "Europe/Brussels (+01:00)"
    assert show_zone(ZoneInfo("UTC"), NOW) == "UTC"
    assert [show_length(timedelta(minutes=minutes)) for minutes in (45, 60, 90)] == ["45m", "1h", "1h30m"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("9:00", "add the day, as in today 9:00"),
        ("tomorrow 9", "add the minutes, as in 9:00"),
        ("today 9pm", "9pm is 21:00"),
        ("12/01/2026 9:00", "begins with the year"),
        ("next friday 9:00", "write the date instead"),
        ("tuesday 9:00", "Today is Tuesday. Write `today`, or 2026-12-08 if you mean next week"),
    ],
)
def test_a_time_with_two_meanings_is_refused_with_advice(text: str, hint: str) -> None:
    with pytest.raises(Usage, match=hint):
        read_time(text, BRUSSELS, NOW)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("tomorrow 9-10:30", "2026-12-02T09:00+01:00", "2026-12-02T10:30+01:00"),
        ("friday 14:00-15:15", "2026-12-04T14:00+01:00", "2026-12-04T15:15+01:00"),
        ("2026-12-09T9 – 10", "2026-12-09T09:00+01:00", "2026-12-09T10:00+01:00"),
        ("today 22-24", "2026-12-01T22:00+01:00", "2026-12-02T00:00+01:00"),
    ],
)
def test_a_span_is_read(text: str, start: str, end: str) -> None:
    span = read_period(text, BRUSSELS, NOW)
    assert span is not None
    assert [moment.isoformat(timespec="minutes") for moment in (span.start, span.end)] == [start, end]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9-10", "'9-10' has no day"),
        ("tomorrow 9-5", "5 in the afternoon is 17"),
        ("tomorrow 9-9", "ends before it begins"),
        ("tomorrow 9-25", "25:00 in .* is not a time of day"),
        ("tuesday 9-10", "Today is Tuesday"),
        ("someday 9-10", "Cannot read the date 'someday'"),
        ("2026-03-29 2:30-4", "does not exist in Europe/Brussels"),
    ],
)
def test_a_span_is_not_guessed(text: str, message: str) -> None:
    with pytest.raises(Usage, match=message):
        read_period(text, BRUSSELS, NOW)


def test_a_span_beside_another_is_on_its_day() -> None:
    first = read_time("2026-12-09 9:00", BRUSSELS, NOW)
    span = read_period("11-12", BRUSSELS, NOW, first)
    assert span is not None
    assert span.start.isoformat(timespec="minutes") == "2026-12-09T11:00+01:00"
    assert read_period("11:00", BRUSSELS, NOW, first) is None
