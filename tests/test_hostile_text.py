"""Fuzz the parsers of text (times, script lines, calendar files, session tokens) with random and malicious input.

A parser must accept the text or refuse it with its own exception. Any other exception, a hang or a very large result
fails the test. test_hostile_frames.py tests frames and export volumes. test_openapi.py tests HTTP requests.
"""

from __future__ import annotations

import base64
import contextlib
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bayou.errors import BadInput
from bayou.session_token import JSON_BYTES_MAX, Token
from cli import times
from cli.calendar_files.recurrence import OCCURRENCES_MAX
from cli.calendar_files.rooms import Rooms
from cli.calendar_files.timetable import read_timetable
from cli.problems import Problem, Usage
from cluster.language import parser as language
from cluster.language.parser import Complaint

ROME = ZoneInfo("Europe/Rome")
NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
EXAMPLES = settings(max_examples=150, deadline=None)


def near(*pieces: str) -> st.SearchStrategy[str]:
    """Generate text from these valid pieces in any order, mixed with random characters."""
    return st.lists(st.sampled_from(pieces) | st.text(max_size=3), max_size=9).map("".join) | st.text(max_size=40)


TIMES = near(
    *(
        "2026-12-01",
        "9999-12-31",
        "0001-01-01",
        "2026-02-30",
        "2026-03-29",
        "T",
        " ",
        "09:00",
        "24:00",
        "2:30",
        "23:59",
    ),
    *("Z", "+01:00", "-23:59", "+24:00", "today", "tomorrow", "friday", "-", "–", "9", "10:30", "1h", "90m", "1:30"),
    *("99999h", "٣", "²", "\x00"),
)
READERS: dict[str, Callable[[str], object]] = {
    "time": lambda text: times.read_time(text, ROME, NOW),
    "period": lambda text: times.read_period(text, ROME, NOW),
    "date": lambda text: times.read_date(text, ROME, NOW),
    "length": times.read_length,
    "time beside": lambda text: times.read_beside(text, NOW.astimezone(ROME), ROME, NOW),
}


@pytest.mark.parametrize("name", READERS)
@EXAMPLES
@given(text=TIMES)
@example(text="0001-01-01T00:00+23:59")
@example(text="9999-12-31T23:59-23:59")
@example(text="9999-12-31 23-24")
def test_a_time_at_the_prompt_is_accepted_or_refused(name: str, text: str) -> None:
    with contextlib.suppress(Usage):
        READERS[name](text)


WORDS = st.sampled_from([*language.USAGES, "s1", "c", "6.12", "or", "merge", "for", "another_room", "from", "force"])
WHENS = near("2026-12-01", "9999-12-31", "0001-01-01", "T", "/", "09:00", "24:00", "2026-02-30", "23:59")
LINES = st.lists(WORDS | WHENS, max_size=8).map(" ".join)


@EXAMPLES
@given(line=LINES)
@example(line="reserve c r 9999-12-31T09:00/24:00")
def test_a_script_line_is_accepted_or_refused(line: str) -> None:
    with contextlib.suppress(Complaint):
        command = language.read_line(line)
        if command is not None and command.name == "reserve":
            language.read_reserve(command)


@pytest.mark.parametrize(
    "read", [language.read_slot, language.read_date, language.read_offset, language.read_count, language.read_line]
)
@EXAMPLES
@given(text=WHENS | near("+", "-", "99999999999", "7", "ms", "s", "h", "d", "٣"))
def test_a_script_word_is_accepted_or_refused(read: Callable[[str], object], text: str) -> None:
    with contextlib.suppress(Complaint):
        read(text)


EVENT = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u1\r\nSUMMARY:Talk\r\nLOCATION:6.12\r\n"
    "DTSTART;TZID=Europe/Rome:20261201T090000\r\nDTEND;TZID=Europe/Rome:20261201T100000\r\n"
    "RRULE:FREQ=WEEKLY;COUNT=3\r\nEXDATE;TZID=Europe/Rome:20261208T090000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
SPOILT = (
    *("BEGIN:VEVENT", "END:VEVENT", "END:VCALENDAR", "DTSTART:20261201", "DTSTART:99991231T235900Z", "DURATION:PT1H"),
    *("DTSTART:00010101T000000Z", "DURATION:-P1D", "DURATION:P99999999D", "RRULE:FREQ=SECONDLY", "RRULE:FREQ=MINUTELY"),
    *(
        "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=1",
        "RRULE:FREQ=DAILY;COUNT=999999999",
        "RRULE:FREQ=DAILY;INTERVAL=0",
    ),
    *("RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;COUNT=2", "RRULE:UNTIL=20261231", "RDATE:20261203T090000", "RRULE:"),
    *("RECURRENCE-ID:20261208T090000Z", "RECURRENCE-ID:nonsense", "EXDATE:x", "TZID:Nowhere/Land", "STATUS:CANCELLED"),
    *("LOCATION:a/b", "LOCATION:", "UID:", "DTEND;VALUE=DATE:20261202", "DTSTART;TZID=No/Where:20261201T090000"),
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), until=st.sampled_from([None, date(2026, 12, 31), date.max]))
def test_a_calendar_file_is_accepted_or_refused_and_each_skipped_event_has_a_reason(
    data: st.DataObject, until: date | None
) -> None:
    lines = EVENT.split("\r\n")
    for _ in range(data.draw(st.integers(0, 3))):
        number = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                del lines[number]
            case 1:
                lines.insert(number, data.draw(st.sampled_from(SPOILT) | st.text(max_size=20)))
            case 2:
                lines[number] = data.draw(st.sampled_from(SPOILT))
            case _:
                lines[number] = lines[number][: data.draw(st.integers(0, 20))]
        lines = lines or [""]
    content = "\r\n".join(lines).encode(errors="replace")
    try:
        table = read_timetable(content, ROME, Rooms(), until=until)
    except Problem:
        return
    assert len(table.wanted) <= OCCURRENCES_MAX * max(1, table.events)
    assert all(one.why for one in table.skipped)


@EXAMPLES
@given(st.binary(max_size=200))
def test_random_bytes_are_refused_as_a_calendar_file(content: bytes) -> None:
    with contextlib.suppress(Problem):
        read_timetable(content, ROME, Rooms())


def packed(plain: bytes) -> str:
    """Compress and encode bytes as a session token does."""
    return base64.urlsafe_b64encode(zlib.compress(plain, 9)).decode().rstrip("=")


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["r", "w", "x~aaaaaa"]), inner),
    max_leaves=8,
)


@EXAMPLES
@given(
    text=st.text(max_size=60)
    | st.binary(max_size=60).map(packed)
    | JSONS.map(lambda found: packed(repr(found).encode()))
)
@example(text=packed(b"0" * 10_000_000)[: 8 * 1024])
@example(text=packed(b"[" * JSON_BYTES_MAX))
@example(text=packed(b'{"r":{"x~aaaaaa":' + b"9" * 5000 + b'},"w":{}}'))
@example(text=packed(b'{"r":[],"w":[]}'))
def test_a_session_token_is_accepted_or_refused(text: str) -> None:
    with contextlib.suppress(BadInput):
        token = Token.decode(text)
        assert Token.decode(token.encode()) == token
