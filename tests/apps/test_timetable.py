"""Two organisers who are cut off from each other import the timetable of the same conference. At the end, each slot
belongs to one organiser."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from urllib.parse import quote

import pytest

from cluster.processes import Processes
from tests.support.live import LABELS, ROOT, command, link, live, wait_until_equal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

TIMETABLE = ROOT.parent / "shared" / "data" / "fosdem-2025.ics"
EVENTS = 1105
IMPORT_S_MAX = 60.0


@pytest.mark.skipif(not TIMETABLE.exists(), reason="the timetable is not part of the project")
def test_two_organisers_who_are_cut_off_import_the_same_timetable(tmp_path: Path) -> None:
    with live(tmp_path) as processes:
        for one, other in (("one", "two"), ("one", "three"), ("two", "three")):
            link(processes, one, other, up=False)
        imports = [
            command(
                *("client.py", "--config", tmp_path / "config.yaml", "--replica", replica, user),
                *("import", TIMETABLE, "--merge", "give_up", "--new-rooms"),
                environment={"XDG_STATE_HOME": str(tmp_path / user)},
            )
            for replica, user in (("two", "vish"), ("three", "priyal"))
        ]
        for importing in imports:
            output, _ = importing.communicate(timeout=IMPORT_S_MAX)
            assert importing.returncode == 0, output
            assert "1,105  tentative" in output
        for one, other in (("one", "two"), ("one", "three"), ("two", "three")):
            link(processes, one, other, up=True)
        wait_until(lambda: all(_committed(processes, label) == 2 * EVENTS for label in LABELS), IMPORT_S_MAX)
        wait_until_equal(processes)
        assert len({str(_outcome(processes, label)) for label in LABELS}) == 1
        outcome = _outcome(processes, "one")
        assert Counter(state for _, state in outcome) == {"committed": EVENTS, "rejected": EVENTS}
        assert len({slot for slot, state in outcome if state == "committed"}) == EVENTS


def _committed(processes: Processes, label: str) -> int:
    return int(processes.rest(label).get("/replica")["committed"])


def _outcome(processes: Processes, label: str) -> list[tuple[str, str]]:
    """Return (first choice, state) of each reservation at a replica, sorted."""
    found = []
    for user in ("vish", "priyal"):
        path, behind = f"/users/{user}/reservations", ""
        while behind is not None:
            answer = processes.rest(label).get(f"{path}?after={quote(behind, safe='')}" if behind else path)
            behind = answer["next"]
            for reservation in answer["reservations"]:
                assert reservation["final"]
                found.append((str(reservation["asked"][0]), str(reservation["state"])))
    return sorted(found)
