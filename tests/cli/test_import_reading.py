"""The client reads unusual and damaged calendar files. The client reports what it cannot read."""

from __future__ import annotations

import time
from datetime import date

import pytest

from bayou.names import NAME
from cli.calendar_files.requests import base_of
from cli.calendar_files.zones import named_zone
from cli.problems import Problem
from tests.support.calendar_text import calendar, event, read, reasons, starts, timetable, utc, zone_of

WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=4"
TUESDAYS = ["12-01 09:00", "12-08 09:00", "12-15 09:00", "12-22 09:00"]
FIXED = ("STANDARD", "DTSTART:16010101T000000", "TZOFFSETFROM:+0500", "TZOFFSETTO:+0500")
SUMMER = ("DAYLIGHT", "DTSTART:20260101T000000", "TZOFFSETFROM:-0300", "TZOFFSETTO:-0200")


def at(recurrence: str, *lines: str, start: str = "20261208T140000", end: str = "20261208T150000") -> str:
    """Return an event that replaces the occurrence `recurrence` of the series `s`. By default, the event takes place on
    8 December from 14:00 to 15:00."""
    return event("s", f"RECURRENCE-ID{recurrence}", *lines, start=start, end=end)


def test_an_event_becomes_a_reservation() -> None:
    table = timetable(event("2025-1", "SUMMARY:A\\nB " + "x" * 300))
    (wanted,), (course,) = table.wanted, table.courses
    assert (course.request, wanted.room, course.repeats) == ("2025-1", "6.12", False)
    assert utc(table) == [("2026-12-01T08:00", 60)]
    assert wanted.purpose == "A B " + "x" * 196


# Bytes and lines


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.replace(b"\r\n", b"\n"),
        lambda content: content.replace(b"\r\n", b"\r"),
        lambda content: content.decode().encode("utf-16"),
        lambda content: content.decode().encode("utf-16-le"),
        lambda content: b"\xfe\xff" + content.decode().encode("utf-16-be"),
        lambda content: content.decode().encode("utf-32"),
        lambda content: content.decode().encode("cp1252"),
        lambda content: content.replace("é".encode(), b"\xc3\r\n \xa9"),
        lambda content: content.replace("é".encode(), b"\xc3\n\t\xa9"),
        lambda content: content.replace(b"SUMMARY", b"summary").replace(b"VEVENT", b"vevent"),
        lambda content: content + b"\x1a\x00\x00",
    ],
)
def test_encodings_and_line_ends(change: object) -> None:
    content = calendar(event("a", "SUMMARY:Café"))
    assert callable(change)
    table = read(change(content))
    assert [one.purpose for one in table.wanted] == ["Café"]
    assert not table.damage
    assert not table.skipped


@pytest.mark.parametrize("encoding", ["cp1251", "koi8_r", "shift_jis", "gbk"])
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    text = {"shift_jis": "会議の予定", "gbk": "会议安排地点"}.get(encoding, "Встреча команды")
    with pytest.raises(Problem, match="Save it as UTF-8") as refused:
        read(calendar(event("a", f"SUMMARY:{text}")).decode().encode(encoding))
    assert refused.value.code == "bad_charset"


def test_a_line_that_is_not_utf8_is_left_out_alone() -> None:
    content = calendar(
        event("a", "SUMMARY:Café"), event("b", "SUMMARY:Thé", start="20261202T090000", end="20261202T100000")
    )
    table = read(content.replace("Thé".encode(), b"Th\xe9"))
    assert [one.purpose for one in table.wanted] == ["Café", ""]
    assert "Th\\xe9' is not UTF-8" in reasons(table)


def test_a_file_that_is_not_a_calendar() -> None:
    for content in (b"", b"hello", b"<html>BEGIN:VCALENDAR</html>", b"\xff\xfe\x00"):
        with pytest.raises(Problem) as refused:
            read(content)
        assert refused.value.code == "bad_calendar"


