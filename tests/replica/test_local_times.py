"""Reservations after a change of time zones, with real replicas. The change is a corrected `timezone` in the
configuration, or a time zone with new rules. After the change, some reservations have another local time than the user
asked for. The replica reports these reservations, and an operator can move them back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import TZPATH

import pytest
import yaml

from cli.main import main
from cluster.local import running
from cluster.processes import Processes
from tests.support.live import live, wait_until_equal

pytestmark = pytest.mark.process

Run = Callable[..., tuple[int, str]]
SETTINGS = {"rooms": ["6.12", "6.13"]}
DAY = "2030-12-02"
ONE_STANDS = "1 reservation does not have the requested local time any more"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs one command of the client, and returns (exit status, output)."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def command(processes: Processes, *words: str) -> tuple[int, str]:
        monkeypatch.setenv("BAYOU_REPLICA", str(processes.settings.replica("one").rest))
        status = main([*words])
        said = capsys.readouterr()
        return status, said.out + said.err

    return command


def reserve(processes: Processes, name: str, start: str, end: str, room: str = "6.12", **more: Any) -> Any:
    """Reserve a room on DAY. Times look like `09:00Z`."""
    user, _, request = name.partition("/")
    slots = [{"start": f"{DAY}T{start}", "end": f"{DAY}T{end}"}]
    body = {"room": room, "slots": slots, "request": request, "merge": "give_up", **more}
    return processes.rest("one").post("/reservations", body, user)


def start_of(processes: Processes, name: str, label: str = "one") -> str:
    return str(processes.rest(label).get(f"/reservations/{name}")["slot"]["start"])


def restart(processes: Processes, **settings: str) -> None:
    """Start replica `one` again with changed settings."""
    path = processes.configuration
    processes.stop("one")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | settings, sort_keys=False))
    processes.start("one")
    processes.wait_until_serving("one")


def test_a_corrected_time_zone_is_noticed_and_reservations_go_back(tmp_path: Path, run: Run) -> None:
    with live(tmp_path / "c", ("one", "two"), **SETTINGS, timezone="Europe/London") as processes:
        reserve(processes, "vish/a", "09:00Z", "10:00Z", purpose="tea")
        reserve(processes, "vish/ny", "15:00Z", "16:00Z", timezone="America/New_York")
        status, said = run(processes, "boss", "admin", "check-times")
        assert status == 0
        assert said.endswith("every reservation has the local time that its user asked for.\n")
        restart(processes, timezone="Europe/Brussels")
        assert ONE_STANDS in _said_at_start(processes)
        reserve(processes, "ann/b", "08:30Z", "09:00Z")

        status, said = run(processes, "boss", "admin", "check-times")
        moves = "vish/a  6.12: now Mon 2030-12-02 10:00–11:00, but the request was for Mon 2030-12-02 09:00–10:00"
        assert (status, said.splitlines()[0]) == (0, f"{moves}; that slot overlaps ann/b")
        status, said = run(processes, "boss", "admin", "check-times", "--move-back")
        assert (status, said.splitlines()[-1]) == (3, "0 reservations moved back, 1 could not be moved")
        assert "No slot that your request allows is free" in said
        assert start_of(processes, "vish/a") == f"{DAY}T10:00:00+01:00"

        run(processes, "ann", "cancel", "ann/b")
        status, said = run(processes, "boss", "admin", "check-times", "--move-back")
        assert (status, said.splitlines()[0]) == (0, f"moved back: {moves}")
        assert start_of(processes, "vish/a") == f"{DAY}T09:00:00+01:00"
        assert start_of(processes, "vish/ny") == f"{DAY}T16:00:00+01:00"
        last = processes.rest("one").get("/reservations/vish/a/history")["events"][-1]
        assert (last["op"], last["user"], last["state"]) == ("move", "boss", "committed")
        assert "every reservation has the local time" in run(processes, "boss", "admin", "check-times")[1]
        wait_until_equal(processes)
        restart(processes)
        assert "the requested local time" not in _said_at_start(processes)


def test_new_rules_of_a_time_zone_are_noticed(tmp_path: Path, run: Run) -> None:
    zones = Path(next(folder for folder in TZPATH if (Path(folder) / "Europe/Brussels").is_file()))
    own = tmp_path / "zoneinfo" / "Europe" / "Brussels"
    own.parent.mkdir(parents=True)
    (tmp_path / "c").mkdir()
    with running(tmp_path / "c", ("one",), SETTINGS | {"timezone": "Europe/Brussels"}) as processes:
        reserve(processes, "vish/a", "08:00Z", "09:00Z")
        reserve(processes, "vish/b", "08:00Z", "09:00Z", "6.13", timezone="Europe/Brussels")
        reserve(processes, "vish/c", "12:00Z", "13:00Z", "6.13", timezone="Asia/Tokyo")
        shutil.copy(zones / "Africa" / "Cairo", own)  # no longer UTC+1 in winter, but UTC+2
        processes.environment["PYTHONTZPATH"] = f"{tmp_path / 'zoneinfo'}:{zones}"
        restart(processes)
        assert "2 reservations do not have the requested local time any more" in _said_at_start(processes)
        assert start_of(processes, "vish/a") == f"{DAY}T10:00:00+02:00"
        assert run(processes, "boss", "admin", "check-times", "--move-back")[0] == 0
        for name, hour in (("vish/a", "09"), ("vish/b", "09"), ("vish/c", "14")):
            assert start_of(processes, name) == f"{DAY}T{hour}:00:00+02:00"


def _said_at_start(processes: Processes) -> str:
    """Stop replica `one`, so that its output is complete, and start the replica again. Return the output from before
    the stop."""
    processes.stop("one")
    said = processes.output("one")
    processes.start("one")
    processes.wait_until_serving("one")
    return said
