"""The commands for records against real replicas. The commands read the files of examples/ unchanged."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.main import main
from cluster.processes import Processes
from tests.support.live import ROOT, command, link, live, wait_until_equal
from tests.support.waiting import BOUND_S, wait_until

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
    """Return a function that runs one command. The function returns the exit status and the output, including
    errors."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def run_command(*words: str, typed: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        status = main([*words, "--config", str(replicas.configuration)])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run_command


def test_the_meetings_of_the_paper(replicas: Processes, run: Run) -> None:
    status, said = run("vish", "define", MEETINGS)
    assert status == 0
    assert said.startswith("✓ committed  meetings (room text, day text, start integer, stop integer, who text)")
    assert "It was defined before." in run("vish", "define", MEETINGS)[1]
    wait_until_equal(replicas)
    link(replicas, "one", "two", up=False)

    at_two = "--replica", "two"
    assert run("vish", "write", MEETING, "--request", "r1") == (
        0,
        "✓ committed  insert meetings room=6.12 day=2026-12-01 start=540 stop=600 who=vish\n  id     vish/r1\n",
    )
    assert run("neil", "write", MEETING, *at_two)[1].startswith("? tentative  insert meetings room=6.12 day=2026-12-01")
    for user, start, alternative in (("ann", "600 stop=660", 1), ("bob", "540 stop=600", 2)):
        first, name, note = run(user, "write", MEETING, *at_two)[1].splitlines()
        assert first.endswith(f"start={start} who={user}  merged by step 1, alternative {alternative}")
        assert name.startswith(f"  id     {user}/")
        assert note.startswith("  note   not final")
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
    (moved,) = [line for line in said.splitlines() if "who=neil → " in line]
    one_hour = "insert meetings room=6.12 day=2026-12-01 start={} stop={} who=neil"
    assert f"{one_hour.format(540, 600)} → {one_hour.format(600, 660)}" in moved
    assert moved.endswith("moved, final")
    assert "who=neil" in run("vish", "conflicts", "meetings", "--user", "neil")[1]
    wanted, *obstacles = [line for line in said.splitlines() if not line.endswith(("moved, final", "may still change"))]
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


def test_where_a_write_is(replicas: Processes, run: Run) -> None:
    assert run("vish", "define", MEETINGS)[0] == 0
    wait_until_equal(replicas)
    link(replicas, "one", "two", up=False)
    at_nine, later = (("--set", "day=2026-12-09", "--set", f"start={start}") for start in (540, 570))
    alone = "update: INSERT INTO meetings (room, day, start, stop, who) VALUES ('6.12', :day, :start, 600, :user)\n"
    merge = f"merge:\n  - {alone.replace(':start, 600', '600, 660')}"
    at_two = "--replica", "two"

    status, said = run(
        "sue", "write", "-", *at_nine, *at_two, "--request", "r1", "--until-final", "1s", typed=alone + merge
    )
    assert (status, "The write is not final after 1 s." in said, "  where  at two only" in said) == (0, True, True)
    assert run("rob", "write", "-", *later, *at_two, "--request", "r2", typed=alone)[0] == 0
    said = run("sue", "status", *at_two)[1]
    assert "?  r1  insert meetings room=6.12 day=2026-12-09 start=540 stop=600 who=sue  (at two only)" in said
    assert "? 1 tentative" in said

    for at in (at_nine, later):
        assert run("vish", "write", "-", *at, typed=alone)[0] == 0
    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)
    for name in ("r1", "sue/r1"):
        assert run("sue", "status", name, *at_two) == (
            0,
            "✓ committed  insert meetings room=6.12 day=2026-12-09 start=600 stop=660 who=sue  merged by step 1\n"
            "  id     sue/r1\n",
        )
    said = run("rob", "status", "r2")[1]
    assert "✗ conflict  insert meetings room=6.12 day=2026-12-09 start=570 stop=600 who=rob → nothing\n" in said
    assert "  why    in the way: meetings room=6.12 day=2026-12-09 start=570 stop=600 who=vish\n" in said
    assert "✗ 1 conflict" in run("rob", "status")[1]
    assert "1 final write of records: status --all" in run("sue", "status")[1]
    assert "✓  r1  insert meetings" in run("sue", "status", "--all")[1]
    assert "this request already" in run("sue", "write", "-", *at_nine, "--request", "r1", typed=alone + merge)[1]

    identity = json.loads(run("sue", "status", "r1", "--json")[1])["write"]
    assert run("vish", "admin", "truncate", "0")[0] == 0
    status, said = run("sue", "status", identity)
    assert (status, "no longer holds the write" in said, "[write_dropped]" in said) == (1, True, True)
    status, said = run("sue", "status", "r1")
    assert (status, "The log may have dropped final writes." in said) == (1, True)


