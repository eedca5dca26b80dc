"""Client sessions and the commands of operators, against real replicas."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.processes import Processes
from tests.support.joined import ask
from tests.support.live import command, live
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

QUIET = {"interval_s": 0, "after_write": False}


class User:
    """The user Vish at the command line. The client keeps its files in the folder of the test."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self.processes = processes
        self._environment = {"XDG_STATE_HOME": str(folder / "state"), "NO_COLOR": "1"}

    def begins(self, *words: str) -> subprocess.Popen[str]:
        arguments = ["client.py", "vish", "--config", str(self.processes.configuration), *words]
        return command(*arguments, environment=self._environment)

    def types(self, *words: str) -> tuple[int, str]:
        """Run `client.py vish …`. Return the exit status and the output."""
        process = self.begins(*words)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def succeeds(self, *words: str) -> str:
        status, output = self.types(*words)
        assert status == 0, output
        return output

    def reserves(self, label: str, hour: int) -> None:
        self.succeeds(
            "reserve", "--room", "6.12", "--at", f"2026-12-01T{hour:02}:00", "--for", "1h", "--replica", label
        )


@pytest.fixture
def vish(tmp_path: Path) -> Iterator[User]:
    with live(tmp_path, ("one", "two"), anti_entropy=QUIET) as processes:
        ask(str(processes.settings.replica("two").rest), "POST", "/replica/sync/one")
        yield User(processes, tmp_path)


def test_a_client_session_holds_at_every_replica(vish: User) -> None:
    assert "begins with your next command" in vish.succeeds("session")
    vish.reserves("two", 9)
    assert "continues from what you have read and written" in vish.succeeds("session")
    status, output = vish.types("status", "--replica", "one")
    assert status == 1
    assert "has not yet received all writes that your client session has seen or made" in output
    assert "--wait 10" in output
    vish.succeeds("calendar", "6.12", "--on", "2026-12-01", "--committed", "--replica", "one")

    vish.succeeds("session", "--guarantees", "MW,WFR")
    assert json.loads(vish.succeeds("session", "--json"))["guarantees"] == ["MW", "WFR"]
    assert "vish has no reservation here" in vish.succeeds("status", "--replica", "one")
    vish.succeeds("session", "--guarantees", "all")
    assert vish.types("status", "--replica", "one")[0] == 1
    assert "begins with your next command" in vish.succeeds("session", "reset")
    vish.succeeds("status", "--replica", "one")


def test_a_session_goes_on_from_the_last_command_whichever_ends_last(vish: User) -> None:
    with vish.begins("watch", "--replica", "two") as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().startswith("watching two")
        vish.reserves("two", 9)
        assert "6.12" in watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        watch.communicate(timeout=30)
    status, output = vish.types("status", "--replica", "one")
    assert (status, "has not yet received all writes that your client session has seen or made" in output) == (1, True)


def test_a_new_session_begins_where_the_cluster_was_started_over(tmp_path: Path) -> None:
    said = "one belongs to another cluster than your session, or its cluster was started over; a new session begins"
    with live(tmp_path / "before", ("one",)) as processes:
        User(processes, tmp_path).reserves("one", 9)
    with live(tmp_path / "after", ("one",)) as processes:
        vish = User(processes, tmp_path)
        assert vish.succeeds("status").splitlines() == [f"· {said}", "vish has no reservation here  (UTC, at one)"]
        assert said not in vish.succeeds("status")
    with live(tmp_path / "again", ("one",)) as processes:
        vish = User(processes, tmp_path)
        words = ("reserve", "--room", "6.12", "--at", "2026-12-01T10:00", "--for", "1h")
        assert vish.succeeds(*words).count(said) == 1
        assert "10:00" in vish.succeeds("status")


def test_a_command_waits_for_what_the_client_session_has_seen(vish: User) -> None:
    vish.reserves("two", 9)
    waiting = vish.begins("status", "--replica", "one", "--wait", "30")
    assert "sent 1" in vish.succeeds("sync", "one", "--replica", "two")
    output, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, output
    assert "6.12" in output


def test_an_operator_truncates_promotes_and_retires(vish: User) -> None:
    vish.reserves("one", 9)
    assert "1 committed writes dropped" in vish.succeeds("admin", "truncate", "0", "--replica", "one")
    assert "two is the primary now, as two~" in vish.succeeds("admin", "promote", "--replica", "two")
    assert "(epoch 0)" in vish.succeeds("admin", "promote", "one", "--replica", "two")
    status, output = vish.types("admin", "promote", "--replica", "one")
    assert (status, "is the primary already" in output) == (1, True)
    assert "two has all its writes" in vish.succeeds("admin", "retire", "--replica", "one")
    wait_until(lambda: vish.processes.status("one") == 0)
    assert "primary" in vish.succeeds("links", "--replica", "two")
    vish.processes.start("one")
    vish.processes.wait_until_serving("one")
    status, output = vish.types("admin", "promote", "--force", "--replica", "one")
    assert (status, "The primary, two, answers." in output) == (1, True)
    assert "(epoch 1)" in vish.succeeds("admin", "promote", "--force", "--yes", "--replica", "one")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("session", "--guarantees", "RYW,XY"), "There is no guarantee 'XY'"),
        (("status", "--wait", "31"), "is not a number from 1 to 30"),
        (("admin",), "ACTION"),
        (("watch", "8f3a", "--all"), "not allowed with argument"),
        (("admin", "truncate", "-1"), "KEEP"),
    ],
)
def test_wrong_arguments_are_refused(words: tuple[str, ...], said: str) -> None:
    process = command("client.py", "vish", *words)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.lower() in output.lower()
