"""The commands for reservations, series and history against a fake replica."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from cli.output.calendar_grid import Line, line_of, show_grid
from cli.output.reservations import Viewer
from cli.output.screen import Screen, width_of
from tests.cli.test_commands import RESERVE, Client, client, replica
from tests.support.fake_replica import FakeReplica

__all__ = ["client", "replica"]  # fixtures

SERIES = ["reserve", "--room", "6.12", "--at", "2026-12-01", "9-10:30", "--repeat", "weekly", "--request", "s1"]
DETAILS = {
    "6.12": {"capacity": 6, "features": ["projector"], "location": "Floor 6", "opens": "08:00", "closes": "20:00"},
    "6.13": {"capacity": 12, "features": ["projector", "whiteboard"]},
}


def viewer(width: int | None, color: bool = False) -> Viewer:
    return Viewer(Screen(color, width), "vish", ZoneInfo("UTC"))


def day_of(at: Viewer, *entries: dict[str, str], **details: str) -> Line:
    return line_of("6.12", date(2026, 12, 1), at, list(entries), details)


def entry(user: str, first: str, last: str, state: str = "committed") -> dict[str, str]:
    ends = {"start": f"2026-12-01T{first}:00+00:00", "end": f"2026-12-01T{last}:00+00:00"}
    return {"user": user, "owner": user, "request": "r", "purpose": "weekly", "state": state, **ends}


def test_the_grid_shows_marks_and_names(client: Client) -> None:
    client(*RESERVE)
    assert client("calendar", "--on", "2026-12-01") == 0
    assert "6.12  ┊   ┊   ?vi═┊   ┊" in client.out
    assert client.json("calendar", "6.12", "--on", "2026-12-01")["rooms"][0]["reservations"][0]["purpose"] == "weekly"
    assert client("calendar", "--on", "2026-12-01", "--committed") == 0
    assert "?v" not in client.out
    assert client("calendar", "6.12", "--on", "2026-11-30", "--days", "3") == 0
    assert "Tue 01 Dec  ┊   ┊   ?vi═" in client.out
    assert client("calendar", "--days", "63") == 2


def test_the_list_shows_user_and_purpose(client: Client) -> None:
    client(*RESERVE, "--request", "r1")
    client("reserve", "--room", "6.13", "--at", "2026-12-01", "8-9")
    assert client("calendar", "--on", "2026-12-01", "--days", "2", "--list") == 0
    lines = [line.split() for line in client.out.splitlines()]
    assert lines[1][:3] == ["?", "08:00–09:00", "6.13"]
    assert lines[2] == ["?", "09:00–10:00", "6.12", "vish", "weekly", "r1"]
    assert client("calendar", "--on", "2026-12-02", "--list") == 0
    assert "Nothing is reserved on Wednesday 2 December 2026." in client.out


@pytest.mark.parametrize(
    ("width", "drawn"),
    [(150, "✓vish weekly═══ "), (120, "✓vish week…═ "), (80, "✓vish═  ┊"), (60, "✓══ ┊ "), (30, "✓═┊┊")],
)
def test_the_grid_fits_the_width(capsys: pytest.CaptureFixture[str], width: int, drawn: str) -> None:
    at = viewer(width)
    show_grid(at, "Tuesday", [day_of(at, entry("vish", "09:00", "10:30"), entry("neil", "13:00", "14:00"))])
    lines = capsys.readouterr().out.splitlines()
    assert drawn in lines[2]
    assert max(width_of(line) for line in lines) <= width


def test_the_grid_marks_closed_hours_and_shows_reservations_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    at = viewer(80)
    show_grid(at, "Tuesday", [day_of(at, entry("neil", "06:00", "06:15"), opens="08:00", closes="20:00")])
    ruler, line = capsys.readouterr().out.splitlines()[1:]
    assert ruler.split()[0] == "6"
    assert line.startswith("6.12  ✓" + "░" * 7 + "┊   ")


def test_own_reservations_are_bold_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    at = viewer(80, color=True)
    show_grid(
        at, "Tuesday", [day_of(at, entry("vish", "09:00", "10:00"), entry("neil", "11:00", "12:00", "tentative"))]
    )
    out = capsys.readouterr().out
    assert "\x1b[1m\x1b[32m✓vi═" in out or "\x1b[32m\x1b[1m✓vi═" in out
    assert "\x1b[43m\x1b[30m?ne─" in out


def test_free_lists_rooms_and_the_command_to_reserve_one(client: Client, replica: FakeReplica) -> None:
    replica.details = DETAILS
    assert client("free", "2026-12-01", "14:00", "--for", "90m", "--capacity", "4", "--features", "projector") == 0
    lines = client.out.splitlines()
    assert lines[0].startswith(
        "free with 4 seats, projector Tue 2026-12-01 14:00–15:30 UTC, as the replica one sees it:"
    )
    assert lines[2].split() == ["6.12", "6", "projector", "Floor", "6", "08:00–20:00"]
    assert client.out.rstrip().endswith("reserve --room 6.12 --at 2026-12-01T14:00 --for 1h30m")
    assert client("reserve", *client.out.split("reserve ")[1].split()) == 0
    found = client.json("free", "2026-12-01", "15-16", "--features", "projector,whiteboard")
    assert [room["name"] for room in found["rooms"]] == ["6.13"]
    assert client("free", "2026-12-01", "15-16", "--capacity", "99") == 3
    assert "no room with 99 seats is free" in client.out
    assert client("free", "2026-12-01", "15:00") == 2
    assert "The length is missing" in client.err


def test_rooms_shows_details_of_rooms(client: Client, replica: FakeReplica) -> None:
    replica.details = DETAILS
    client("rooms")
    lines = [line.split() for line in client.out.splitlines()]
    assert lines[0] == ["room", "seats", "features", "location", "open"]
    assert lines[2] == ["6.13", "12", "projector,", "whiteboard"]
    replica.page_size = 2
    assert [room["name"] for room in client.json("rooms")["rooms"]] == ["6.12", "6.13", "7.01"]


def test_a_series_is_made_and_shown(client: Client, replica: FakeReplica) -> None:
    client("reserve", "--room", "6.12", "--at", "2026-12-08", "10-11", "--request", "other")
    assert client(*SERIES, "--count", "4", "--except", "2026-12-15") == 3
    body = next(body for method, _, body in reversed(replica.seen) if method == "POST")
    assert (body["rule"], body["except"]) == ("FREQ=WEEKLY;COUNT=4", ["2026-12-15"])
    assert body["slots"] == [{"start": "2026-12-01T09:00:00+00:00", "end": "2026-12-01T10:30:00+00:00"}]
    assert "✗  s1~2026-12-08  6.12  (Tue 2026-12-08 09:00–10:30)  6.12 is taken" in client.out
    assert "3 occurrences: 2 tentative, 1 rejected" in client.out
    assert client("series") == 0
    assert "2 tentative, 1 rejected" in client.out
    assert client("series", "s") == 0
    assert "vish/s1  FREQ=WEEKLY;COUNT=4  times of UTC  not on 2026-12-15" in client.out
    assert client("series", "x") == 1
    assert "[series_unknown]" in client.err


def test_a_series_without_any_free_slot_has_status_3(client: Client, replica: FakeReplica) -> None:
    client("reserve", "--room", "6.12", "--at", "2026-12-01", "9-10")
    client("reserve", "--room", "6.12", "--at", "2026-12-08", "9-10")
    assert client(*SERIES, "--count", "2") == 3
    assert client(*SERIES[:-1], "s2", "--count", "2", "--all-or-nothing") == 3
    assert "[slot_taken]" in client.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--repeat needs an end"),
        (["--count", "2", "--until", "2027-01-01"], "not allowed with argument"),
        (["--count", "2", "--rule", "FREQ=DAILY;COUNT=2"], "not allowed with argument"),
        (["--count", "2", "--except", "christmas"], "Cannot read the date 'christmas'"),
        (["--count", "2", "--for", "1h"], "already has a start and an end"),
    ],
)
def test_an_incomplete_or_contradictory_series_is_refused(
    client: Client, replica: FakeReplica, words: list[str], message: str
) -> None:
    assert client(*SERIES, *words) == 2
    assert message in client.err
    assert not replica.reservations


def test_a_series_by_rule(client: Client, replica: FakeReplica) -> None:
    words = ["reserve", "--room", "6.12", "--at", "2026-12-01", "9-10", "--rule", "FREQ=DAILY;COUNT=2"]
    assert client(*words, "--until", "2027-01-01") == 2
    assert client(*words) == 0
    assert len(replica.reservations) == 2
    assert client("reserve", "--room", "6.12", "--at", "2026-12-01", "9-10", "--count", "3") == 2
    assert "Add --repeat or --rule" in client.err


def test_one_occurrence_later_ones_or_all_are_changed(client: Client, replica: FakeReplica) -> None:
    client(*SERIES, "--count", "4")
    states = lambda: [one["state"] for one in replica.reservations.values()]  # noqa: E731
    assert client("cancel", "s1") == 2
    assert "is a series of 4 reservations. Name one of them, such as s1~2026-12-01" in client.err
    assert client("cancel", "s1", "--and-later") == 2
    assert "--and-later needs the id of one occurrence, s1~DATE" in client.err
    assert client("cancel", "s~2026-12-01") == 0  # each half may be shortened
    assert states() == ["cancelled", "tentative", "tentative", "tentative"]
    assert client("move", "s1~2026-12-15", "--at", "2026-12-15", "14:00", "--and-later") == 0
    assert "asks one to move vish/s1~2026-12-15 and later ones to 6.12: Tue 2026-12-15 14:00–15:30" in client.out
    starts = [one["slot"]["start"][:16] for one in replica.reservations.values() if one["slot"]]
    assert starts == ["2026-12-08T09:00", "2026-12-15T14:00", "2026-12-22T14:00"]
    assert client("cancel", "s1~2026-12-22", "--and-later") == 0
    assert states() == ["cancelled", "tentative", "tentative", "cancelled"]
    assert client("move", "s1", "--at", "2026-12-08", "8-9", "--all") == 0
    assert client("cancel", "s1", "--all") == 0
    assert set(states()) == {"cancelled"}
    assert client("move", "s1", "--at", "2026-12-08", "8-9", "--all") == 1
    assert "Make a new series" in client.err


def test_the_reason_of_a_cancel_is_sent_and_shown(client: Client, replica: FakeReplica) -> None:
    client(*RESERVE, "--request", "r1")
    assert client("cancel", "r1", "--reason", "painted & aired") == 0
    assert "Cancelled by vish: painted & aired [cancelled]" in client.out


def test_a_cancel_by_a_manager_is_listed_with_its_reason(client: Client, replica: FakeReplica) -> None:
    client(*RESERVE, "--request", "r1")
    client("cancel", "r1", "--reason", "ill")
    assert client("status") == 0
    assert "Cancelled by" not in client.out
    reason = {"code": "cancelled", "message": "Cancelled by max: painted", "by": "max"}
    replica.reservations["vish/r1"]["reason"] = reason
    assert client("status") == 0
    assert "Cancelled by max: painted" in client.out
    first = {"room": "6.12", "start": "2026-12-01T09:00:00Z", "end": "2026-12-01T10:00:00Z"}
    event = {"write": "1@one~a", "op": "cancel", "user": "max", "accepted_at": "2026-11-30T08:00:00Z",
             "accepted_by": "one", "csn": 7, "state": "committed", "outcome": "updated", "reason": "painted",
             "before": first, "after": None}  # fmt: skip
    replica.histories["vish/r1"] = {
        "id": "vish/r1",
        "events": [event],
        "moves_seen_here": [],
        "moves_kept_since": None,
    }
    assert client("history", "r1") == 0
    assert "cancelled by max  at  one  6.12 Tue 2026-12-01 09:00–10:00: painted" in client.out


def test_history_shows_who_when_and_where(client: Client, replica: FakeReplica) -> None:
    client(*RESERVE, "--request", "r1")
    first = {"room": "6.12", "start": "2026-12-01T09:00:00Z", "end": "2026-12-01T10:00:00Z"}
    later = {**first, "start": "2026-12-01T10:00:00Z", "end": "2026-12-01T11:00:00Z"}
    event = {"write": "1@one~a", "op": "reserve", "user": "vish", "accepted_at": "2026-11-30T08:00:00Z",
             "accepted_by": "one~abcdef", "csn": 7, "state": "committed", "outcome": "updated x",
             "before": None, "after": first}  # fmt: skip
    because = {"write": "0@two", "user": "neil", "earlier": True, "got": first}
    replica.histories["vish/r1"] = {
        "id": "vish/r1",
        "events": [event, {**event, "op": "move", "csn": None, "state": "tentative", "before": first, "after": later}],
        "moves_seen_here": [{"at": "2026-11-30T08:00:05Z", "from": first, "to": later, "because": because}],
        "moves_kept_since": None,
    }
    assert client("history", "r1") == 0
    lines = client.out.splitlines()
    assert lines[1] == (
        "✓  2026-11-30 08:00:00  reserved by vish  at  one  6.12 Tue 2026-12-01 09:00–10:00"
        "                                    CSN 7"
    )
    assert "moved by vish     at  one  6.12 Tue 2026-12-01 09:00–10:00 → 6.12 Tue 2026-12-01 10:00–11:00" in lines[2]
    assert lines[-1].endswith(
        "→ 6.12 Tue 2026-12-01 10:00–11:00  because neil had asked earlier for 6.12 Tue 2026-12-01 09:00–10:00"
    )


def test_lists_in_several_parts_are_read_completely(client: Client, replica: FakeReplica) -> None:
    client(*SERIES, "--count", "5")
    replica.page_size = 2
    assert len(client.json("status")["reservations"]) == 5


def test_every_time_that_is_echoed_is_in_the_buildings_zone(client: Client, replica: FakeReplica) -> None:
    replica.timezone = "Europe/Brussels"
    assert client("reserve", "--room", "6.12", "--at", "2026-12-01", "9-10:30", "--or", "11-12") == 0
    assert "Tue 2026-12-01 09:00–10:30, or 11:00–12:00, Europe/Brussels (+01:00)" in client.out
    start = replica.seen[-1][2]["slots"][0]["start"]
    assert datetime.fromisoformat(start).astimezone(UTC).hour == 8


def test_a_room_and_a_time_are_enough_to_reserve(client: Client, replica: FakeReplica) -> None:
    assert client("reserve", "6.12", "2026-12-01", "9-10", "--purpose", "tea") == 0
    body = replica.seen[-1][2]
    assert (body["room"], body["purpose"]) == ("6.12", "tea")
    assert body["slots"] == [{"start": "2026-12-01T09:00:00+00:00", "end": "2026-12-01T10:00:00+00:00"}]
    assert client("reserve", "6.13", "2026-12-01", "9:00", "--for", "1h") == 0
    assert client("reserve", "7.01", "--at", "2026-12-01", "9-10") == 0
    for words, message in (
        ([], "The room is missing"),
        (["6.12"], "The time is missing"),
        (["--room", "6.12", "--at", "2026-12-01", "9-10", "--or", "11-12", "--purpose"], "expected one argument"),
        (["6.12", "2026-12-01", "9-10", "--at", "2026-12-02", "9-10"], "Leave out '2026-12-01 9-10'."),
    ):
        assert client("reserve", *words) == 2
        assert message in client.err


def test_a_series_on_weekdays(client: Client, replica: FakeReplica) -> None:
    assert client("reserve", "6.12", "2026-12-04", "9-10", "--repeat", "weekdays", "--count", "3") == 0
    assert replica.seen[-1][2]["rule"] == "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;COUNT=3"


def test_an_empty_list_names_its_dates(client: Client) -> None:
    assert client("calendar", "--on", "2026-12-02", "--list") == 0
    assert "Nothing is reserved on Wednesday 2 December 2026." in client.out
    assert client("calendar", "--on", "2026-12-02", "--days", "3", "--list") == 0
    assert "Nothing is reserved from Wednesday 2 December 2026 to Friday 4 December 2026." in client.out


def test_the_list_of_a_day_of_25_hours_has_offsets(client: Client, replica: FakeReplica) -> None:
    replica.timezone = "Europe/Brussels"
    for start in ("2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"):
        assert client("reserve", "6.12", start, "--for", "30m") == 0
    client("calendar", "--on", "2026-10-25", "--list")
    assert [line.split()[1] for line in client.out.splitlines()[1:3]] == [
        "02:30+02:00–02:00+01:00",
        "02:30+01:00–03:00+01:00",
    ]


def test_a_terminal_breaks_no_word(capsys: pytest.CaptureFixture[str]) -> None:
    text = "nothing that you asked for is free, and nothing was recorded either"
    for color in (False, True):
        screen = Screen(color, 20)
        screen.line(f"  {screen.paint('why', 'red')}    {text}")
        lines = capsys.readouterr().out.splitlines()
        plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
        assert max(map(width_of, plain)) <= 20
        assert " ".join(" ".join(plain).split()) == f"why {text}"
        assert all(line.startswith("    ") for line in plain[1:])
    Screen(False, None).line(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_a_purpose_is_changed(client: Client, replica: FakeReplica) -> None:
    client(*RESERVE, "--request", "r1")
    assert client("edit", "r1", "--purpose", "planning") == 0
    assert next(body["purpose"] for method, _, body in reversed(replica.seen) if method == "PATCH") == "planning"
    assert "Tue 2026-12-01 09:00–10:00 UTC  planning" in client.out
    client(*SERIES, "--count", "3")
    assert client("edit", "s1~2026-12-08", "--purpose", "retro", "--and-later") == 0
    assert [one["purpose"] for one in replica.reservations.values()][2:] == ["retro", "retro"]
    assert client("edit", "r1") == 2


def test_a_reservation_is_made_for_somebody_else(client: Client, replica: FakeReplica) -> None:
    assert client(*RESERVE, "--request", "r1", "--owner", "priyal") == 0
    assert "owner  priyal" in client.out
    assert client("status") == 0
    assert "vish has no reservation here" in client.out
    assert client("status", "r1") == 0, "its whole id still names it"
    assert client("status", "r") == 1
    assert client("calendar", "--on", "2026-12-01", "--list") == 0
    assert "priyal" in client.out
    assert "vish" not in client.out
    client(*SERIES, "--count", "2", "--owner", "priyal")
    assert client("series", "s1") == 0, "of a series, too"
    assert "vish/s1  FREQ=WEEKLY;COUNT=2  times of UTC  owner priyal" in client.out


def test_a_reservation_is_handed_over(client: Client, replica: FakeReplica) -> None:
    client(*RESERVE, "--request", "r1")
    assert client("edit", "r1", "--owner", "priyal") == 0
    assert next(body for method, _, body in reversed(replica.seen) if method == "PATCH").keys() == {"owner", "request"}
    assert "owner  priyal" in client.out
    assert client("edit", "r1", "--owner", "vish") == 1
    assert "vish/r1 belongs to priyal" in client.err
    assert client("edit", "r1") == 2
    assert "Add --purpose TEXT, or --owner USER to hand the reservation over." in client.err
    assert client("edit", "r1", "--owner", "a b") == 2


def test_a_reservation_made_by_somebody_else_is_shown_with_the_name_of_that_user(
    client: Client, replica: FakeReplica
) -> None:
    client(*RESERVE, "--request", "r1")
    replica.reservations["boss/r1"] = {
        **replica.reservations.pop("vish/r1"), "id": "boss/r1", "user": "boss", "owner": "vish"
    }  # fmt: skip
    assert client("status") == 0
    assert "boss/r1" in client.out
    assert client("calendar", "--on", "2026-12-01", "--list") == 0
    assert "boss/r1" in client.out
    assert client("cancel", "boss/r") == 0, "the beginning of the id is enough"
    assert replica.reservations["boss/r1"]["state"] == "cancelled"


def test_a_history_says_who_got_a_reservation_that_was_handed_over(client: Client, replica: FakeReplica) -> None:
    client(*RESERVE, "--request", "r1")
    event = {
        "state": "committed", "accepted_at": "2026-12-01T08:00:00+00:00", "user": "boss", "accepted_by": "one",
        "csn": 1, "before": None, "after": None, "outcome": "updated", "reason": None,
    }  # fmt: skip
    replica.histories["vish/r1"] = {
        "id": "vish/r1",
        "events": [{**event, "op": "reserve", "owner": "vish"}, {**event, "op": "edit", "owner": "priyal"}],
    }
    assert client("history", "r1") == 0
    assert "reserved for vish by boss" in client.out
    assert "handed over to priyal by boss" in client.out


def test_a_move_of_a_series_says_which_stay(client: Client, replica: FakeReplica) -> None:
    client(*SERIES, "--count", "3")
    replica.unmoved = ["2026-12-08", "2026-12-15"]
    assert client("move", "s1", "--all", "--at", "2026-12-01", "14:00") == 3
    assert "2026-12-08, 2026-12-15 stay where they were, because no slot" in client.out
    assert "With --all-or-nothing, either all occurrences move or none moves." in client.out
    replica.unmoved = []
    assert client("move", "s1", "--all", "--at", "2026-12-01", "15:00", "--all-or-nothing") == 0
    assert replica.seen[-1][2]["occurrences"] == "all_or_nothing"
    assert client("move", "s1~2026-12-08", "--at", "2026-12-08", "14:00", "--all-or-nothing") == 2


def test_a_closed_day_is_shown_as_such(client: Client, replica: FakeReplica) -> None:
    replica.details = {"6.12": {"closed": ["tuesday", "2026-12-24/2027-01-01 holidays"]}}
    for day, is_closed in (("2026-12-01", True), ("2026-12-02", False), ("2026-12-24", True), ("2027-01-02", False)):
        client("calendar", "6.12", "--on", day)
        assert (client.out.splitlines()[2] == "6.12  " + "░" * 56) == is_closed
    client("rooms")
    assert "tuesday, 2026-12-24/2027-01-01 holidays" in client.out


def test_whole_days_are_reserved(client: Client, replica: FakeReplica) -> None:
    replica.timezone = "Europe/Brussels"
    replica.details = DETAILS
    assert client("reserve", "6.13", "2026-10-24", "--to", "2026-10-25", "--all-day", "--request", "a") == 0
    assert replica.seen[-1][2]["slots"] == [{"start": "2026-10-24T00:00:00+02:00", "end": "2026-10-26T00:00:00+01:00"}]
    assert "6.13  Sat 2026-10-24 all day to Sun 2026-10-25" in client.out
    assert client("reserve", "6.12", "2026-12-01", "--all-day", "--or", "2026-12-03", "--request", "b") == 0
    assert replica.seen[-1][2]["slots"] == [
        {"start": f"2026-12-{day}T08:00:00+01:00", "end": f"2026-12-{day}T20:00:00+01:00"} for day in ("01", "03")
    ]
    assert client("move", "a", "--at", "2026-12-02", "--all-day") == 0
    assert "Wed 2026-12-02 all day" in client.out
    client("calendar", "--on", "2026-12-02", "--list")
    assert client.out.splitlines()[1].split() == ["?", "all", "day", "6.13", "vish", "a"]
    for wrong, message in (
        (["2026-12-01", "9-10"], "Cannot read the date"),
        (["2026-12-02", "--to", "2026-12-01"], "is before the first day"),
        (["2026-12-02", "--for", "1h"], "exclude each other"),
    ):
        assert client("reserve", "6.12", *wrong, "--all-day") == 2
        assert message in client.err


def test_a_series_is_extended(client: Client, replica: FakeReplica) -> None:
    client(*SERIES, "--count", "3")
    assert client("extend", "s1", "--until", "2027-01-31") == 0
    method, path, body = replica.seen[-1]
    assert (method, body["until"], body["occurrences"]) == ("POST", "2027-01-31", "best_effort")
    assert path.endswith("/series/vish/s1/occurrences")
    replica.unmoved = ["2026-12-22"]
    assert client("extend", "s", "--dates", "2026-12-22", "2026-12-29", "--all-or-nothing", "--merge", "give_up") == 3
    assert replica.seen[-1][2]["dates"] == ["2026-12-22", "2026-12-29"]
    assert "These days have no free slot for the series: 2026-12-22." in client.out
    assert client("extend", "s1") == 2
