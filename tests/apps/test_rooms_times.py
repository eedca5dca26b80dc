"""Times: valid and invalid texts, the days of a slot, and days on which clocks change."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.rooms.times import DAY_MIN, MINUTE_END, format_minute, local_day, parse_minute, utc_days

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01T09:00Z",
        "2026-12-01T09:00:00Z",
        "2026-12-01T09:00:00.000Z",
        "2026-12-01T10:00+01:00",
        "2026-11-30T23:30-09:30",
    ],
)
def test_one_time_written_in_different_ways_is_one_minute(text: str) -> None:
    assert parse_minute(text) == 29935260


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-12-01T09:00", "has no offset from UTC"),
        ("2026-12-01", "is not a time"),
        ("2026-12-01 09:00+01:00", "is not a time"),
        ("2026-12-01T09:00 01:00", "written %2B"),
        ("2026-13-01T09:00Z", "month must be in 1..12"),
        ("2026-02-29T09:00Z", "day is out of range"),
        ("2026-12-01T24:00Z", "hour must be in 0..23"),
        ("2026-12-01T09:00:30Z", "has seconds"),
        ("2026-12-01T09:00:00.5Z", "has seconds"),
        ("1969-12-31T23:59Z", "outside the years 1970 to 2159"),
        ("2160-01-01T00:01Z", "outside the years 1970 to 2159"),
        ("0001-01-01T00:00+14:00", "is not a time"),
        ("٢٠٢٦-12-01T09:00Z", "is not a time"),
        (29935260, "must be a time in quotes"),
        (None, "must be a time in quotes"),
    ],
)
def test_an_invalid_time_is_refused_with_the_reason(text: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_minute(text)


@given(st.integers(0, MINUTE_END), st.sampled_from(["UTC", "Europe/Amsterdam", "Asia/Kathmandu", "America/St_Johns"]))
def test_a_formatted_time_parses_to_the_same_minute(minute: int, zone: str) -> None:
    if zone != "UTC" and minute < 20 * 365 * DAY_MIN:
        return  # long ago, offsets had seconds or odd minutes
    assert parse_minute(format_minute(minute, ZoneInfo(zone))) == minute


def test_a_slot_touches_utc_days_and_its_end_is_excluded() -> None:
    evening = parse_minute("2026-12-31T23:00Z")
    assert list(utc_days(evening, evening + 60)) == ["2026-12-31"]
    assert list(utc_days(evening, evening + 61)) == ["2026-12-31", "2027-01-01"]


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-24", 24), ("2026-10-25", 25)]
)
def test_a_local_day_lasts_23_to_25_hours(day: str, hours: int) -> None:
    noon = parse_minute(f"{day}T12:00Z")
    start, end = local_day(noon, noon + 60, AMSTERDAM)
    assert end - start == hours * 60
    assert format_minute(start, AMSTERDAM)[:16] == f"{day}T00:00"


def test_a_day_whose_midnight_is_skipped_begins_at_the_change() -> None:
    beirut = ZoneInfo("Asia/Beirut")
    noon = parse_minute("2024-03-31T12:00+03:00")
    start, end = local_day(noon, noon + 60, beirut)
    assert format_minute(start, beirut) == "2024-03-31T01:00:00+03:00"
    assert end - start == 23 * 60


def test_a_slot_over_local_midnight_has_both_days() -> None:
    start = parse_minute("2026-12-01T23:30+01:00")
    day_start, day_end = local_day(start, start + 60, AMSTERDAM)
    assert format_minute(day_start, AMSTERDAM) == "2026-12-01T00:00:00+01:00"
    assert format_minute(day_end, AMSTERDAM) == "2026-12-03T00:00:00+01:00"


def test_the_repeated_hour_is_two_different_hours() -> None:
    assert parse_minute("2026-10-25T02:30+01:00") - parse_minute("2026-10-25T02:30+02:00") == 60
