"""Anti-entropy by file, over REST and from the command line, including after truncation."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.support.joined import ask, code, reserve
from tests.support.live import command, live, wait_until_equal

pytestmark = pytest.mark.process

QUIET = {"interval_s": 0, "after_write": False}


def test_a_file_carries_writes_without_a_network(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy=QUIET) as processes:
        one, two = (str(processes.settings.replica(label).rest) for label in ("one", "two"))
        assert reserve(one, "r1", 9).json()["state"] == "committed"
        assert reserve(two, "r2", 9).json()["state"] == "tentative"
        assert put(two, requests.get(f"http://{one}/replica/export", timeout=60).content).json() == {
            "from": "one",
            "received": 1,
            "rolled_back": 1,
            "replayed": 1,
            "full_state": False,
        }
        assert ask(two, "GET", "/reservations/vish/r2").json()["state"] == "rejected"

        # On the way back, the command line sends only the missing writes; the primary commits them.
        held = tmp_path / "one.json"
        held.write_bytes(requests.get(f"http://{one}/replica", timeout=60).content)
        since = ("export", str(tmp_path / "since"), "--since", str(held), "--volume-mib", "1")
        assert types(processes.configuration, *since, "--replica", "two")[0] == 0
        file = tmp_path / "two.bayou"
        assert types(processes.configuration, "export", str(file), "--for", "one", "--replica", "two")[0] == 0
        assert (tmp_path / "since").read_bytes() == file.read_bytes()
        status, output = types(processes.configuration, "export", str(file), "--since", str(file), "--replica", "two")
        assert (status, "does not hold a replica's answer" in output) == (1, True)
        status, output = types(processes.configuration, "import", str(file), "--replica", "one")
        assert (status, output) == (0, "1 received from two\n")
        assert types(processes.configuration, "import", str(file), "--replica", "one")[1] == "0 received from two\n"
        assert put(two, requests.get(f"http://{one}/replica/export", timeout=60).content).ok
        wait_until_equal(processes)


def test_a_truncated_log_exports_the_full_state(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy=QUIET) as processes:
        one, two = (str(processes.settings.replica(label).rest) for label in ("one", "two"))
        for hour in (9, 10, 11):
            reserve(one, f"r{hour}", hour)
        assert ask(one, "POST", "/replica/truncate", {"keep": 1}).json() == {"dropped": 2}
        assert (ask(one, "GET", "/replica").json()["osn"], ask(one, "GET", "/replica").json()["csn"]) == (2, 3)
        answer = put(two, requests.get(f"http://{one}/replica/export", timeout=60).content)
        assert answer.json()["full_state"]
        wait_until_equal(processes)
        assert ask(one, "POST", "/replica/truncate", {"keep": 0}).json() == {"dropped": 1}
        assert code(ask(one, "POST", "/replica/truncate", {"keep": -1})) == (400, "bad_input")
        assert code(ask(one, "POST", "/replica/truncate")) == (400, "bad_input")


def test_a_file_that_does_not_fit_or_is_damaged_changes_nothing(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy=QUIET) as processes:
        one, two = (str(processes.settings.replica(label).rest) for label in ("one", "two"))
        reserve(one, "r1", 9)
        whole = requests.get(f"http://{one}/replica/export", timeout=60).content
        before = ask(two, "GET", "/replica/digest").json()
        assert code(put(two, b"")) == (400, "export_damaged")
        assert code(put(two, b"something else")) == (400, "export_damaged")
        assert code(put(two, whole[:40])) == (400, "export_damaged")
        assert code(put(one, whole)) == (409, "export_own")
        later = requests.get(f"http://{one}/replica/export", params={"csn": "1"}, timeout=60).content
        assert code(put(two, later)) == (409, "export_does_not_fit")
        assert code(ask(one, "GET", "/replica/export?csn=x")) == (400, "bad_input")
        assert code(ask(one, "GET", "/replica/export?v=[]")) == (400, "bad_input")
        assert ask(two, "GET", "/replica/digest").json() == before


def put(address: str, content: bytes) -> requests.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return requests.post(f"http://{address}/replica/import", data=content, headers=headers, timeout=60)


def types(configuration: Path, *words: str) -> tuple[int, str]:
    """Run an `admin` command of the client. Return its exit status and output."""
    process = command(
        "client.py", "vish", "--config", str(configuration), "admin", *words, environment={"NO_COLOR": "1"}
    )
    output, _ = process.communicate(timeout=60)
    return process.returncode, output
