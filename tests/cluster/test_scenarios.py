"""The scenarios and the scripts of the course print the expected results, in the simulation and on real servers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cluster.drivers.process
from cluster.drivers.fork_server import ForkServer
from cluster.drivers.simulated import SimulatedDriver
from tests.support.cluster_command import ClusterCommand, cluster_command
from tests.support.scenario_harness import COURSE, ROOT, SCENARIOS, ScriptResult, run_script

__all__ = ["cluster_command"]  # a fixture

REAL = (
    "merge_procedure", "crash_and_recovery", "hand_over", "rejoin", "wrong_clock", "revoked", "full_state",
    "floppy_disk", "copied_folder",
)  # fmt: skip


@pytest.mark.parametrize("script", SCENARIOS, ids=lambda script: script.stem)
def test_a_scenario_prints_its_expected_output(
    script: Path, simulation: SimulatedDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_script(simulation, script.read_text(encoding="utf-8"))
    assert result.printed == script.with_suffix(".sol").read_text(encoding="utf-8").splitlines()
    assert result.failures == 0, result.notes
    assert_equal_pages_for_equal_vectors(simulation)


def assert_equal_pages_for_equal_vectors(simulation: SimulatedDriver) -> None:
    """Assert that servers with the same vector, CSN and history hold the same pages, byte for byte (invariant 3)."""
    digests: dict[object, set[tuple[str, str]]] = {}
    for label in simulation.labels:
        digest, state = simulation.store(label).digest(), simulation.store(label).state()
        held = (tuple(sorted(state.vector.items())), state.csn, state.history)
        digests.setdefault(held, set()).add((digest.committed, digest.tentative))
    assert all(len(found) == 1 for found in digests.values())


@pytest.mark.parametrize("script", SCENARIOS, ids=lambda script: script.stem)
def test_a_scenario_opens_with_its_claim_and_its_source(script: Path) -> None:
    claim = script.read_text(encoding="utf-8").splitlines()[0]
    assert claim.startswith("# ")
    assert claim.endswith(").")
    assert len(claim) <= 120


@pytest.mark.skipif(not COURSE, reason="the scripts of the course are not beside this tree")
@pytest.mark.parametrize("options", [["--in-process"], []], ids=["in process", "real"])
@pytest.mark.parametrize("script", COURSE, ids=lambda script: script.stem)
def test_a_script_of_the_course_prints_its_expected_output(script: Path, options: list[str]) -> None:
    """The script runs as the tester of the course runs it: `COMMAND < script.test`."""
    with script.open(encoding="utf-8") as opened:
        result = subprocess.run(
            [sys.executable, str(ROOT / "cluster.py"), "run", *options],
            stdin=opened,
            capture_output=True,
            check=False,
            encoding="utf-8",
            timeout=100,
        )
    assert (result.stdout, result.returncode) == (script.with_suffix(".sol").read_text(encoding="utf-8"), 0)


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    """Return a fork server that all scripts of this module use, one after another."""
    shared = ForkServer()
    yield shared
    shared.close()


@pytest.mark.process
@pytest.mark.parametrize("name", REAL)
def test_a_scenario_on_real_servers(
    name: str,
    cluster_command: ClusterCommand,
    fork_server: ForkServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # for export files
    monkeypatch.setattr(cluster.drivers.process, "ForkServer", lambda: fork_server)
    monkeypatch.setattr(fork_server, "close", lambda: None)
    script = ROOT / "scenarios" / f"{name}.test"
    result = cluster_command("run", str(script), "--check", str(script.with_suffix(".sol")))
    assert result.returncode == 0, result.stderr


def test_a_difference_from_the_expected_output_is_shown_and_fails(
    cluster_command: ClusterCommand, tmp_path: Path
) -> None:
    script, expected = tmp_path / "it.test", tmp_path / "it.sol"
    script.write_text("joinServer 0\njoinClient c 0\nget c a\n")
    expected.write_bytes(b"a:ERR_DEP\r\n")
    words = ("run", "--in-process", str(script), "--check", str(expected))
    result = cluster_command(*words)
    assert (result.returncode, result.stdout) == (1, "a:ERR_KEY\n")
    assert "-a:ERR_DEP\n+a:ERR_KEY\n" in result.stderr
    expected.write_bytes(b"a:ERR_KEY")
    assert cluster_command(*words).returncode == 0


def test_a_failed_expectation_fails_the_script_which_runs_on(simulation: SimulatedDriver) -> None:
    result = run_script(
        simulation, "expect a\njoinServer 0\njoinClient c 0\nput c a 1\nget c a\nexpect a:2\nexpect a:1\nget c a"
    )
    assert (result.failures, result.printed) == (2, ["a:1", "a:1"])
    assert result.notes == [
        "line 1: expected 'a'; the last command printed nothing",
        "line 6: expected 'a:2'; the last command printed a:1",
    ]


def test_a_file_that_cannot_be_read_is_named(cluster_command: ClusterCommand) -> None:
    for options in (["none.test"], ["--check", "none.sol"]):
        result = cluster_command("run", "--in-process", *options)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(f"{options[-1]}: No such file")


def test_a_script_may_have_any_line_ends_and_encoding_errors(cluster_command: ClusterCommand, tmp_path: Path) -> None:
    """A script may have CRLF, a byte order mark, trailing blanks, invalid UTF-8, and no newline at its end."""
    script = tmp_path / "it.test"
    script.write_bytes(
        b"\xef\xbb\xbfjoinServer 0 \r\n\r\n  # c\xff\r\njoinClient c 0\r\nput c \xc3\xa9 1\r\nget c \xc3\xa9  "
    )
    result = cluster_command("run", "--in-process", str(script))
    assert (result.stdout, result.stderr, result.returncode) == ("é:1\n", "", 0)


def test_a_script_runs_the_same_way_each_time(simulation: SimulatedDriver) -> None:
    script = (ROOT / "scenarios" / "chain.test").read_text(encoding="utf-8") + "printVectors 0\nprintVectors 4\n"

    def once() -> ScriptResult:
        result = run_script(simulation, script)
        simulation.close()
        return result

    assert once() == once()


@pytest.mark.parametrize(
    ("text", "status"), [("hello world\nbye\n", 1), ("hello\njoinServer 0\n", 0), ("# nothing\n\n", 0)]
)
def test_a_file_that_is_no_script_has_status_1(
    cluster_command: ClusterCommand, tmp_path: Path, text: str, status: int
) -> None:
    script = tmp_path / "s.test"
    script.write_text(text)
    result = cluster_command("run", "--in-process", str(script))
    assert result.returncode == status
    assert ("no line is a command" in result.stderr) == (status == 1)
