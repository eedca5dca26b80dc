"""The commands of `cluster.py` as users run them. Neither the demo nor `up` leaves a process or a file behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

import cluster.demo
from cluster.local import running
from cluster.rest import Rest
from replica.config import load
from tests.support.cluster_command import ClusterCommand, cluster_command, colours
from tests.support.forked import ForkedProcesses
from tests.support.live import LABELS, ROOT, command, live, processes_with, wait_until_equal, write_configuration
from tests.support.waiting import wait_until

__all__ = ["cluster_command", "colours"]  # fixtures

pytestmark = pytest.mark.process

BOUND_S = 60
UP = LABELS[:2]  # of `configuration`


@contextmanager
def up(configuration: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run `cluster.py up`, and yield its process when all replicas answer. End the process after the block."""
    settings = load(configuration)
    with command("cluster.py", "up", *options, "--config", configuration, environment=environment) as process:
        try:
            for label in settings.replicas:
                wait_until(lambda label=label: Rest(label, settings.replica(label).rest).get("/replica"))  # type: ignore[misc]
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=BOUND_S)


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    return write_configuration(tmp_path, UP, {})


def demo(folder: Path) -> subprocess.Popen[str]:
    return command("cluster.py", "demo", environment={"TMPDIR": str(folder)})


def assert_nothing_left(folder: Path) -> None:
    assert list(folder.iterdir()) == []
    assert processes_with(folder) == {}


def test_the_demo_ends_in_agreement_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        output, _ = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0, output
    lines = output.splitlines()
    assert lines[-1] == "3 replicas agree: 3 committed, 0 tentative"
    assert [line.split() for line in lines[-6:-2]] == [
        ["6.12", "one", "two", "three"],
        ["9:00", *["✓", "vish"] * 3],
        ["10:00", *["✓", "priyal"] * 3],
        ["11:00", *["✓", "neil"] * 3],
    ]
    assert "\x1b" not in output
    assert max(map(len, lines)) <= 80
    assert_nothing_left(tmp_path)


@pytest.mark.usefixtures("colours")
def test_the_demo_has_colours_where_they_are_forced(
    cluster_command: ClusterCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.demo, "running", partial(running, processes_of=ForkedProcesses))
    result = cluster_command("demo")
    assert result.returncode == 0, result.stderr
    assert "\x1b[32m✓" in result.stdout
    assert "\x1b[43m\x1b[30m?" in result.stdout


def test_a_stopped_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        wait_until(lambda: processes_with("server.py", tmp_path))
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=BOUND_S)
    assert process.returncode == 130, output
    assert_nothing_left(tmp_path)


def test_a_failed_demo_says_why_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        (replica,) = wait_until(lambda: processes_with("server.py two ", tmp_path))
        os.kill(replica, signal.SIGKILL)
        output, _ = process.communicate(timeout=BOUND_S)
    assert process.returncode == 1
    assert "The demo failed. two is not running; it ended with status -9" in output
    assert_nothing_left(tmp_path)


def test_a_demo_whose_output_is_closed_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        wait_until(lambda: processes_with("server.py", tmp_path))
        process.stdout.close()
        assert process.wait(BOUND_S) == 1
    assert_nothing_left(tmp_path)


