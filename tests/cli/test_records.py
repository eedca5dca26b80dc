"""The commands for records against real replicas. Their input is the unchanged files of examples/."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.main import main
from cluster.processes import Processes
from tests.support.live import ROOT, link, live, wait_until_equal

pytestmark = pytest.mark.process

MEETINGS, MEETING, CANCEL = (
    str(ROOT / "examples/meetings" / name) for name in ("meetings.yaml", "meeting.yaml", "cancel.yaml")
)
ENTRIES, ENTRY = (str(ROOT / "examples/bibliography" / name) for name in ("entries.yaml", "entry.yaml"))
ON_DAY = "SELECT day, start, who FROM meetings WHERE room = '6.12' AND day = '2026-12-01' ORDER BY start"

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with live(tmp_path_factory.mktemp("records"), ("one", "two")) as processes:
        yield processes


@pytest.fixture
def run(
    replicas: Processes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Return a function that runs one command, and returns its exit status and its output, including errors."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def command(*words: str, typed: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        status = main([*words, "--config", str(replicas.configuration)])
        said = capsys.readouterr()
        return status, said.out + said.err

    return command


def test_the_meetings_of_the_paper(replicas: Processes, run: Run) -> None:
    status, said = run("vish", "define", MEETINGS)
    assert status == 0
    assert said.startswith("✓ committed  meetings (room text, day text, start integer, stop integer, who text)")
    assert "It was defined before." in run("vish", "define", MEETINGS)[1]
    wait_until_equal(replicas)
    link(replicas, "one", "two", up=False)

    at_two = "--replica", "two"
    assert run("vish", "write", MEETING) == (
        0,
        "✓ committed  insert meetings room=6.12 day=2026-12-01 start=540 stop=600 who=vish\n",
    )
    assert run("neil", "write", MEETING, *at_two)[1].startswith("? tentative  insert meetings room=6.12 day=2026-12-01")
    assert run("ann", "write", MEETING, *at_two)[1].endswith(
        "start=600 stop=660 who=ann  merged by step 1, alternative 1\n"
    )
    assert run("bob", "write", MEETING, *at_two)[1].endswith(
        "start=540 stop=600 who=bob  merged by step 1, alternative 2\n"
    )
    status, said = run("eve", "write", MEETING, *at_two)
    assert status == 3
    assert "in the way: meetings room=6.12 day=2026-12-01 start=540 stop=600 who=neil" in said
    assert "[conflict]" in said

    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)
    status, said = run("vish", "read", ON_DAY, "--committed")
    assert said.splitlines()[:3] == ["day         start  who", "2026-12-01  540    vish", "2026-12-01  600    neil"]
    status, said = run("vish", "conflicts")
    assert status == 0
    wanted, *obstacles = said.splitlines()
    assert wanted.startswith("✗  bob/")
    assert "  insert meetings room=6.12 day=2026-12-01 start=540 stop=600 who=bob → nothing  " in wanted
    assert wanted.endswith("  conflict, final")
    assert [line.strip()[: len("in the way: ")] for line in obstacles] == ["in the way: "] * 3

    status, said = run("eve", "write", CANCEL, "--set", "day=2026-12-01", "--set", "start=540")
    assert (status, "who=vish" in said) == (3, True)
    assert run("vish", "write", CANCEL, "--set", "day=2026-12-01", "--set", "start=540")[0] == 0
    by_parameter = "SELECT who FROM meetings WHERE room = '6.12' AND day = :day AND start < :until"
    assert "neil" in run("vish", "read", by_parameter, "--set", "day=2026-12-01", "--set", "until=601")[1]
    assert json.loads(run("vish", "read", ON_DAY, "--json")[1])["rows"] == [
        {"day": "2026-12-01", "start": 600, "who": "neil"}
    ]


def test_the_bibliography_of_the_paper(run: Run) -> None:
    assert run("vish", "define", ENTRIES)[0] == 0
    for title, letter in (("Update Conflicts", ""), ("Mobile Data", "a"), ("Session Guarantees", "b")):
        written = json.loads(
            run("vish", "write", ENTRY, "--set", "key=terry95", "--set", f"title={title}", "--json")[1]
        )
        assert written["changed"][0]["record"]["letter"] == letter
    status, said = run("neil", "write", ENTRY, "--set", "key=terry95", "--set", "title=Mobile Data")
    assert (status, "title=Mobile Data" in said) == (3, True)
    assert "3 records" in run("vish", "read", "SELECT * FROM entries WHERE wanted = 'terry95'")[1]
    assert "entries (wanted text, letter text" in run("vish", "relations")[1]
    assert run("vish", "drop", "entries")[0] == 0
    assert run("vish", "read", "SELECT * FROM entries WHERE wanted = 'terry95'")[0] == 1


def test_conflicts_of_rooms(replicas: Processes, run: Run) -> None:
    wait_until_equal(replicas)
    link(replicas, "one", "two", up=False)
    at = ("--room", "6.12", "--at", "2026-12-07T09:00", "--for", "1h")
    assert run("vish", "reserve", *at)[0] == 0
    assert run("neil", "reserve", *at, "--or", "11:00", "--replica", "two")[0] == 0
    assert (
        run("ann", "reserve", "--room", "6.12", "--at", "2026-12-07T09:30", "--for", "2h", "--replica", "two")[0] == 3
    )
    assert "(at two only)" in run("neil", "status", "--replica", "two")[1]
    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)
    status, said = run("vish", "conflicts", "--room", "6.12")
    assert status == 0
    (line,) = said.splitlines()
    assert line.startswith("✓  neil/")
    assert "6.12 Mon 2026-12-07 09:00–10:00 → 6.12 Mon 2026-12-07 11:00–12:00" in line
    assert line.endswith("moved, final")
    assert run("vish", "conflicts", "--user", "ann", "--room", "6.12")[1] == "no conflicts at one\n"


def test_waiting_until_a_reservation_is_final(replicas: Processes, run: Run) -> None:
    at = ("--room", "6.12", "--at", "2026-12-08T09:00", "--for", "1h", "--replica", "two")
    link(replicas, "one", "two", up=False)
    said = run("vish", "reserve", *at, "--until-final", "1s")[1]
    assert "? tentative" in said
    assert "It is not final after 1 s." in said
    link(replicas, "one", "two", up=True)
    later = ("--room", "6.12", "--at", "2026-12-08T10:00", "--for", "1h", "--replica", "two")
    assert "✓ committed" in run("vish", "reserve", *later, "--until-final", "60")[1]


def test_a_write_from_standard_input(run: Run) -> None:
    relation = {"relation": "notes", "attributes": {"day": "text", "text": "text"}, "key": ["day"], "page_by": ["day"]}
    assert run("vish", "define", "-", typed=json.dumps(relation))[0] == 0
    write = "update: INSERT INTO notes (day, text) VALUES (:day, 'hello')\nparameters: {day: 2026-12-01}\n"
    assert "day=2026-12-01 text=hello" in run("vish", "write", "-", typed=write)[1]  # YAML read a date


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("update: [", "- is not YAML: "),
        ("- a\n- b\n", "must be a YAML mapping"),
        ("update: x\nupdates: y", "updates: there is no such field; the fields are update, check, merge, parameters, "),
        ("update: x\ncheck: {querry: y}", "check.querry: there is no such field; the fields are query, expect."),
        ("update: x\nmerge: [{updat: y}]", "merge.0.updat: there is no such field; the fields are for, check, update."),
        ("update: x\nmerge: {update: y}", "merge: must be a list"),
        ("update: x\nparameters: {a: 6.12}", "parameters.a: must be text in quotes"),
    ],
)
def test_a_file_that_cannot_be_used(run: Run, typed: str, said: str) -> None:
    status, printed = run("vish", "write", "-", typed=typed)
    assert status != 0
    assert said in printed


def test_a_file_that_is_not_there(run: Run) -> None:
    status, said = run("vish", "define", "nowhere.yaml")
    assert (status, "nowhere.yaml cannot be read: No such file or directory." in said) == (2, True)
    status, said = run("vish", "write", MEETING, "--set", "day")
    assert (status, "Write NAME=VALUE" in said) == (2, True)


def test_a_misspelt_parameter_or_relation(run: Run) -> None:
    assert run("vish", "define", MEETINGS)[0] == 0
    on_day = "SELECT who FROM meetings WHERE room = '6.12' AND day = :day"
    status, said = run("vish", "read", on_day, "--set", "day=2026-12-01", "--set", "dya=2026-12-02")
    assert (status, "parameters.dya: the SQL does not use :dya; it uses :day. [bad_input]" in said) == (1, True)
    status, said = run("vish", "conflicts", "meetngs")
    assert (status, "There is no relation meetngs here. `client.py NAME relations`" in said) == (1, True)


def test_the_log_lists_writes_of_all_applications(run: Run) -> None:
    assert run("vish", "define", MEETINGS)[0] == 0
    assert run("vish", "log")[1].splitlines()[0].split()[-2:] == ["write", "outcome"]