def test_a_file_that_is_cut_off() -> None:
    """The file may be cut off at any byte. The complete events are read, and the damage is reported."""
    content = calendar(event("a"), event("b", "SUMMARY:Café", start="20261202T090000", end="20261202T100000"))
    second = content.index(b"UID:b")
    for end in range(content.index(b"END:VEVENT") + len("END:VEVENT\r\n"), len(content) - len("\r\n")):
        table = read(content[:end])
        assert starts(table)[0] == "12-01 09:00", content[:end]
        assert table.damage, content[:end]
        assert (len(table.wanted) == 2) == (content[:end].count(b"END:VEVENT") == 2)
        is_inside = content[second - len("BEGIN:VEVENT\r\n") : end].startswith(b"BEGIN:VEVENT")
        assert ("END:VEVENT; it was left out" in reasons(table)) == (is_inside and len(table.wanted) == 1)


def test_only_the_bad_lines_are_left_out() -> None:
    content = calendar(event("a", "X-APPLE-RADIUS=49.9", "DESCRIPTION:two", "lines that were not folded"), event("b"))
    table = read(content.replace(b"END:VEVENT\r\nBEGIN", b"END:VEVENT\r\nX\r\nEND:VTODO\r\nBEGIN"))
    assert len(table.wanted) == 2
    assert [line.split("'")[1] for line in table.damage] == ["X", "END:VTODO", "lines that were not folded"]


def test_an_event_with_an_unreadable_line_about_its_time_is_skipped() -> None:
    table = timetable(event("a", "EXDATE;TZID=20261201"), event("b", "DTSTAMP 20261201", "EXDATE 20261208T090000"))
    assert not table.wanted
    assert [one.why for one in table.skipped] == [
        "its time zone 20261201 is not known",
        "its line 'EXDATE 20261208T090000' cannot be read",
    ]


def test_components_inside_of_other_components() -> None:
    alarm = "BEGIN:VALARM\nDTSTART:20270101T000000\nDURATION:PT5M\nSUMMARY:ring\nEND:VALARM"
    table = timetable(event("a", alarm), f"{event('open')}\nBEGIN:VEVENT\n{event('b')}")
    assert [(one.purpose, one.slot.start.day) for one in table.wanted] == [("Talk", 1)] * 2
    assert "Talk has no END:VEVENT; it was left out" in reasons(table)
    bare = calendar(event("a")).replace(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", b"")
    assert len(read(bare).wanted) == 1
    assert "outside of BEGIN:VCALENDAR" in reasons(read(bare))


# Times and zones


def test_known_and_unknown_time_zones() -> None:
    table = timetable(
        event("a", start="TZID=America/New_York:20261201T090000", end="TZID=America/New_York:20261201T100000"),
        event("b", start="TZID=Mars/Base:20261201T090000"),
        event("c", start="20261201T090000Z", end="20261201T100000Z"),
    )
    assert starts(table) == ["12-01 15:00", "12-01 10:00"]
    assert [one.why for one in table.skipped] == ["its time zone Mars/Base is not known"]
    assert [course.timezone for course in table.courses] == ["America/New_York", "UTC"]


def test_the_zone_of_local_times_is_kept_if_it_has_a_name() -> None:
    berlin = ("STANDARD", "DTSTART:16010101T000000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0100")
    named = {"W. Europe Standard Time": "Europe/Berlin", "Office": None, "Asia/Tokyo": None}
    for name, expected in named.items():
        when = {"start": f"TZID={name}:20261201T090000", "end": f"TZID={name}:20261201T100000"}
        assert timetable(event("a", **when), head=zone_of(name, berlin)).courses[0].timezone == expected
    assert timetable(event("a")).courses[0].timezone is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Romance Standard Time", "Europe/Paris"),
        ("W. EUROPE STANDARD TIME", "Europe/Berlin"),
        ("europe/brussels", "Europe/Brussels"),
        ("/freeassociation.sourceforge.net/Europe/Berlin", "Europe/Berlin"),
        ("/mozilla.org/20070129_1/America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("(UTC+10:00) Brisbane", "Australia/Brisbane"),
        ("(UTC+01:00) Brussels, Copenhagen, Madrid, Paris", "Europe/Brussels"),
        ("GMT-0330", "UTC-03:30"),
        ("UTC+2", "UTC+02:00"),
        ("tzone://Microsoft/Utc", "UTC"),
    ],
)
def test_names_of_time_zones(name: str, meant: str) -> None:
    assert str(named_zone(name)) == meant
    quoted = f'TZID="{name}":' if ":" in name or "," in name else f"TZID={name}:"
    assert utc(timetable(event("a", start=f"{quoted}20261201T090000", end=f"{quoted}20261201T093000")))[0][1] == 30


