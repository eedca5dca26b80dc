"""docs/write-an-application.md: its code blocks form an application and a test, and the test passes.

The test makes a copy of this project and adds the files that the document shows. In the copy, the folders bayou/,
storage/ and replica/ are links to the folders of this project. So the application needs no change in these folders.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cluster.processes
from cluster.local import running
from cluster.processes import Processes
from tests.support.live import ROOT, link, wait_until_equal

pytestmark = pytest.mark.process

DOCUMENT = ROOT / "docs" / "write-an-application.md"
BLOCK = re.compile(r"^```(?:lua|python) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEST_TIMEOUT_S = 100
NOT_LINKED = {"apps", "tests", "docs", "data", "server.py"}  # what is not linked as a whole


def files() -> dict[str, str]:
    """Return the files that the document shows, by path. The blocks of one file are joined in their order."""
    found: dict[str, list[str]] = {}
    for path, text in BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")):
        found.setdefault(path, []).append(text)
    between = {".lua": "\n", ".py": "\n\n"}
    return {path: _joined(texts, between[Path(path).suffix]) for path, texts in found.items()}


def _joined(texts: list[str], between: str) -> str:
    """Join the blocks of one file. Put the text `between` before each block, except before an indented block, which
    continues the previous one."""
    whole = texts[0]
    for text in texts[1:]:
        whole += ("\n" if text.startswith(" ") else between) + text
    return whole


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a copy of the project that contains the third application."""
    folder = tmp_path_factory.mktemp("project")
    for entry in ROOT.iterdir():
        if entry.name not in NOT_LINKED and not entry.name.startswith("."):
            (folder / entry.name).symlink_to(entry)
    (folder / "server.py").write_bytes((ROOT / "server.py").read_bytes())  # a link would be followed to the real apps
    for name in (
        "apps/api",
        "apps/rooms",
        "apps/playlist",
        "apps/people",
        "apps/records",
        "tests/__init__.py",
        "tests/support/forked.py",
        "tests/support/live.py",
        "tests/support/waiting.py",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(ROOT / name)
    for path, text in files().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def replicas(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """Start two replicas that run the third application and cannot reach each other. The replica `one` is the
    primary."""
    monkeypatch.setattr(cluster.processes, "SERVER", project / "server.py")
    with running(tmp_path, ("one", "two"), {}) as processes:  # not forked, since they load other applications
        link(processes, "one", "two", up=False)
        yield processes


def test_the_document_gives_an_application_and_its_test() -> None:
    assert set(files()) == {
        "apps/bibliography/bibliography.lua",
        "apps/bibliography/__init__.py",
        "apps/__init__.py",
        "tests/test_bibliography.py",
    }


def test_one_line_registers_the_application() -> None:
    given = files()["apps/__init__.py"]
    assert given.replace('    "bibliography",\n', "") == (ROOT / "apps" / "__init__.py").read_text(encoding="utf-8")


def test_the_code_of_the_document_is_in_the_style_of_the_project(project: Path) -> None:
    given = [path for path in files() if path.endswith(".py")]
    for command in (["format", "--check"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", str(ROOT / "pyproject.toml"), *given]
        subprocess.run(ruff, cwd=project, check=True, timeout=TEST_TIMEOUT_S)


def test_the_test_of_the_document_passes(project: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "-W", "error", "tests"],
        cwd=project,
        env=inherited | {"PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=TEST_TIMEOUT_S,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 passed" in answer.stdout


def add(replicas: Processes, label: str, title: str) -> str:
    return str(replicas.rest(label).post("/bibliography", {"key": "terry95", "title": title}, "vish")["key"])


def entries(replicas: Processes, label: str) -> list[tuple[str, str, bool]]:
    found = replicas.rest(label).get("/bibliography")["entries"]
    return [(entry["key"], entry["title"], entry["final"]) for entry in found]


def test_one_of_two_gets_the_next_key(replicas: Processes) -> None:
    assert (add(replicas, "one", "A"), add(replicas, "two", "B")) == ("terry95", "terry95")
    assert (entries(replicas, "one"), entries(replicas, "two")) == (
        [("terry95", "A", True)],
        [("terry95", "B", False)],
    )
    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)
    for label in replicas.labels:
        assert entries(replicas, label) == [("terry95", "A", True), ("terry95a", "B", True)]
        log = replicas.rest(label).get("/replica/log")["writes"]
        assert [(write["app"], write["outcome"], write["state"]) for write in log] == [
            ("bibliography/1", "updated terry95", "committed"),
            ("bibliography/1", "merged terry95a", "committed"),
        ]
        assert log[1]["describe"]["result"] == {"detail": "terry95a"}


def test_an_entry_that_is_added_twice_counts_once(replicas: Processes) -> None:
    for label in ("one", "two", "two"):
        assert add(replicas, label, "A") == "terry95"
    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)
    assert entries(replicas, "one") == entries(replicas, "two") == [("terry95", "A", True)]


def test_the_rooms_and_the_playlist_go_on(replicas: Processes) -> None:
    add(replicas, "two", "A")
    assert replicas.rest("two").get("/playlist")["songs"] == []
    slot = {"start": "2026-12-01T09:00Z", "end": "2026-12-01T10:00Z"}
    body = {"room": "6.12", "slots": [slot]}
    assert replicas.rest("two").post("/reservations", body, "vish")["state"] == "tentative"