def test_a_write_waits_until_it_is_final_or_cannot_be_done(replicas: Processes, run: Run) -> None:
    assert run("vish", "define", MEETINGS)[0] == 0
    wait_until_equal(replicas)
    write = "update: INSERT INTO meetings (room, day, start, stop, who) VALUES ('6.12', '2026-12-10', 540, 600, :user)"
    at_two = "--replica", "two", "--until-final", "60s"
    assert run("neil", "write", "-", *at_two, typed=write)[1].startswith("✓ committed  insert meetings")

    link(replicas, "one", "two", up=False)
    later = write.replace("540, 600", "600, 660")
    assert run("vish", "write", "-", typed=later)[0] == 0

    def heal_when_it_is_written() -> None:
        two = replicas.rest("two")
        wait_until(lambda: two.get("/users/neil/writes")["writes"][0]["state"] == "tentative")
        link(replicas, "one", "two", up=True)

    healing = threading.Thread(target=heal_when_it_is_written)
    healing.start()
    status, said = run("neil", "write", "-", *at_two, typed=later)
    healing.join()
    assert (status, said.startswith("✗ conflict  insert meetings")) == (3, True)
    assert "in the way: meetings room=6.12 day=2026-12-10 start=600 stop=660 who=vish" in said


def test_the_watch_of_writes(replicas: Processes, run: Run, tmp_path: Path) -> None:
    assert run("vish", "define", MEETINGS)[0] == 0
    wait_until_equal(replicas)
    link(replicas, "one", "two", up=False)
    write = (
        "update: INSERT INTO meetings (room, day, start, stop, who) VALUES ('6.13', :day, 540, 600, :user)\n"
        "merge:\n  - for: [{day: '2026-12-12'}]\n"
        "    update: INSERT INTO meetings (room, day, start, stop, who) VALUES ('6.13', :day, 540, 600, :user)\n"
    )
    on_day, at_two = ("--set", "day=2026-12-11"), ("--replica", "two")
    assert run("ann", "write", "-", "--set", "day=2026-12-20", *at_two, "--request", "r0", typed=write)[0] == 0
    words = ("client.py", "ann", *at_two, "--config", str(replicas.configuration), "watch")
    with command(*words, environment={"XDG_STATE_HOME": str(tmp_path), "NO_COLOR": "1"}) as watch:
        assert watch.stdout is not None
        lines = iter(watch.stdout.readline, "")
        bound = threading.Timer(BOUND_S, watch.kill)
        bound.start()
        assert next(lines).startswith("watching two")
        assert "r0" in next(lines)  # from here on it shows events
        for request in ("r1", "r2"):  # the second one gets its alternative
            assert run("ann", "write", "-", *on_day, *at_two, "--request", request, typed=write)[0] == 0
        assert run("vish", "write", "-", *on_day, typed=write)[0] == 0
        link(replicas, "one", "two", up=True)
        taken = [f"in the way: meetings 6.13 2026-12-{day} 540 600 {who}" for day, who in ((11, "vish"), (12, "ann"))]
        why = f"ann’s write (r2) had no effect: {'; '.join(taken)}."
        nine, later = (f"insert meetings 6.13 2026-12-{day} 540 600 ann" for day in (11, 12))
        shown = [next(lines).split(maxsplit=1)[1].strip() for _ in range(7)]
        assert shown[:2] == [f"? accepted   r1  {nine}", f"? accepted   r2  {later} merged by step 1, alternative 1"]
        assert {text.partition("  CSN")[0].partition("  from")[0] for text in shown[2:]} == {
            "✓ committed  r0  insert meetings 6.13 2026-12-20 540 600 ann",
            f"? moved      r1  {nine} → {later} merged by step 1, alternative 1",
            f"✓ committed  r1  {later} merged by step 1, alternative 1",
            f"✗ no effect  r2  {later} merged by step 1, alternative 1 → nothing  {why}",
            f"✗ committed  r2  {why}",
        }
        bound.cancel()
        watch.terminate()


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
    assert run("vish", "conflicts", "--on", "2026-12-07")[1] == said
    assert run("vish", "conflicts", "--on", "2026-12-08")[1] == "no conflicts at one\n"
    assert run("vish", "conflicts", "--user", "ann", "--room", "6.12")[1] == "no conflicts at one\n"


def test_waiting_until_a_reservation_is_final(replicas: Processes, run: Run) -> None:
    at = ("--room", "6.12", "--at", "2026-12-08T09:00", "--for", "1h", "--replica", "two")
    link(replicas, "one", "two", up=False)
    said = run("vish", "reserve", *at, "--until-final", "1s")[1]
    assert "? tentative" in said
    assert "The write is not final after 1 s." in said
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
    assert (status, "parameters.dya: the SQL does not use :dya; it uses :day. Correct the name," in said) == (1, True)
    status, said = run("vish", "conflicts", "meetngs")
    assert (
        status,
        "There is no relation meetngs at this replica. To list the relations, run `client.py NAME relations`" in said,
    ) == (1, True)


def test_the_log_lists_writes_of_all_applications(run: Run) -> None:
    assert run("vish", "define", MEETINGS)[0] == 0
    assert run("vish", "log")[1].splitlines()[0].split()[-2:] == ["write", "outcome"]