def test_a_zone_means_what_its_file_says() -> None:
    brussels = ("TZID=Europe/Brussels:20261201T090000", "TZID=Europe/Brussels:20261201T100000")
    for head in (zone_of("Europe/Brussels", FIXED), zone_of('"Europe/Brussels"', FIXED)):
        table = timetable(event("a", start=brussels[0], end=brussels[1]), head=head)
        assert utc(table) == [("2026-12-01T04:00", 60)]
    two = calendar(event("a", start="TZID=X:20261201T090000", end="TZID=X:20261201T100000"), head=zone_of("X", FIXED))
    two += calendar(event("b", start="TZID=X:20261201T090000", end="TZID=X:20261201T100000"), head=zone_of("X", SUMMER))
    assert utc(read(two)) == [("2026-12-01T04:00", 60), ("2026-12-01T11:00", 60)]


def test_a_zone_that_describes_some_years_only() -> None:
    """The file describes the zone for 2026 only, and the event is in 2030. If the time zone database knows the name of
    the zone, the rules of the database apply to the event. Otherwise the last offset in the file applies."""
    summer = ("DAYLIGHT", "DTSTART:20260329T020000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200")
    winter = ("STANDARD", "DTSTART:20261025T030000", "TZOFFSETFROM:+0200", "TZOFFSETTO:+0100")
    for name, hour in (("Europe/Brussels", "07"), ("Office", "08")):
        when = {"start": f"TZID={name}:20300701T090000", "end": f"TZID={name}:20300701T100000"}
        assert utc(timetable(event("a", **when), head=zone_of(name, summer, winter))) == [(f"2030-07-01T{hour}:00", 60)]


def test_a_zone_whose_clocks_change_on_29_february() -> None:
    winter = ("STANDARD", "DTSTART:16011001T000000", "TZOFFSETFROM:+0500", "TZOFFSETTO:+0500", "RRULE:FREQ=YEARLY")
    leap = ("DAYLIGHT", "DTSTART:16040229T000000", "TZOFFSETFROM:+0500", "TZOFFSETTO:+0600", "RRULE:FREQ=YEARLY")
    when = {"start": "TZID=Office:20280303T120000", "end": "TZID=Office:20280303T130000"}
    assert utc(timetable(event("a", **when), head=zone_of("Office", winter, leap))) == [("2028-03-03T06:00", 60)]


def test_an_unreadable_definition_of_a_zone() -> None:
    no_offsets = ("STANDARD", "DTSTART:19810329T020000")
    when = {"start": "TZID=Europe/Zurich:20270701T090000", "end": "TZID=Europe/Zurich:20270701T100000"}
    assert utc(timetable(event("a", **when), head=zone_of("Europe/Zurich", no_offsets))) == [("2027-07-01T07:00", 60)]
    when = {"start": "TZID=Office:20270701T090000", "end": "TZID=Office:20270701T100000"}
    assert "definition of its time zone Office" in reasons(
        timetable(event("a", **when), head=zone_of("Office", no_offsets))
    )
    no_from = ("STANDARD", "DTSTART:16010101T000000", "TZOFFSETTO:-0130")
    assert utc(timetable(event("a", **when), head=zone_of("Office", no_from))) == [("2027-07-01T10:30", 60)]


