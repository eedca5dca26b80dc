"""`cluster.py class` as a teacher runs it, and the control endpoint of `cluster.py up`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import pytest

from cluster.rest import Request, Rest, send
from replica.config import Config, load
from tests.support.live import LABELS, command, live, processes_with, write_configuration
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

BOUND_S = 60
ADDRESS = re.compile(r"http://(\S+)/cluster#control=(\d+)\.(\w+)")


class Terminal:
    """A running `cluster.py up` or `cluster.py class`: its output, its control endpoint and its replicas."""

    def __init__(self, process: subprocess.Popen[str], settings: Config) -> None:
        self.process = process
        self.settings = settings
        self.lines: SimpleQueue[str] = SimpleQueue()
        self.shown = ""  # everything so far
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.shown += line
            self.lines.put(line)

    def wait_for(self, text: str) -> str:
        """Return the next line that contains the text."""
        while text not in (line := self.lines.get(timeout=BOUND_S)):
            pass
        return line

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(BOUND_S)
        self._reader.join(BOUND_S)

    def claim(self, line: str) -> None:
        """Find the address of the cluster's web page in a line of output. The address contains a key. Exchange this key
        for a control token."""
        found = ADDRESS.search(line)
        assert found
        self._headers = {"Origin": f"http://{found[1]}"}
        self._control = f"127.0.0.1:{found[2]}"
        self._token = ""
        self._token = self.ask("/claim", key=found[3])["token"]

    def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def ask(self, path: str, **body: str) -> dict[str, str]:
        asked = Request("POST", path, body or {"token": self._token}, self._headers)
        answer = send(self._control, asked, BOUND_S)
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def rest(self, label: str) -> Rest:
        return Rest(label, self.settings.replica(label).rest)

    def paces(self) -> list[str]:
        return [self.rest(label).get("/replica")["pace"] for label in self.settings.replicas]

    def log(self, label: str) -> list[str]:
        return [write["state"] for write in self.rest(label).get("/replica/log")["writes"]]

    def reserve(self, label: str) -> None:
        reserve(self.rest(label))


def reserve(rest: Rest) -> None:
    slot = {"start": "2030-06-03T09:00Z", "end": "2030-06-03T10:00Z"}
    rest.post("/reservations", {"room": "6.12", "slots": [slot]}, user="vish")


@contextmanager
def terminal(name: str, configuration: Path, **environment: str) -> Iterator[Terminal]:
    words = ("cluster.py", name, "--config", configuration)
    with command(*words, environment=environment, stdin=subprocess.PIPE) as process:
        found = Terminal(process, load(configuration))
        try:
            yield found
        finally:
            found.end()
    assert process.returncode == 0


def test_a_class_begins_step_by_step_crashes_and_starts_over(tmp_path: Path) -> None:
    configuration = write_configuration(tmp_path, LABELS, {"redis": "redis://127.0.0.1:1/0"})  # a class has its own
    shown = tmp_path / "shown"
    browser = tmp_path / "browser.py"
    browser.write_text(f"import sys, pathlib; pathlib.Path({str(shown)!r}).write_text(sys.argv[1])", encoding="utf-8")
    with terminal("class", configuration, BROWSER=f"{sys.executable} {browser} %s") as teacher:
        line = teacher.wait_for("The cluster page: ")
        wait_until(lambda: shown.is_file() and shown.read_text() == line.split()[-1])
        assert teacher.paces() == ["manual"] * 3
        assert {teacher.rest(label).get("/replica")["primary"]["label"] for label in LABELS} == {"one"}
        teacher.claim(line)
        assert ADDRESS.search(teacher.wait_for("To control the replicas from another web page, open "))

        teacher.reserve("two")
        teacher.ask("/crash/two")
        assert processes_with("server.py two ", tmp_path) == {}
        teacher.ask("/crash/two")  # a second crash changes nothing
        teacher.ask("/restart/two")
        wait_until(lambda: processes_with("server.py two ", tmp_path))
        wait_until(lambda: teacher.log("two") == ["tentative"])
        assert teacher.paces() == ["manual"] * 3
        assert teacher.log("one") == []

        for label in LABELS:  # nobody is left, and the class goes on
            teacher.ask(f"/crash/{label}")
        teacher.ask("/restart/one")
        teacher.ask("/reset")
        opened = shown.read_text()
        teacher.wait_for("The cluster page: ")
        assert [teacher.log(label) for label in LABELS] == [[], [], []]
        assert teacher.paces() == ["manual"] * 3
        assert shown.read_text() == opened, "the page that is open goes on"
    assert processes_with(tmp_path) == {}


def test_a_class_leaves_the_data_of_the_configuration_alone(tmp_path: Path) -> None:
    with live(tmp_path, LABELS[:1]) as processes:
        reserve(processes.rest("one"))
        processes.stop("one")
        for _ in range(2):
            with terminal("class", processes.configuration, BROWSER="true") as teacher:
                teacher.wait_for("The cluster page: ")
                assert teacher.log("one") == [], "a class begins with empty logs"
                teacher.reserve("one")
                teacher.type("help")  # not a command of a class
                teacher.type("reset")
                teacher.wait_for("The cluster page: ")
                assert teacher.log("one") == []
                teacher.reserve("one")
        processes.start("one")
        processes.wait_until_serving("one")
        assert [write["state"] for write in processes.rest("one").get("/replica/log")["writes"]] == ["committed"]
        assert processes.rest("one").get("/replica")["pace"] == "auto"


def test_starting_over_twice_begins_one_class(tmp_path: Path) -> None:
    configuration = write_configuration(tmp_path, LABELS[:1], {})
    with terminal("class", configuration, BROWSER="true") as teacher:
        teacher.wait_for("The cluster page: ")
        teacher.type("reset\nreset")  # the second one comes before the class has begun
        teacher.wait_for("The cluster page: ")
        wait_until(lambda: teacher.paces() == ["manual"])
    assert teacher.shown.count("Starting over.") == 2
    assert teacher.shown.count("The class can begin. ") == 2
    assert "The class cannot begin" not in teacher.shown


def test_up_has_control_but_never_starts_over(tmp_path: Path) -> None:
    configuration = write_configuration(tmp_path, LABELS[:2], {})
    with terminal("up", configuration) as operator:
        operator.claim(operator.wait_for("#control="))
        wait_until(lambda: operator.rest("two").get("/replica"))
        operator.ask("/crash/two")
        operator.wait_for("crashed, as the cluster page asked")
        operator.ask("/restart/two")
        wait_until(lambda: operator.rest("two").get("/replica"))
        page = send(
            str(operator.settings.replica("one").rest),
            Request("GET", "/cluster", headers={"Accept": "text/html"}),
            BOUND_S,
        )
        assert page.status == 200
        with pytest.raises(AssertionError, match="not_found"):
            operator.ask("/reset")


def test_a_class_does_not_begin_beside_replicas_at_the_same_addresses(tmp_path: Path) -> None:
    with live(tmp_path, LABELS[:1]) as building:
        with command("cluster.py", "class", "--config", building.configuration) as process:
            output, _ = process.communicate(timeout=BOUND_S)
        assert process.returncode == 1
        address = building.settings.replica("one").rest
        assert output.startswith(f"Cannot listen on {address}: Address already in use. Stop the program that uses")
        assert building.rest("one").get("/replica")["pace"] == "auto"


def test_a_class_needs_no_login(tmp_path: Path) -> None:
    configuration = write_configuration(tmp_path, LABELS[:1], {"auth": "tokens"})
    with command("cluster.py", "class", "--config", configuration) as process:
        output, _ = process.communicate(timeout=BOUND_S)
    assert process.returncode == 1
    assert "a class needs `auth: none`" in output
    assert not (tmp_path / "data").exists()
