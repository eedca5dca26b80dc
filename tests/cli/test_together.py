"""The commands for reservations of several rooms, at a real replica: reserve, move, calendar, import and export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from tests.support.calendar_text import calendar, event
from tests.support.import_harness import Desk, desk

ROOMS = [
    {"name": "6.12", "opens": "08:00", "closes": "20:00"},
    {"name": "6.13", "opens": "09:00", "closes": "22:00"},
    "7.01",
]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path, ROOMS, "UTC") as found:
        yield found


def client(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = main(["vish", *words])
    return status, "".join(capsys.readouterr())


def test_rooms_are_reserved_together_and_moved(here: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = client(
        capsys, "reserve", "6.12+6.13", "2030-12-03", "9-10", "--request", "a", "--purpose", "lecture"
    )
    assert (status, "committed  6.12+6.13  Tue 2030-12-03 09:00–10:00" in said) == (0, True), said
    status, said = client(capsys, "reserve", "6.13", "2030-12-03", "9:30-10")
    assert (status, "vish has 6.12+6.13 2030-12-03 09:00 to 10:00" in said) == (3, True), said
    status, said = client(capsys, "calendar", "--on", "2030-12-03", "--list")
    assert said.count("lecture") == 1, "one reservation is one line"
    assert "6.12+6.13" in said
    status, said = client(capsys, "calendar", "--on", "2030-12-03")
    assert said.count("✓vi") == 2, said
    status, said = client(capsys, "move", "a", "--at", "2030-12-03T11:00", "--room", "6.13+7.01")
    assert (status, "6.13+7.01  Tue 2030-12-03 11:00–12:00" in said) == (0, True), said
    assert here.booked() == ["2030-12-03T11:00 60 6.13+7.01 lecture"]
    status, said = client(capsys, "history", "a")
    assert "6.12+6.13" in said, said
    assert client(capsys, "cancel", "a")[0] == 0
    assert client(capsys, "reserve", "6.13", "2030-12-03", "11-12")[0] == 0


def test_the_refusal_of_an_unknown_room_names_the_flag_only_where_there_is_one(
    here: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("reserve", "6.12+Lab", "2030-12-03", "9-10", "--request", "a")
    status, said = client(capsys, *words)
    assert (status, "There is no room Lab." in said, "`--new-room`" in said) == (1, True, True), said
    assert client(capsys, *words, "--new-room")[0] == 0
    status, said = client(capsys, "move", "a", "--at", "2030-12-03T11:00", "--room", "Hall")
    assert (status, "There is no room Hall." in said, "--new-room" in said) == (1, True, False), said


def test_whole_days_are_the_hours_when_all_rooms_are_open(here: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert client(capsys, "reserve", "6.12+6.13+7.01", "2030-12-03", "--all-day")[0] == 0
    assert here.booked() == ["2030-12-03T09:00 660 6.12+6.13+7.01"]


def test_an_export_is_read_again_and_a_location_may_name_several_rooms(
    here: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client(capsys, "reserve", "6.12+6.13", "tomorrow", "9-10", "--request", "a")[0] == 0
    client(capsys, "export", "mine.ics")
    assert b"LOCATION:6.12+6.13\r\n" in (here.folder / "mine.ics").read_bytes()
    status, answer = here.take((here.folder / "mine.ics").read_bytes())
    assert (status, answer["added"], answer["changed"], answer["already_there"]) == (0, 0, 0, 1)
    times: Any = {"start": "20301203T090000", "end": "20301203T100000"}
    status, answer = here.take(
        calendar(event("x", "LOCATION:6.12 + 7.01", **times), event("y", "LOCATION:6.12+", **times))
    )
    assert (status, answer["added"]) == (1, 1)
    assert "cannot be a room" in json.dumps(answer)
    assert here.booked()[-1] == "2030-12-03T09:00 60 6.12+7.01 Talk"
    whole = event("z", "LOCATION:6.12+6.13", start="VALUE=DATE:20301204", end="VALUE=DATE:20301205")
    assert here.take(calendar(whole))[1]["added"] == 1
    assert here.booked()[-1] == "2030-12-04T09:00 660 6.12+6.13 Talk"


def test_a_location_of_several_rooms_may_be_new_or_mapped(here: Desk) -> None:
    times: Any = {"start": "20301203T090000", "end": "20301203T100000"}
    file = calendar(event("x", "LOCATION:6.12 + Lab", **times))
    _, answer = here.take(file)
    assert [one["room"] for one in answer["unknown_rooms"]] == ["6.12+Lab"]
    for name in ("6.12+Lab", "6.12 + Lab"):
        assert here.take(file, "--dry-run", "--map", f"{name}=6.12 + 7.01")[1]["to_add"][0]["room"] == "6.12+7.01"
    assert here.take(file, "--new-rooms")[1]["added"] == 1
    assert here.booked() == ["2030-12-03T09:00 60 6.12+Lab Talk"]