def test_the_zone_of_the_calendar() -> None:
    """X-WR-TIMEZONE is the zone of floating times. A series whose times are in UTC repeats at the local time of this
    zone."""
    head = "X-WR-TIMEZONE:America/New_York"
    assert utc(timetable(event("a"), head=head)) == [("2026-12-01T14:00", 60)]
    weekly = event("b", "RRULE:FREQ=WEEKLY;COUNT=2", start="20270309T140000Z", end="20270309T150000Z")
    assert utc(timetable(weekly, head=head)) == [("2027-03-09T14:00", 60), ("2027-03-16T13:00", 60)]
    unknown = timetable(event("a"), head="X-WR-TIMEZONE:Mars/Base")
    assert utc(unknown) == [("2026-12-01T08:00", 60)]
    assert "X-WR-TIMEZONE" in unknown.damage[0]


def test_days_and_hours_over_a_clock_change() -> None:
    for duration, minutes in (("P1D", 1380), ("PT24H", 1440), ("P1W", 10020), ("P1DT1H", 1440)):
        table = timetable(event("a", f"DURATION:{duration}", start="20270327T120000", end=""))
        assert utc(table) == [("2027-03-27T11:00", minutes)], duration


def test_a_time_that_clocks_skip() -> None:
    daily = timetable(event("a", "RRULE:FREQ=DAILY;COUNT=3", start="20270327T023000", end="20270327T024500"))
    assert starts(daily) == ["03-27 02:30", "03-29 02:30", "03-30 02:30"]
    assert starts(timetable(event("a", start="20270328T023000", end="20270328T040000"))) == ["03-28 03:30"]


@pytest.mark.parametrize(
    ("lines", "minutes"),
    [
        (event("a", "DURATION:PT90M", end=""), 90),
        (event("a", "DURATION:+PT1H30M", end=""), 90),
        (event("a", end="TZID=America/New_York:20261201T043000"), 90),
        (event("a", end="20261201T093000Z"), 90),
        (event("a", start="TZID=America/New_York:20261201T080000Z", end="20261201T093000Z"), 90),
        (event("a", start="VALUE=DATE:20261201", end="VALUE=DATE:20261202"), 1440),
        (event("a", start="VALUE=DATE:20261201", end="VALUE=DATE:20261201"), 1440),
        (event("a", start="20261201", end=""), 1440),
        (event("a", "DURATION:P2D", start="20261201", end=""), 2880),
        (event("a", start="20270328", end="20270329"), 1380),
    ],
)
def test_lengths(lines: str, minutes: int) -> None:
    assert [found for _, found in utc(timetable(lines))] == [minutes]