def stop(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Send a signal to `cluster.py up`, wait until the program has ended, and return the rest of the output. The exit
    status must be 0."""
    process.send_signal(number)
    output, _ = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0, output
    return output


def test_up_stops_everything(tmp_path: Path, configuration: Path) -> None:
    with up(configuration) as process:
        assert len(processes_with("server.py", configuration)) == len(UP)
        output = stop(process, signal.SIGINT)
    assert "two  is stopping." in output, output
    assert "\x1b" not in output
    assert processes_with(tmp_path) == {}


def test_up_reports_a_replica_that_dies(tmp_path: Path, configuration: Path) -> None:
    with up(configuration) as process:
        (replica,) = processes_with("server.py two ", configuration)
        os.kill(replica, signal.SIGKILL)
        assert process.stdout is not None
        said = next(line for line in process.stdout if "ended by itself" in line)
        assert "two  ended by itself with status -9; 1 of 2 are still running." in said
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=BOUND_S)
    assert process.returncode == 1
    assert processes_with(tmp_path) == {}  # its Redis has ended too


def test_a_second_up_is_refused_and_the_first_goes_on_until_it_is_stopped(tmp_path: Path, configuration: Path) -> None:
    with up(configuration, FORCE_COLOR="1") as first:
        with command("cluster.py", "up", "--config", configuration) as second:
            output, _ = second.communicate(timeout=BOUND_S)
        assert second.returncode == 1
        assert output.count("already in use") == len(UP)
        assert "none is left" in output
        assert first.poll() is None
        assert len(processes_with("server.py", configuration)) == len(UP)
        assert "\x1b[35mtwo\x1b[0m  is stopping." in stop(first, signal.SIGTERM)
    assert processes_with(tmp_path) == {}


def done(*words: str | Path) -> tuple[int, str]:
    """Run a command of cluster.py to its end. Return the exit status and the output."""
    with command("cluster.py", *words) as process:
        output, _ = process.communicate(timeout=BOUND_S)
    return process.returncode, output


def test_a_fresh_start_deletes_what_was_reserved(tmp_path: Path, configuration: Path) -> None:
    rest = Rest("one", load(configuration).replica("one").rest)
    with up(configuration):
        birth = rest.get("/replica")["birth"]
        status, output = done("reset", "--config", configuration)
        assert (status, "already in use" in output) == (1, True)
        assert done("up", "--fresh", "--config", configuration)[0] == 1
        (replica,) = processes_with("server.py two ", configuration)
        os.kill(replica, signal.SIGKILL)  # its Redis goes on
        assert rest.get("/replica")["birth"] == birth
    with up(configuration, "--fresh") as process:
        assert rest.get("/replica")["birth"] != birth
        output = stop(process, signal.SIGHUP)
    assert [f"Deleted the data in {tmp_path}/data/{label}.\n" in output for label in UP] == [True] * 2
    assert processes_with(tmp_path) == {}


def test_a_reset_stops_the_redis_that_was_left_behind(tmp_path: Path) -> None:
    with live(tmp_path, ("one",)) as processes:
        processes.kill("one")
        assert len(processes_with(tmp_path, "redis")) == 1
        status, output = done("reset", "--config", processes.configuration)
        assert (status, output) == (0, f"Deleted the data in {tmp_path}/data/one.\n")
        assert processes_with(tmp_path, "redis") == {}
        assert [path.name for path in (tmp_path / "data" / "one").iterdir()] == ["lock"]
        assert done("reset", "--config", processes.configuration) == (
            0,
            f"There is nothing to delete: {tmp_path}/data has no data of one.\n",
        )


def test_a_reset_deletes_the_folders_of_the_configuration_and_nothing_else(tmp_path: Path) -> None:
    configuration = write_configuration(tmp_path, ("one", "two"), {"redis": "memory"})
    data = tmp_path / "data"
    for label in ("one", "four"):
        (data / label / "inner").mkdir(parents=True)
        for name in ("lock", "identity.json", "inner/file"):
            (data / label / name).touch()
    (data / "two").mkdir()
    (data / "two" / "thesis.odt").touch()

    status, output = done("reset", "--config", configuration)
    assert (status, "two was not made by a replica" in output, "Nothing is deleted: " in output) == (1, True, True)
    shutil.rmtree(data / "two")
    (data / "two").symlink_to(data / "four")
    status, output = done("reset", "--config", configuration)
    assert (status, "two is a symbolic link" in output) == (1, True)
    assert (data / "one" / "inner" / "file").exists()

    (data / "two").unlink()
    (data / "one" / "inner" / "four").symlink_to(data / "four")
    status, output = done("reset", "--config", configuration)
    assert (status, f"{data / 'four'} stays" in output) == (0, True), output
    assert [path.name for path in (data / "one").iterdir()] == ["lock"]
    assert sorted(path.name for path in (data / "four").iterdir()) == ["identity.json", "inner", "lock"]


def test_a_reset_is_refused_where_the_data_is_in_a_redis_of_its_own(tmp_path: Path) -> None:
    configuration = write_configuration(tmp_path, ("one",), {"redis": "redis://127.0.0.1:1/0"})
    (tmp_path / "data" / "one").mkdir(parents=True)
    for name in ("lock", "identity.json"):
        (tmp_path / "data" / "one" / name).touch()
    status, output = done("reset", "--config", configuration)
    assert (status, "one has its data in the Redis at redis://127.0.0.1:1/0" in output) == (1, True)
    assert "begin with bayou:{one}:" in output
    assert (tmp_path / "data" / "one" / "identity.json").exists()


def test_up_names_the_error_in_the_configuration(tmp_path: Path) -> None:
    wrong = tmp_path / "config.yaml"
    wrong.write_text("cluster: building-6\nprimary: four\nreplicas: {}\n", encoding="utf-8")
    with command("cluster.py", "up", "--config", wrong) as process:
        output, _ = process.communicate(timeout=BOUND_S)
    assert process.returncode == 1
    assert f"{wrong}:3: replicas: " in output
    assert "Traceback" not in output


def test_a_second_start_of_a_server_is_refused(tmp_path: Path) -> None:
    with live(tmp_path, LABELS[:1]) as processes:
        before = processes.rest("one").get("/replica")["id"]
        with command("server.py", "one", "--config", processes.configuration) as second:
            output, _ = second.communicate(timeout=BOUND_S)
        assert second.returncode == 1
        assert f"already in use (process {processes.pid('one')}, which serves replica one)" in output
        assert processes.rest("one").get("/replica")["id"] == before


def test_a_replica_that_is_killed_comes_back_and_catches_up(tmp_path: Path) -> None:
    slot = {"start": "2030-06-03T09:00:00+00:00", "end": "2030-06-03T10:00:00+00:00"}
    asked = {"room": "6.12", "slots": [slot], "purpose": "standup", "merge": "give_up", "request": "r1"}
    with live(tmp_path) as processes:
        processes.rest("two").post("/reservations", asked, user="vish")
        processes.kill("two")
        processes.start("two")
        processes.wait_until_serving("two")
        wait_until_equal(processes)
        wait_until(lambda: processes.rest("two").get("/reservations/vish/r1")["state"] == "committed")


def test_make_lists_its_targets() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for target in ("demo", "up", "reset", "test", "check", "format", "clean", "proto"):
        assert f"make {target} " in shown


def test_make_says_that_there_is_no_suitable_python(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    found = shutil.which("make")
    assert found
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")  # like a Python that is too old
    (tmp_path / "bin" / "python3").chmod(0o755)
    result = subprocess.run(
        [found, "demo"], cwd=tmp_path, env={"PATH": str(tmp_path / "bin")}, capture_output=True, check=False, text=True
    )
    assert result.returncode == 2
    assert "No Python 3.11 or later with its venv module was found" in result.stderr
    assert not (tmp_path / ".venv").exists()
