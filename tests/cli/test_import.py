"""The command `import`: how it reads a calendar file, the requests it sends, and its summary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bayou.names import NAME
from cli.calendar_file import Timetable, read_timetable, request_id
from cli.main import main
from cli.problems import Problem
from tests.support.fake_replica import FakeReplica, serving

BRUSSELS = ZoneInfo("Europe/Brussels")
FOSDEM = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "fosdem-2025.ics"


def timetable(*events: str, until: date | None = None, part: tuple[int, int] = (1, 1)) -> Timetable:
    return read_timetable(calendar(*events), BRUSSELS, part, until)


def calendar(*events: str) -> bytes:
    bodies = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{bodies}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def event(uid: str, *lines: str, start: str = "20261201T090000", end: str = "20261201T100000") -> str:
    return "\n".join([f"UID:{uid}", "LOCATION:6.12", "SUMMARY:Talk", f"DTSTART:{start}", f"DTEND:{end}", *lines])


def starts(table: Timetable) -> list[str]:
    return [f"{wanted.slot.start.astimezone(BRUSSELS):%m-%d %H:%M %z}" for wanted in table.wanted]


def test_an_event_becomes_a_reservation() -> None:
    table = timetable(event("2025-1").replace("SUMMARY:Talk", "SUMMARY:A\\nB " + "x" * 300))
    (wanted,) = table.wanted
    assert (wanted.request, wanted.room, wanted.series, wanted.timezone) == ("2025-1", "6.12", None, None)
    assert wanted.slot.start.isoformat() == "2026-12-01T08:00:00+00:00"
    assert wanted.purpose == "A B " + "x" * 196


def test_known_and_unknown_time_zones() -> None:
    table = timetable(
        event("a")
        .replace("DTSTART:", "DTSTART;TZID=America/New_York:")
        .replace("DTEND:", "DTEND;TZID=America/New_York:"),
        event("b").replace("DTSTART:", "DTSTART;TZID=Mars/Base:"),
        event("c", start="20261201T090000Z", end="20261201T100000Z"),
    )
    assert starts(table) == ["12-01 15:00 +0100", "12-01 10:00 +0100"]
    assert [wanted.timezone for wanted in table.wanted] == ["America/New_York", "UTC"]
    assert [one.why for one in table.skipped] == ["its time zone Mars/Base is not known"]


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
    assert starts(table) == [
        "10-12 09:00 +0200",
        "10-19 09:00 +0200",
        "11-04 15:00 +0100",
        "11-09 09:00 +0100",
        "11-02 11:00 +0100",
    ]
    assert {wanted.series for wanted in table.wanted} == {"weekly"}
    assert table.wanted[-1].request == "weekly+20261102T0800Z"
    assert len({wanted.request for wanted in table.wanted}) == 5


def test_a_series_without_an_end_needs_until() -> None:
    endless = event("daily", "RRULE:FREQ=DAILY")
    assert "--until DATE" in timetable(endless).skipped[0].why
    assert len(timetable(endless, until=date(2026, 12, 10)).wanted) == 10
    assert "more than 1000 times" in timetable(endless, until=date(2036, 12, 10)).skipped[0].why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (event("x").replace("LOCATION:6.12\n", ""), "no location"),
        (event("x").replace("LOCATION:6.12", "LOCATION:6/12"), "cannot be a room"),
        (event("x").replace("DTSTART:20261201T090000", "DTSTART;VALUE=DATE:20261201"), "all day"),
        (event("x").replace("DTEND:20261201T100000\n", "").replace("\nDTEND:20261201T100000", ""), "no end"),
        (event("x", end="20261201T080000"), "ends before"),
        (event("x", end="20261201T090000"), "no length"),
        (event("x", end="20261201T093030"), "whole minutes"),
        (event("x", start="tomorrow"), "cannot be read"),
        (event("x", "STATUS:CANCELLED"), "cancelled"),
    ],
)
def test_a_bad_event_is_skipped_with_its_reason(text: str, why: str) -> None:
    table = timetable(text, event("good"))
    assert [wanted.request for wanted in table.wanted] == ["good"]
    assert why in table.skipped[0].why


def test_a_uid_that_is_used_twice_is_skipped() -> None:
    table = timetable(event("x"), event("x", start="20261202T090000", end="20261202T100000"))
    assert (len(table.wanted), table.skipped[0].why) == (1, "its UID is in the file twice")


def test_request_ids_are_valid_and_stable() -> None:
    for uid in ("040000008200E00074C5B7101A82E008" * 4, "a b", "ä", "x/y"):
        assert NAME.fullmatch(request_id(uid))
        assert request_id(uid) == request_id(uid)
        assert request_id(uid) != request_id(uid, "20261201T0900Z")
    nameless = event("x").replace("UID:x\n", "")
    assert timetable(nameless).wanted == timetable(nameless).wanted


def test_parts_divide_the_events_and_keep_a_series_together() -> None:
    events = [event(f"e{number}") for number in range(7)] + [event("s", "RRULE:FREQ=DAILY;COUNT=3")]
    parts = [{wanted.request for wanted in timetable(*events, part=(turn, 3)).wanted} for turn in (1, 2, 3)]
    assert sum(len(part) for part in parts) == len(set.union(*parts)) == 10
    assert {"e0", "e3", "e6"} == parts[0]


def test_a_file_that_is_not_a_calendar() -> None:
    with pytest.raises(Problem, match="not a calendar file"):
        read_timetable(b"hello", BRUSSELS)


@pytest.fixture
def replica(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeReplica]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with serving() as fake:
        monkeypatch.setenv("BAYOU_REPLICA", fake.url)
        yield fake


def test_a_second_import_reserves_nothing_twice(
    replica: FakeReplica, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other_room = event("c").replace("LOCATION:6.12", "LOCATION:H.1301")
    (tmp_path / "file.ics").write_bytes(calendar(event("a"), event("b"), other_room, event("d").replace("6.12", "")))
    assert main(["vish", "import", "file.ics"]) == 3
    out = capsys.readouterr().out
    assert "4 events, 3 reservations in 2 rooms" in out
    assert "?  2  tentative" in out
    assert "✗  1  refused" in out
    assert "6.12 is taken at every time you named; name others. [slot_taken]" in out
    assert "Talk: it has no location, so it names no room" in out
    assert replica.reservations["vish/c"]["room"] == "H.1301"
    before = dict(replica.reservations)
    assert main(["vish", "import", "file.ics", "--json"]) == 3
    answer: Any = json.loads(capsys.readouterr().out)
    assert (answer["already_there"], answer["accepted"]["tentative"], answer["refused_count"]) == (2, 0, 1)
    assert replica.reservations == before


def test_reservations_for_other_times_are_listed(
    replica: FakeReplica, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file.ics").write_bytes(calendar(event("a")))
    main(["vish", "import", "file.ics"])
    (tmp_path / "file.ics").write_bytes(calendar(event("a", end="20261201T110000")))
    assert main(["vish", "import", "file.ics"]) == 0
    assert "1 of those already there asked for another time than the file" in capsys.readouterr().out


def test_only_the_first_refusals_are_listed(
    replica: FakeReplica, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file.ics").write_bytes(calendar(*(event(f"e{number}") for number in range(31))))
    assert main(["vish", "import", "file.ics", "--merge", "nearest_free_time", "--window", "2h"]) == 3
    out = capsys.readouterr().out
    assert out.count("[slot_taken]") == 20
    assert "… and 10 more" in out
    sent = next(body for method, _, body in replica.seen if method == "POST")
    assert sent["merge"] == {"name": "nearest_free_time", "window_min": 120}


def test_an_unreachable_replica_ends_the_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file.ics").write_bytes(calendar(event("a")))
    with serving() as fake:
        url = fake.url
    assert main(["vish", "--replica", url, "import", str(tmp_path / "file.ics")]) == 4
    assert main(["vish", "--replica", url, "import", str(tmp_path / "none.ics")]) == 1
    assert "Cannot read" in capsys.readouterr().err


@pytest.mark.skipif(not FOSDEM.exists(), reason="the timetable is not here")
def test_a_conference_without_a_conflict(replica: FakeReplica, capsys: pytest.CaptureFixture[str]) -> None:
    replica.committing = True
    for turn in (1, 2, 3):
        assert main(["vish", "import", str(FOSDEM), "--part", f"{turn}/3", "--json"]) == 0
        answer: Any = json.loads(capsys.readouterr().out)
        assert (answer["refused_count"], answer["skipped_count"]) == (0, 0)
    assert len(replica.reservations) == 1105
    assert len({one["room"] for one in replica.reservations.values()}) == 35