def test_an_event_of_whole_days_takes_the_opening_hours() -> None:
    table = timetable(event("a", "LOCATION:6.13", start="20261201", end="20261203"))
    assert utc(table) == [("2026-12-01T07:00", 720), ("2026-12-02T07:00", 720)]
    assert [one.key for one in table.wanted] == ["2026-12-01", "2026-12-02"]
    assert table.courses[0].repeats


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (event("x", "LOCATION:"), "no location"),
        (event("x", "LOCATION:6/12"), "cannot be a room"),
        (event("x", "LOCATION:" + "x" * 65), "cannot be a room"),
        (event("x", end=""), "no end"),
        (event("x", end="20261201T080000"), "ends before"),
        (event("x", "DURATION:-PT1H", end=""), "ends before"),
        (event("x", end="20261201T090000"), "no length"),
        (event("x", "DURATION:PT0S", end=""), "no length"),
        (event("x", "DURATION:1 hour", end=""), "DURATION 1 hour cannot be read"),
        (event("x", end="20261201T093030"), "whole minutes"),
        (event("x", start="20261201T090001"), "whole minutes"),
        (event("x", start="20161231T235960Z"), "cannot be read"),
        (event("x", start="tomorrow"), "DTSTART tomorrow cannot be read"),
        (event("x", start="20261301T090000"), "cannot be read"),
        (event("x", end="20261202"), "must both be days or both be times"),
        (event("x", "DTSTART:20261203T090000"), "DTSTART more than once"),
        (event("x", start="19500101T090000", end="19500101T100000"), "1970 to 2159"),
        (event("x", start="99991231T235900", end="99991231T235959Z"), "whole minutes"),
        (event("x", start="22000101T090000", end="22000101T100000"), "1970 to 2159"),
        ("UID:x\nLOCATION:6.12\nSUMMARY:no start", "no start"),
        (event("x", "RRULE:FREQ=HOURLY;COUNT=2"), "more often than daily"),
        (event("x", "RRULE:FREQ=WEEKLY;COUNT=2;INTERVAL=0"), "has an INTERVAL of less than 1"),
        (event("x", "RRULE:FREQ=WEEKLY;COUNT=x"), "cannot be read"),
        (event("x", "RRULE:FREQ=WEEKLY;COUNT=-1"), "has no occurrence"),
        (event("x", "RRULE:FREQ=WEEKLY;COUNT=2;BYDAY=XX"), "cannot be followed"),
        (
            event("x", "RRULE:FREQ=MONTHLY;COUNT=2;SKIP=FORWARD;RSCALE=GREGORIAN"),
            "a value of SKIP that is not supported",
        ),
        (event("x", "RRULE:FREQ=DAILY;UNTIL=20270230T000000"), "UNTIL=20270230T000000 cannot be read"),
        (event("x", "RRULE:FREQ=DAILY"), "--until DATE"),
        (event("x", "RRULE:FREQ=DAILY;COUNT=2", "EXDATE:20271329T100000"), "EXDATE 20271329T100000 cannot be read"),
        (event("x", "RRULE:FREQ=DAILY;COUNT=2", "RDATE:soon"), "RDATE soon cannot be read"),
        (event("x", "RECURRENCE-ID;RANGE=THISANDPRIOR:20261201T090000"), "RANGE=THISANDPRIOR"),
        (event("x", "RECURRENCE-ID:nonsense"), "RECURRENCE-ID nonsense cannot be read"),
    ],
)
def test_a_bad_event_is_skipped_with_its_reason(text: str, why: str) -> None:
    table = timetable(text, event("good"))
    assert [course.request for course in table.courses] == ["good"]
    assert why in reasons(table)


# Rooms


@pytest.mark.parametrize(
    "line",
    [
        "LOCATION:H.1301\\n2nd floor\nLOCATION:6.12",
        "LOCATION: 6.12\u200e ",
        "LOCATION:6.12\u00a0",
        'LOCATION;LANGUAGE=en;ALTREP="http://x/a:b":6.12',
        "LOCATION:\nATTENDEE;CUTYPE=ROOM;CN=6.12:mailto:room612@example.org",
        'LOCATION:Building A\nATTENDEE;ROLE=REQ-PARTICIPANT;CN=6.13:mailto:x\nATTENDEE;CUTYPE=ROOM;CN="6.12":mailto:y',
    ],
)
def test_the_room_of_an_event(line: str) -> None:
    assert [one.room for one in timetable(event("a", *line.split("\n"))).wanted] == ["6.12"]


def test_names_of_rooms_keep_what_people_see() -> None:
    names = ["Lab 👩‍💻", "חדר ישיבות", "🚀 Rakete", "Salle\u00a0B53", "a\\, b\\; c"]
    found = [one.room for name in names for one in timetable(event("a", f"LOCATION:{name}")).wanted]
    assert found == ["Lab 👩‍💻", "חדר ישיבות", "🚀 Rakete", "Salle B53", "a, b; c"]


# Series


def test_a_weekly_series_keeps_its_wall_clock_time_and_its_exceptions() -> None:
    table = timetable(
        event(
            "weekly",
            "RRULE:FREQ=WEEKLY;UNTIL=20261109T080000Z",
            "EXDATE:20261026T090000",
            "RDATE:20261104T150000",
            start="20261012T090000",
            end="20261012T100000",
        ),
        event("weekly", "RECURRENCE-ID:20261102T090000", start="20261102T110000", end="20261102T123000"),
    )
    assert starts(table) == ["10-12 09:00", "10-19 09:00", "11-02 11:00", "11-04 15:00", "11-09 09:00"]
    (course,) = table.courses
    assert (course.request, course.repeats, list(course.removed)) == ("weekly", True, ["2026-10-26"])


