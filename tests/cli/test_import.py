"""The command `import` with a real replica: the reservations that it makes, the effect of a changed calendar file, and
the output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from tests.support.calendar_text import calendar, event
from tests.support.import_harness import Desk, desk

FOSDEM = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "fosdem-2025.ics"
ROOMS = ["6.12", {"name": "6.13", "opens": "08:00", "closes": "20:00"}, "Café"]
WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=3"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path, ROOMS) as found:
        yield found


def hours(first: int, last: int, day: str = "01") -> dict[str, str]:
    return {"start": f"202612{day}T{first:02}0000", "end": f"202612{day}T{last:02}0000"}


def moved(day: str, *lines: str, first: int = 14) -> str:
    """Return an event that replaces one occurrence of the series `s`. The 9:00 occurrence of this day moves to the hour
    `first`."""
    return event("s", f"RECURRENCE-ID:202612{day}T090000", *lines, **hours(first, first + 1, day))


def counts(answer: dict[str, Any]) -> tuple[int, int, int, int]:
    return answer["added"], answer["changed"], answer["cancelled"], answer["already_there"]


def after(here: Desk, *events: str, options: tuple[str, ...] = ()) -> tuple[int, int, int, int]:
    """Import these events. Return the counts (added, changed, cancelled, already there).

    The import must succeed, with the same counts as a dry run before the import. A second import must change nothing.
    """
    content = calendar(*events)
    preview = here.take(content, "--dry-run", *options)[1]
    status, answer = here.take(content, *options)
    assert (status, counts(preview)) == (0, counts(answer)), answer
    booked = here.booked()
    status, again = here.take(content, *options)
    assert (status, counts(again)[:3], here.booked()) == (0, (0, 0, 0), booked), again
    return counts(answer)


def test_a_second_import_reserves_nothing_twice(here: Desk) -> None:
    events = [event("a"), event("b"), event("c", "LOCATION:6.13"), event("d", "LOCATION:")]
    status, answer = here.take(calendar(*events))
    assert (status, counts(answer), answer["refused_count"]) == (3, (2, 0, 0, 0), 1)
    assert answer["refused"][0]["error"]["code"] == "slot_taken"
    assert answer["skipped"] == [{"title": "Talk", "why": "it has no location, so it names no room"}]
    booked = here.booked()
    assert booked == ["2026-12-01T08:00 60 6.12 Talk", "2026-12-01T08:00 60 6.13 Talk"]
    status, answer = here.take(calendar(*events))
    assert (status, counts(answer), answer["refused_count"], here.booked()) == (3, (0, 0, 0, 2), 1, booked)


def test_of_events_that_overlap_the_first_in_the_file_wins(here: Desk) -> None:
    pairs = [
        (
            event(f"first{day}", "SUMMARY:first", **hours(9, 11, f"{day:02}")),
            event(f"second{day}", **hours(10, 12, f"{day:02}")),
        )
        for day in range(1, 29)
    ]
    status, answer = here.take(calendar(*(one for pair in pairs for one in pair)))
    assert (status, answer["refused_count"]) == (3, 28)
    assert {line.split(" ")[-1] for line in here.booked()} == {"first"}


def test_a_preview_sends_nothing(here: Desk) -> None:
    status, answer = here.take(calendar(event("a"), event("s", WEEKLY, "LOCATION:6.13")), "--dry-run")
    assert (status, answer["dry_run"], counts(answer), here.booked()) == (0, True, (4, 0, 0, 0), [])
    assert [(one["room"], one["date"]) for one in answer["to_add"]] == [
        ("6.12", "2026-12-01"), ("6.13", "2026-12-01"), ("6.13", "2026-12-08"), ("6.13", "2026-12-15")
    ]  # fmt: skip
    here.take(calendar(event("a"), event("b", **hours(11, 12))))
    newer = event("a", "SEQUENCE:1", **hours(14, 15)), event("b", "STATUS:CANCELLED", **hours(11, 12))
    answer = here.take(calendar(*newer), "--dry-run")[1]
    assert [(one["id"], one["start"][11:16]) for one in answer["to_change"]] == [("vish/a", "13:00")]
    assert answer["to_cancel"] == ["vish/b"]
    assert len(here.booked()) == 2


def test_a_higher_sequence_moves_and_changes(here: Desk) -> None:
    assert after(here, event("a")) == (1, 0, 0, 0)
    assert after(here, event("a", "SEQUENCE:1", "SUMMARY:Longer talk", **hours(14, 16))) == (0, 1, 0, 0)
    assert here.booked() == ["2026-12-01T13:00 120 6.12 Longer talk"]
    assert after(here, event("a", "SEQUENCE:2", "LOCATION:6.13", **hours(14, 16, "02"))) == (0, 1, 0, 0)
    assert after(here, event("a", "SEQUENCE:7", "LOCATION:6.13", "SUMMARY:", **hours(14, 16, "02"))) == (0, 1, 0, 0)
    assert here.booked() == ["2026-12-02T13:00 120 6.13"]
    assert [one["request"] for one in here.reservations()] == ["a"]


def test_a_lower_or_equal_sequence_changes_nothing_and_says_so(here: Desk) -> None:
    after(here, event("a", "SEQUENCE:3"))
    for sequence, why in ((2, "older version"), (3, "SEQUENCE of the event is not higher")):
        status, answer = here.take(calendar(event("a", f"SEQUENCE:{sequence}", **hours(14, 15))))
        assert (status, counts(answer)) == (0, (0, 0, 0, 1))
        assert why in answer["kept"][0]["why"]
    assert here.booked() == ["2026-12-01T08:00 60 6.12 Talk"]
    after(here, event("a", "SEQUENCE:4", **hours(14, 15)))
    here.take(calendar(event("a", "SEQUENCE:3")))
    assert here.booked() == ["2026-12-01T13:00 60 6.12 Talk"]


def test_what_was_moved_by_hand_stays_until_the_event_changes(here: Desk) -> None:
    after(here, event("a"))
    later = {"slots": [{"start": "2026-12-01T18:00Z", "end": "2026-12-01T19:00Z"}]}
    here.ask("PATCH", "/reservations/vish/a", later)
    status, answer = here.take(calendar(event("a")))
    assert (status, counts(answer)) == (0, (0, 0, 0, 1))
    assert "changed here" in answer["kept"][0]["why"]
    assert here.booked() == ["2026-12-01T18:00 60 6.12 Talk"]
    assert after(here, event("a", "SEQUENCE:1")) == (0, 1, 0, 0)
    assert here.booked() == ["2026-12-01T08:00 60 6.12 Talk"]


@pytest.mark.parametrize("how", [("STATUS:CANCELLED", "SEQUENCE:1"), ("STATUS:CANCELLED",)])
def test_a_cancelled_event_cancels(here: Desk, how: tuple[str, ...]) -> None:
    after(here, event("a"), event("b", **hours(11, 12)))
    assert after(here, event("a", *how), event("b", **hours(11, 12))) == (0, 0, 1, 1)
    assert here.booked() == ["2026-12-01T10:00 60 6.12 Talk"]
    here.take(calendar(event("a")))
    assert here.booked() == ["2026-12-01T10:00 60 6.12 Talk"]
    assert after(here, event("a", "SEQUENCE:2")) == (1, 0, 0, 0)
    assert len(here.booked()) == 2


def test_a_calendar_with_the_method_cancel_cancels(here: Desk) -> None:
    after(here, event("a"), event("s", WEEKLY, "LOCATION:6.13"))
    status, answer = here.take(calendar(moved("08"), event("a"), event("never"), head="METHOD:CANCEL"))
    assert (status, counts(answer)) == (0, (0, 0, 2, 0))
    assert here.booked() == ["2026-12-01T08:00 60 6.13 Talk", "2026-12-15T08:00 60 6.13 Talk"]
    assert answer["skipped"] == [{"title": "Talk", "why": "it is cancelled"}]


def test_what_was_cancelled_by_hand_stays_cancelled(here: Desk) -> None:
    after(here, event("a"), event("s", WEEKLY, "LOCATION:6.13"))
    here.ask("DELETE", "/reservations/vish/a")
    here.ask("DELETE", "/reservations/vish/s~2026-12-08")
    assert counts(here.take(calendar(event("a"), event("s", WEEKLY, "LOCATION:6.13")))[1]) == (0, 0, 0, 4)
    assert len(here.booked()) == 2
    answer = here.take(calendar(event("a", "SEQUENCE:1")))[1]
    assert answer["kept"] == [{"id": "vish/a", "why": "the file has a newer version, but it was cancelled here"}]
    assert len(here.booked()) == 2


def test_a_repeating_event_becomes_a_series(here: Desk) -> None:
    assert after(here, event("s", WEEKLY), moved("08", "LOCATION:6.13", "SUMMARY:guests")) == (3, 0, 0, 0)
    assert here.booked() == [
        "2026-12-01T08:00 60 6.12 Talk",
        "2026-12-08T13:00 60 6.13 guests",
        "2026-12-15T08:00 60 6.12 Talk",
    ]
    found = here.ask("GET", "/series/vish/s")["series"]
    assert (found["rule"], len(found["reservations"])) == ("FREQ=WEEKLY;COUNT=3", 3)
    here.ask("DELETE", "/series/vish/s")
    assert here.booked() == []


def test_a_series_follows_its_file(here: Desk) -> None:
    after(here, event("s", WEEKLY))
    assert after(here, event("s", WEEKLY, "EXDATE:20261208T090000")) == (0, 0, 1, 2)
    assert after(here, event("s", WEEKLY, "EXDATE:20261208T090000"), moved("15")) == (0, 1, 0, 1)
    assert here.booked() == ["2026-12-01T08:00 60 6.12 Talk", "2026-12-15T13:00 60 6.12 Talk"]
    longer = event("s", "RRULE:FREQ=WEEKLY;COUNT=5", "SEQUENCE:1", **hours(10, 11))
    assert after(here, longer) == (3, 2, 0, 0)
    assert [line[:16] for line in here.booked()] == [f"2026-12-{day}T09:00" for day in ("01", "08", "15", "22", "29")]
    shorter = event("s", "RRULE:FREQ=WEEKLY;COUNT=2", "SEQUENCE:2", **hours(10, 11))
    assert after(here, shorter) == (0, 0, 3, 2)
    assert after(here, event("s", "STATUS:CANCELLED", "SEQUENCE:3")) == (0, 0, 2, 0)
    assert here.booked() == []


def test_a_series_that_goes_to_another_day_keeps_its_reservations(here: Desk) -> None:
    after(here, event("s", WEEKLY))
    assert after(here, event("s", WEEKLY, "SEQUENCE:1", **hours(9, 10, "02"))) == (0, 3, 0, 0)
    assert [line[:10] for line in here.booked()] == ["2026-12-02", "2026-12-09", "2026-12-16"]
    assert len(here.reservations()) == 3
    assert after(here, event("s", "SEQUENCE:2", **hours(9, 10, "03"))) == (0, 1, 2, 0)
    assert here.booked() == ["2026-12-03T08:00 60 6.12 Talk"]


def test_a_daily_series_moves_past_itself(here: Desk) -> None:
    """Each occurrence takes the slot that the next occurrence leaves, so the order of the moves matters."""
    daily = "RRULE:FREQ=DAILY;COUNT=5"
    night = {"start": "20261201T100000", "end": "20261202T090000"}
    after(here, event("s", daily, **night))
    later = {"start": "20261201T180000", "end": "20261202T170000"}
    assert after(here, event("s", daily, "SEQUENCE:1", **later)) == (0, 5, 0, 0)
    assert after(here, event("s", daily, "SEQUENCE:2", **night)) == (0, 5, 0, 0)


def test_an_event_that_begins_to_repeat(here: Desk) -> None:
    after(here, event("a"))
    assert after(here, event("a", WEEKLY, "SEQUENCE:1")) == (2, 0, 0, 1)
    assert after(here, event("a", "SEQUENCE:2")) == (0, 0, 2, 1)


def test_an_exception_alone_changes_its_series(here: Desk) -> None:
    after(here, event("s", WEEKLY))
    assert counts(here.take(calendar(moved("08", "SEQUENCE:1")))[1]) == (0, 1, 0, 0)
    assert here.booked()[1] == "2026-12-08T13:00 60 6.12 Talk"
    assert len(here.booked()) == 3


def test_a_later_end_of_an_endless_series_adds_what_is_missing(here: Desk) -> None:
    endless = event("s", "RRULE:FREQ=WEEKLY")
    assert here.take(calendar(endless))[0] == 1
    assert after(here, endless, options=("--until", "2026-12-31")) == (5, 0, 0, 0)
    assert after(here, endless, options=("--until", "2027-01-31")) == (4, 0, 0, 5)
    assert after(here, endless, options=("--until", "2026-12-31")) == (0, 0, 0, 5)


def test_a_series_too_long_for_one_write(here: Desk) -> None:
    daily = event("s", "RRULE:FREQ=DAILY;COUNT=450")
    assert after(here, daily) == (450, 0, 0, 0)
    assert after(here, event("s", "RRULE:FREQ=DAILY;COUNT=450", "EXDATE:20270801T090000")) == (0, 0, 1, 449)
    twice = event("t", "RRULE:FREQ=DAILY;BYHOUR=9,14;COUNT=6", "LOCATION:6.13")
    assert after(here, twice) == (6, 0, 0, 0)


def test_a_long_series_with_long_texts(here: Desk) -> None:
    daily = event("s", "RRULE:FREQ=DAILY;COUNT=190", f"SUMMARY:{'é' * 200}")
    changed = moved("08", f"SUMMARY:{'è' * 200}")
    assert after(here, daily, changed) == (190, 0, 0, 0)


def test_events_of_whole_days(here: Desk) -> None:
    whole = event("a", start="20261201", end="20261203")
    with_hours = event("b", "LOCATION:6.13", start="20261201", end="20261203")
    assert after(here, whole, with_hours) == (3, 0, 0, 0)
    assert here.booked() == [
        "2026-11-30T23:00 2880 6.12 Talk",
        "2026-12-01T07:00 720 6.13 Talk",
        "2026-12-02T07:00 720 6.13 Talk",
    ]
    longer = event("b", "LOCATION:6.13", "SEQUENCE:1", start="20261202", end="20261204")
    assert after(here, whole, longer) == (0, 1, 0, 2)
    assert [line[:10] for line in here.booked()] == ["2026-11-30", "2026-12-02", "2026-12-03"]


def test_unknown_rooms_are_refused_with_the_nearest_name(here: Desk) -> None:
    named = {
        "a": "café",
        "b": "Room 6.12 (Building A)",
        "c": "Microsoft Teams Meeting\\; 6.12",
        "d": "Mars",
        "e": "Cafe",
    }
    content = calendar(*(event(uid, f"LOCATION:{room}") for uid, room in named.items()), event("f"))
    status, answer = here.take(content)
    assert (status, here.booked()) == (1, ["2026-12-01T08:00 60 6.12 Talk"])
    assert {one["room"]: one["nearest"] for one in answer["unknown_rooms"]} == {
        "café": "Café",
        "Room 6.12 (Building A)": "6.12",
        "Microsoft Teams Meeting; 6.12": "6.12",
        "Mars": None,
        "Cafe": "Café",
    }


def test_rooms_may_be_mapped_or_new(here: Desk) -> None:
    content = calendar(
        event("a", "LOCATION:Room 6.12 (Building A)"), event("b", "LOCATION:a=b"), event("c", "LOCATION:attic")
    )
    status, answer = here.take(content, "--map", "Room 6.12 (Building A)=6.12", "--map", "a=b=6.13", "--new-rooms")
    assert (status, answer["unknown_rooms"]) == (0, [])
    assert [line.split(" ")[2] for line in here.booked()] == ["6.12", "6.13", "attic"]
    elsewhere = calendar(event("c", "LOCATION:cellar", "SEQUENCE:1"))
    assert here.take(elsewhere)[0] == 1
    assert here.take(elsewhere, "--new-rooms")[0] == 0
    assert here.booked()[-1].split(" ")[2] == "cellar"
    assert main(["vish", "import", "file.ics", "--map", "6.12"]) == 2


def test_a_damaged_file_is_no_success(here: Desk) -> None:
    content = calendar(event("a"), event("b", **hours(11, 12)))
    status, answer = here.take(content[: content.index(b"UID:b") + 20])
    assert (status, len(here.booked())) == (1, 1)
    assert len(answer["damage"]) == 2
    assert here.take(calendar(event("x", start="tomorrow")))[0] == 1
    assert here.take(calendar())[0] == 0


def test_a_move_that_finds_nothing_free_is_refused_and_keeps_its_slot(here: Desk) -> None:
    after(here, event("a"), event("b", **hours(14, 15)))
    status, answer = here.take(calendar(event("a", "SEQUENCE:1", **hours(14, 15))))
    assert (status, counts(answer), answer["refused_count"]) == (3, (0, 0, 0, 0), 1)
    assert len(here.booked()) == 2
    here.ask("DELETE", "/reservations/vish/b")
    assert after(here, event("a", "SEQUENCE:1", **hours(14, 15))) == (0, 1, 0, 0)


def test_a_series_keeps_the_occurrences_that_find_a_slot(here: Desk) -> None:
    after(here, event("a", **hours(9, 10, "08")))
    status, answer = here.take(calendar(event("s", WEEKLY)))
    assert (status, counts(answer), answer["refused_count"]) == (3, (2, 0, 0, 0), 1)
    status, answer = here.take(calendar(event("s", WEEKLY)))
    assert (status, counts(answer), answer["refused_count"]) == (3, (0, 0, 0, 2), 1)
    merged = here.take(calendar(event("t", WEEKLY)), "--merge", "nearest_free_time", "--window", "2h")
    assert (merged[0], counts(merged[1])) == (0, (3, 0, 0, 0))
    assert after(here, event("t", WEEKLY)) == (0, 0, 0, 3)


def test_policies_refuse_single_occurrences(tmp_path: Path) -> None:
    with desk(tmp_path, ROOMS, more="policies: {ahead_days: 9000}\n") as here:
        yearly = event("s", "RRULE:FREQ=YEARLY;COUNT=40", "LOCATION:6.13")
        evening = event("e", WEEKLY, "LOCATION:6.13", **hours(20, 21))
        status, answer = here.take(calendar(yearly, evening))
        assert status == 1
        assert {one["error"]["code"] for one in answer["refused"]} == {"policy"}
        assert 20 < answer["added"] < 30
        assert answer["added"] + answer["refused_count"] == 43


def test_an_export_of_ones_own_adds_nothing(here: Desk) -> None:
    after(here, event("a"), event("s", WEEKLY, "LOCATION:6.13"), moved("08", "LOCATION:6.13"))
    here.ask("PATCH", "/reservations/vish/a", {"slots": [{"start": "2026-12-01T18:00Z", "end": "2026-12-01T19:00Z"}]})
    assert main(["vish", "export", "mine.ics"]) == 0
    mine = (here.folder / "mine.ics").read_bytes()
    status, answer = here.take(mine)
    assert (status, counts(answer), answer["kept"]) == (0, (0, 0, 0, 4), [])
    here.ask("PATCH", "/reservations/vish/a", {"slots": [{"start": "2026-12-01T16:00Z", "end": "2026-12-01T17:00Z"}]})
    status, answer = here.take(mine)
    assert (status, counts(answer), len(answer["kept"])) == (0, (0, 0, 0, 4), 1)
    here.ask("DELETE", "/reservations/vish/a")
    assert here.take(mine)[0] == 0
    assert len(here.booked()) == 3


def test_an_export_of_what_others_made_for_one_adds_nothing(here: Desk) -> None:
    for request, day in (("a", "01"), ("b", "02")):
        slots = [{"start": f"2026-12-{day}T18:00Z", "end": f"2026-12-{day}T19:00Z"}]
        body = {"room": "6.12", "slots": slots, "request": request, "owner": "vish"}
        made: Any = here.side.client.post("/reservations", json=body, headers={"Bayou-User": "neil"}).json
        assert made["id"] == f"neil/{request}"
    assert main(["vish", "export", "mine.ics"]) == 0
    mine = (here.folder / "mine.ics").read_bytes()
    booked = here.booked()
    for options in ([], ["--merge", "nearest_free_time", "--window", "2h"]):
        status, answer = here.take(mine, *options)
        assert (status, counts(answer), answer["kept"], here.booked()) == (0, (0, 0, 0, 2), [], booked)
    slots = [{"start": "2026-12-01T16:00Z", "end": "2026-12-01T17:00Z"}]
    here.ask("PATCH", "/reservations/neil/a", {"slots": slots})
    status, answer = here.take(mine)
    assert (status, counts(answer), [one["id"] for one in answer["kept"]]) == (0, (0, 0, 0, 2), ["neil/a"])
    here.ask("DELETE", "/reservations/neil/a")
    assert counts(here.take(mine)[1]) == (0, 0, 0, 2)


def test_two_users_may_import_one_file(here: Desk) -> None:
    after(here, event("a"))
    assert here.take(calendar(event("a")), user="neil")[0] == 3
    assert here.take(calendar(event("a", "STATUS:CANCELLED", "SEQUENCE:1")), user="neil")[0] == 0
    assert len(here.booked()) == 1


def test_the_output_for_people(here: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    after(here, event("a"), event("gone", **hours(16, 17)))
    file = here.folder / "file.ics"
    file.write_bytes(
        calendar(
            event("a", "SEQUENCE:1", **hours(14, 15)),
            event("gone", "STATUS:CANCELLED", **hours(16, 17)),
            event("n", **hours(11, 12)),
            event("taken", **hours(11, 12)),
            event("u", "LOCATION:Room 6.12"),
            event("x", start="tomorrow"),
            event("odd", "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE:20270101T090000", "LOCATION:6.13"),
        )[:-10]
    )
    capsys.readouterr()
    assert main(["vish", "import", str(file), "--dry-run"]) == 1
    preview = capsys.readouterr().out
    for text in (
        "7 events, 6 reservations in 3 rooms",
        "a preview, nothing was sent",
        "+  4  to be added",
        "+ 6.12 Tue 2026-12-01 11:00–12:00  Talk",
        "~  1  to be changed",
        "–  1  to be cancelled",
        "vish/a  6.12 Tue 2026-12-01 09:00–10:00 → 6.12 Tue 2026-12-01 14:00–15:00",
        "Room 6.12: 1 reservation; the nearest name is 6.12",
        "Talk: its DTSTART tomorrow cannot be read",
        "the file is cut off",
        "its EXDATE 2027-01-01 09:00 fits no occurrence",
    ):
        assert text in preview
    assert main(["vish", "import", str(file)]) == 1
    out = capsys.readouterr().out
    for text in ("✓  3  committed", "~  1  changed", "–  1  cancelled", "✗  1  refused", "[slot_taken]"):
        assert text in out


def test_only_the_first_refusals_are_listed(here: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    (here.folder / "file.ics").write_bytes(calendar(*(event(f"e{number}") for number in range(31))))
    assert main(["vish", "import", "file.ics"]) == 3
    out = capsys.readouterr().out
    assert out.count("[slot_taken]") == 20
    assert "… and 10 more" in out


def test_an_unreachable_replica_ends_the_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with desk(tmp_path) as here:
        here.take(calendar(event("a")))
    assert main(["vish", "--replica", "127.0.0.1:1", "import", str(tmp_path / "file.ics")]) == 4
    assert main(["vish", "--replica", "127.0.0.1:1", "import", str(tmp_path / "none.ics")]) == 1
    assert "Cannot read" in capsys.readouterr().err


@pytest.mark.skipif(not FOSDEM.exists(), reason="the timetable is not here")
def test_a_conference_without_a_conflict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with desk(tmp_path) as here:
        for turn in (1, 2, 3):
            assert main(["vish", "import", str(FOSDEM), "--part", f"{turn}/3", "--new-rooms", "--json"]) == 0
            answer: Any = json.loads(capsys.readouterr().out)
            assert (answer["refused_count"], answer["skipped_count"]) == (0, 0)
        assert len(here.reservations()) == 1105
        assert len({one["room"] for one in here.reservations()}) == 35
