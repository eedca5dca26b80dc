"""deploy/backup.sh and deploy/restore.sh, with real replicas."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.processes import Processes
from tests.support.joined import ask, reserve
from tests.support.live import ROOT, live, wait_until_equal

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("flock") is None, reason="no flock of util-linux, which the scripts need"),
]

LIVELY = {"interval_s": 0.3, "debounce_ms": 1}


def run(script: str, *arguments: str | Path) -> tuple[int, str, str]:
    """Run a script of deploy/. Return its exit status, its output and its errors."""
    ran = subprocess.run([ROOT / "deploy" / script, *arguments], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Processes]:
    with live(tmp_path / "live", ("one", "two"), anti_entropy=LIVELY) as processes:
        yield processes


def rest(processes: Processes, label: str) -> str:
    return str(processes.settings.replica(label).rest)


def back_up(processes: Processes, label: str, target: Path) -> Path:
    """Stop a replica, back up its folder to `target`, and start the replica again. Return the path of the backup
    file."""
    processes.stop(label)
    status, said, errors = run("backup.sh", processes.settings.data / label, target)
    assert (status, errors) == (0, "")
    processes.start(label)
    processes.wait_until_serving(label)
    return Path(said.strip())


def destroy_and_restore(processes: Processes, **copies: Path) -> None:
    processes.stop(*copies)
    for label, copy in copies.items():
        shutil.rmtree(processes.settings.data / label)
        assert run("restore.sh", copy, processes.settings.data / label)[0] == 0
    processes.start(*copies)
    processes.wait_until_serving(*copies)


def states(processes: Processes, label: str, *requests: str) -> list[str | None]:
    answers = [ask(rest(processes, label), "GET", f"/reservations/vish/{request}").json() for request in requests]
    return [answer.get("state") for answer in answers]


@pytest.mark.parametrize("label", ["one", "two"])
def test_a_restored_replica_rejoins_and_gets_what_its_copy_lacks(two: Processes, tmp_path: Path, label: str) -> None:
    assert reserve(rest(two, label), "r1", 9).status_code == 201
    wait_until_equal(two)
    copy = back_up(two, label, tmp_path / "backups")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert reserve(rest(two, label), "r2", 10).status_code == 201
    wait_until_equal(two)
    destroy_and_restore(two, **{label: copy})
    if label == "one":  # the primary: its copy lacks commits
        assert ask(rest(two, "one"), "POST", "/replica/promote", {"force": True}).status_code == 200
    assert reserve(rest(two, label), "r3", 11).status_code == 201
    wait_until_equal(two)
    assert states(two, "one", "r1", "r2", "r3") == states(two, "two", "r1", "r2", "r3") == ["committed"] * 3


def test_a_cluster_that_was_lost_as_a_whole_is_restored(two: Processes, tmp_path: Path) -> None:
    assert reserve(rest(two, "two"), "r1", 9).status_code == 201
    wait_until_equal(two)
    copies = {label: back_up(two, label, tmp_path / "backups") for label in ("one", "two")}
    assert reserve(rest(two, "two"), "r2", 10).status_code == 201
    destroy_and_restore(two, **copies)
    primary = ask(rest(two, "one"), "GET", "/replica").json()["primary"]
    if not primary["here"]:  # `one` asked `two` before `two` had started
        assert ask(rest(two, "one"), "POST", "/replica/promote", {"force": True}).status_code == 200
    assert reserve(rest(two, "two"), "r3", 11).status_code == 201
    wait_until_equal(two)
    assert states(two, "one", "r1", "r2", "r3") == ["committed", None, "committed"]


def test_what_was_there_is_kept_beside_the_restored_folder(two: Processes, tmp_path: Path) -> None:
    copy = back_up(two, "two", tmp_path / "backups")
    folder = two.settings.data / "two"
    two.stop("two")
    before = {path.name for path in folder.iterdir()}
    status, said, _ = run("restore.sh", copy, f"{folder}/")
    assert status == 0
    former = Path(said.partition(" has what was there")[0])
    assert former.parent == folder.parent
    assert {path.name for path in former.iterdir()} == before
    assert (folder.stat().st_mode & 0o777, (folder / "identity.json").exists()) == (0o700, True)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["one", "two", former.name]


def test_a_running_replica_is_neither_copied_nor_replaced(two: Processes, tmp_path: Path) -> None:
    copy = back_up(two, "two", tmp_path / "backups")
    folder = two.settings.data / "two"
    for script, arguments in (("backup.sh", (folder, tmp_path / "backups")), ("restore.sh", (copy, folder))):
        status, said, errors = run(script, *arguments)
        assert (status, said) == (1, "")
        assert "is running. Stop it first" in errors
    assert reserve(rest(two, "two"), "r1", 9).status_code == 201


@pytest.mark.parametrize("problem", ["no copy", "cut off", "of another replica"])
def test_a_copy_that_is_not_whole_or_of_another_replica_changes_nothing(tmp_path: Path, problem: str) -> None:
    folder = tmp_path / "data" / "one"
    folder.mkdir(parents=True)
    (folder / "identity.json").write_text("{}" + " " * 100_000)
    copy = Path(run("backup.sh", folder, tmp_path / "backups")[1].strip())
    target = folder
    if problem == "no copy":
        copy.unlink()
    elif problem == "cut off":
        copy.write_bytes(copy.read_bytes()[:-20])
    else:
        target = tmp_path / "data" / "two"
    status, said, errors = run("restore.sh", copy, target)
    assert (status, said) == (1, "")
    assert f"{copy} is not a whole copy of a replica {target.name}." in errors
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["one"]


@pytest.mark.parametrize("script", ["backup.sh", "restore.sh", "certificates.sh"])
def test_without_arguments_a_script_prints_its_usage(script: str) -> None:
    status, said, errors = run(script)
    assert (status, said) == (2, "")
    assert f"  deploy/{script} " in errors
    assert "#" not in errors