def test_a_series_without_an_end_needs_until() -> None:
    endless = event("daily", "RRULE:FREQ=DAILY")
    assert len(timetable(endless, until=date(2026, 12, 10)).wanted) == 10
    assert "more than 1000 times" in reasons(timetable(endless, until=date(2036, 12, 10)))
    late = event("late", "RRULE:FREQ=WEEKLY;COUNT=9", "RDATE:20280101T090000")
    assert len(timetable(late, until=date(2026, 12, 10)).wanted) == 2


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=WEEKLY;UNTIL=20261215", TUESDAYS[:3]),
        ("FREQ=WEEKLY;UNTIL=20261215T090000", TUESDAYS[:3]),
        ("FREQ=WEEKLY;UNTIL=20261215T080000Z", TUESDAYS[:3]),
        ("FREQ=WEEKLY;UNTIL=20261215T075900Z", TUESDAYS[:2]),
        ("freq=weekly;count=2;", TUESDAYS[:2]),
        ("FREQ=WEEKLY;COUNT=9;UNTIL=20261215", TUESDAYS[:3]),
        ("FREQ=MONTHLY;BYDAY=1TU;COUNT=2", ["12-01 09:00", "01-05 09:00"]),
        ("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=1;COUNT=2", ["12-01 09:00", "01-05 09:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU;COUNT=3", ["12-01 09:00", "12-13 09:00", "12-15 09:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO;COUNT=3", ["12-01 09:00", "12-06 09:00", "12-15 09:00"]),
        ("FREQ=WEEKLY;BYDAY=WE;COUNT=3", ["12-01 09:00", "12-02 09:00", "12-09 09:00"]),  # 3.8.5.3: DTSTART counts
        ("RSCALE=GREGORIAN;SKIP=OMIT;FREQ=WEEKLY;COUNT=2", TUESDAYS[:2]),
        ("FREQ=WEEKLY;UNTIL=20200101", TUESDAYS[:1]),
        ("FREQ=DAILY;BYHOUR=9,14;COUNT=3", ["12-01 09:00", "12-01 14:00", "12-02 09:00"]),
    ],
)
def test_rules(rule: str, expected: list[str]) -> None:
    assert starts(timetable(event("a", f"RRULE:{rule}"))) == expected


def test_the_29th_of_february() -> None:
    leap = event("a", "RRULE:FREQ=YEARLY;COUNT=3", start="20280229T090000", end="20280229T100000")
    assert [start[:10] for start, _ in utc(timetable(leap))] == ["2028-02-29", "2032-02-29", "2036-02-29"]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=3",
        "FREQ=MONTHLY;BYDAY=6MO;COUNT=3",
        "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30;COUNT=3",
        "FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29;COUNT=3",
        "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1;COUNT=3",
        "FREQ=YEARLY;INTERVAL=9999;COUNT=3",
    ],
)
def test_a_rule_that_never_matches_ends_at_once(rule: str) -> None:
    begin = time.process_time()
    table = timetable(event("a", f"RRULE:{rule}"))
    assert time.process_time() - begin < 2
    assert starts(table) == TUESDAYS[:1]
    assert "no occurrence after its start" in reasons(table)


def test_several_rules_and_rules_that_exclude() -> None:
    two = event("a", "RRULE:FREQ=WEEKLY;COUNT=2", "RRULE:FREQ=WEEKLY;BYDAY=FR;COUNT=2")
    assert starts(timetable(two)) == ["12-01 09:00", "12-04 09:00", "12-08 09:00"]
    excluded = event("a", WEEKLY, "EXRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=2")
    assert starts(timetable(excluded)) == [TUESDAYS[1], TUESDAYS[3]]
    other_days = event("a", WEEKLY, "EXRULE:FREQ=WEEKLY;BYDAY=FR")
    assert starts(timetable(other_days)) == TUESDAYS


def test_dates_that_are_added() -> None:
    table = timetable(
        event(
            "a",
            "RDATE;VALUE=PERIOD:20261202T090000Z/20261202T120000Z,20261203T090000Z/PT30M",
            "RDATE;VALUE=DATE:20261204",
            "RDATE;TZID=America/New_York:20261205T040000",
        )
    )
    assert utc(table) == [
        ("2026-12-01T08:00", 60),
        ("2026-12-02T09:00", 180),
        ("2026-12-03T09:00", 30),
        ("2026-12-04T08:00", 60),
        ("2026-12-05T09:00", 60),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "EXDATE:20261208T090000",
        "EXDATE:20261208T080000Z",
        "EXDATE;VALUE=DATE:20261208",
        "EXDATE;TZID=America/New_York:20261208T030000",
        "EXDATE;TZID=Europe/Brussels:20261208T090000,20261208T090000,",
        "EXDATE:\nEXDATE:20261208T090000",
    ],
)
def test_excluded_dates(line: str) -> None:
    table = timetable(event("s", WEEKLY, line))
    assert starts(table) == [TUESDAYS[0], *TUESDAYS[2:]]
    assert list(table.courses[0].removed) == ["2026-12-08"]


def test_an_excluded_date_that_fits_nothing_is_reported() -> None:
    table = timetable(event("s", WEEKLY, "EXDATE:20261208T100000"))
    assert starts(table) == TUESDAYS
    assert "EXDATE 2026-12-08 10:00 fits no occurrence" in reasons(table)


@pytest.mark.parametrize(
    "recurrence",
    [
        ":20261208T090000",
        ":20261208T080000Z",
        ";VALUE=DATE:20261208",
        ";TZID=America/New_York:20261208T030000",
        ";TZID=Europe/Brussels:20261208T090000",
    ],
)
def test_an_occurrence_that_moved(recurrence: str) -> None:
    table = timetable(at(recurrence, "LOCATION:6.13", "SUMMARY:guests"), event("s", WEEKLY))
    assert starts(table) == [TUESDAYS[0], "12-08 14:00", *TUESDAYS[2:]]
    moved = table.wanted[1]
    assert (moved.key, moved.room, moved.purpose) == ("2026-12-08", "6.13", "guests")


def test_floating_exceptions_have_the_zone_of_their_series() -> None:
    new_york = {"start": "TZID=America/New_York:20261201T090000", "end": "TZID=America/New_York:20261201T100000"}
    # The time is in the zone of New York, or in the zone of the building.
    for line in ("EXDATE:20261208T090000", "EXDATE:20261208T150000"):
        assert starts(timetable(event("s", WEEKLY, line, **new_york))) == ["12-01 15:00", "12-15 15:00", "12-22 15:00"]


def test_an_exception_that_fits_no_occurrence_is_taken_and_reported() -> None:
    table = timetable(event("s", WEEKLY), at(":20261209T090000"))
    assert starts(table) == [*TUESDAYS[:2], "12-08 14:00", *TUESDAYS[2:]]
    assert "exception for 2026-12-09 09:00 fits no occurrence" in reasons(table)


def test_exceptions_without_their_series() -> None:
    assert starts(timetable(at(":20261208T090000"))) == ["12-08 14:00"]
    assert not timetable(at(":20261208T090000")).courses[0].complete


def test_cancelled_occurrences() -> None:
    table = timetable(event("s", WEEKLY), at(":20261208T090000", "STATUS:CANCELLED"))
    assert (starts(table), table.courses[0].removed) == ([TUESDAYS[0], *TUESDAYS[2:]], {"2026-12-08": 0})


def test_all_later_occurrences_change() -> None:
    later = at(";RANGE=THISANDFUTURE:20261208T090000", "LOCATION:6.13", end="20261208T153000")
    single = at(":20261215T090000", start="20261216T080000", end="20261216T090000")
    for events in ([event("s", WEEKLY), later, single], [single, later, event("s", WEEKLY)]):
        table = timetable(*events)
        assert starts(table) == [TUESDAYS[0], "12-08 14:00", "12-16 08:00", "12-22 14:00"]
        assert [one.room for one in table.wanted] == ["6.12", "6.13", "6.12", "6.13"]
        assert [minutes for _, minutes in utc(table)] == [60, 90, 60, 90]
    over = at(";RANGE=THISANDFUTURE:20261215T090000", "STATUS:CANCELLED")
    assert starts(timetable(event("s", WEEKLY), later, over)) == [TUESDAYS[0], "12-08 14:00"]


def test_of_two_versions_the_higher_sequence_counts() -> None:
    low, high = at(":20261208T090000", "SEQUENCE:2"), at(":20261208T080000Z", "SEQUENCE:10", start="20261208T130000")
    for versions in ([low, high], [high, low]):
        assert starts(timetable(event("s", WEEKLY), *versions))[1] == "12-08 13:00"
    old, new = event("a", "SEQUENCE:1"), event("a", "SEQUENCE:2", start="20261203T090000", end="20261203T100000")
    for versions in ([old, new], [new, old]):
        assert starts(timetable(*versions)) == ["12-03 09:00"]


def test_of_equal_sequences_the_later_stamp_counts_then_the_later_in_the_file() -> None:
    at_13, at_14 = (
        at(":20261208T090000", start=f"20261208T{hour}0000", end=f"20261208T{hour}3000") for hour in (13, 14)
    )
    assert starts(timetable(event("s", WEEKLY), at_13, at_14))[1] == "12-08 14:00"
    assert starts(timetable(event("s", WEEKLY), at_14, at_13))[1] == "12-08 13:00"
    stamped = at_13 + "\nDTSTAMP:20261102T000000Z", at_14 + "\nDTSTAMP:20261101T000000Z"
    assert starts(timetable(event("s", WEEKLY), *stamped))[1] == "12-08 13:00"


def test_different_events_with_one_uid_are_all_taken() -> None:
    events = [event("x"), event("x", start="20261202T090000", end="20261202T100000"), event("x")]
    table = timetable(*events)
    assert starts(table) == ["12-01 09:00", "12-02 09:00"]
    assert len({course.request for course in table.courses}) == 2
    assert "2 different events have its UID" in reasons(table)


def test_a_calendar_that_cancels() -> None:
    table = timetable(event("a"), at(":20261208T090000"), head="METHOD:CANCEL")
    assert table.courses[0].cancelled
    assert table.courses[1].removed == {"2026-12-08": 0}
    assert not table.wanted


@pytest.mark.parametrize("method", ["REPLY", "COUNTER", "ADD", "DECLINECOUNTER"])
def test_answers_and_proposals_are_no_events(method: str) -> None:
    table = timetable(event("a"), head=f"METHOD:{method}")
    assert not table.courses
    assert f"METHOD:{method}" in reasons(table)


# Names


def test_request_ids_are_valid_and_stable() -> None:
    for uid in ("040000008200E00074C5B7101A82E008" * 4, "a b", "ä", "x/y", "..", "a+s1", "a+20270101", "é" * 99):
        assert NAME.fullmatch(base_of(uid))
        assert len(base_of(uid)) <= 40
        assert base_of(uid) != uid
    assert base_of("a b") == "ics-c8687a08aa5d6ed2044328fa6a697ab8", (
        "an import by another release finds what this one made"
    )
    nameless = event("x").replace("UID:x\n", "")
    assert timetable(nameless).courses == timetable(nameless + "\nDTSTAMP:20261101T000000Z").courses


def test_parts_divide_the_events_and_keep_a_series_together() -> None:
    events = [event(f"e{number}") for number in range(7)] + [event("s", "RRULE:FREQ=DAILY;COUNT=3")]
    parts = [timetable(*events, part=(turn, 3)).courses for turn in (1, 2, 3)]
    names = [{course.request for course in part} for part in parts]
    assert sum(map(len, names)) == len(set.union(*names)) == 8
    assert {"e0", "e3", "e6"} == names[0]
