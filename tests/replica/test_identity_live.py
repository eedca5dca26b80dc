"""A replica keeps its id after a restart. If its log may lack the last writes, the replica takes a new id."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from cluster.processes import Processes
from replica.free_addresses import free_addresses
from storage.identity_file import place_of
from storage.redis.embedded import stop_left_behind
from tests.support.forked import ForkedProcesses
from tests.support.joined import ask, code, joined, reserve
from tests.support.live import command, live, wait_until_equal
from tests.support.storage_harness import empty, newest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

VISH = {"Bayou-User": "vish"}
QUIET = {"interval_s": 0, "after_write": False}  # sessions on request only


class Two:
    """Two replicas, `one` and `two`, that have had a session. The replica `one` is the first primary."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.addresses = {label: str(processes.settings.replica(label).rest) for label in processes.labels}
        self.folder = processes.settings.data

    def state(self, label: str) -> dict[str, Any]:
        found: dict[str, Any] = ask(self.addresses[label], "GET", "/replica").json()
        return found

    def meet(self, one: str = "two", other: str = "one") -> int:
        return ask(self.addresses[one], "POST", f"/replica/sync/{other}").status_code

    def reserve(self, label: str, request: str, hour: int) -> str:
        answer = reserve(self.addresses[label], request, hour)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["state"])

    def shown(self, label: str, request: str) -> str | None:
        answer: dict[str, Any] = ask(self.addresses[label], "GET", f"/reservations/vish/{request}").json()
        return answer.get("state")

    def restart(self, label: str, change: Callable[[Path], object]) -> None:
        """Stop a replica, change the folder of the replica, and start the replica again."""
        self.processes.stop(label)
        change(self.folder / label)
        self.start(label)

    def start(self, label: str) -> None:
        self.processes.start(label)
        self.processes.wait_until_serving(label)

    def kill_redis(self, label: str) -> None:
        record = json.loads((self.folder / label / "redis.pid").read_text())
        os.kill(int(record["pid"]), signal.SIGKILL)


@contextmanager
def two_that_met(folder: Path) -> Iterator[Two]:
    with live(folder, ("one", "two"), anti_entropy=QUIET) as processes:
        pair = Two(processes)
        assert pair.reserve("one", "r1", 9) == "committed"
        assert pair.reserve("two", "r2", 10) == "tentative"
        assert pair.meet() == 200
        assert pair.meet() == 200
        yield pair


def test_a_killed_redis_is_restarted_and_the_id_stays(tmp_path: Path) -> None:
    with two_that_met(tmp_path) as pair:
        before = pair.state("two")["id"]
        pair.kill_redis("two")
        wait_until(lambda: "Redis was restarted; nothing is lost." in pair.processes.output("two"))
        wait_until(lambda: reserve(pair.addresses["two"], "r3", 11).status_code in {200, 201})
        assert pair.state("two")["id"] == before


def test_a_replica_keeps_its_id_if_it_and_its_redis_are_killed(tmp_path: Path) -> None:
    with two_that_met(tmp_path) as pair:
        before = pair.state("two")["id"]
        pair.processes.kill("two")
        pair.kill_redis("two")
        pair.start("two")
        assert pair.state("two")["id"] == before
        assert pair.shown("two", "r2") == "committed"


def test_a_repaired_log_brings_a_new_id_and_lost_writes_come_back_from_a_peer(tmp_path: Path) -> None:
    def tear(folder: Path) -> None:
        log = newest(folder)
        log.write_bytes(log.read_bytes()[:-7])

    with two_that_met(tmp_path) as pair:
        before = pair.state("two")["id"]
        assert pair.reserve("two", "r3", 11) == "tentative"
        assert pair.meet() == 200
        pair.processes.kill("two")
        pair.kill_redis("two")
        wait_until(lambda: not stop_left_behind(pair.folder / "two"))
        tear(pair.folder / "two")
        pair.start("two")
        after = pair.state("two")["id"]
        assert after != before
        assert after.startswith("two~")
        wait_until(
            lambda: (
                f"the last writes of {before} may be missing. This replica goes on as" in pair.processes.output("two")
            )
        )
        assert pair.meet() == 200
        assert pair.shown("two", "r3") == "committed"
        wait_until_equal(pair.processes)


def test_the_option_restored_brings_a_new_id(tmp_path: Path) -> None:
    with two_that_met(tmp_path) as pair:
        before = pair.state("two")["id"]
        pair.processes.stop("two")
        process = command("server.py", "two", "--restored", "--config", pair.processes.configuration)
        try:
            wait_until(lambda: pair.state("two")["id"] != before if serves(pair.addresses["two"]) else False)
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=30)
        assert f"The data was restored from a copy: writes of {before} may be missing." in output


def put_back(copy: Path) -> Callable[[Path], None]:
    """Return a function that replaces a folder with `copy`, as an operator restores a backup."""

    def replace(folder: Path) -> None:
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)

    return replace


def roll_back(copy: Path) -> Callable[[Path], None]:
    """Return a function that replaces a folder with `copy`. The replica cannot notice the change. A restored snapshot
    of the whole machine has the same effect."""

    def replace(folder: Path) -> None:
        put_back(copy)(folder)
        file = folder / "identity.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"place": place_of(folder)}))

    return replace


@pytest.mark.parametrize("label", ["one", "two"])
def test_a_restored_copy_is_recognised_at_its_start(tmp_path: Path, label: str) -> None:
    with two_that_met(tmp_path) as pair:
        before = pair.state(label)["id"]
        pair.restart(label, lambda folder: shutil.copytree(folder, tmp_path / "copy"))
        pair.reserve(label, "r3", 11)
        assert pair.meet() == 200
        pair.restart(label, put_back(tmp_path / "copy"))
        other = "two" if label == "one" else "one"
        reason = f"The data folder of {before} is a copy, or was moved. {other} holds later writes of this replica."
        wait_until(lambda: reason in pair.processes.output(label))
        assert pair.state(label)["id"] != before
        assert pair.reserve(label, "r4", 12) == "tentative"
        if label == "one":
            assert "none: this replica was the primary under an earlier id" in pair.processes.output("one")
            pair.meet()
            assert [pair.state(each)["primary"]["gone"] for each in ("one", "two")] == [True, True]
            assert ask(pair.addresses["one"], "POST", "/replica/promote", {"force": True}).status_code == 200
        assert pair.meet() == pair.meet() == 200
        wait_until_equal(pair.processes)
        assert [pair.shown("two", name) for name in ("r1", "r2", "r3", "r4")] == ["committed"] * 4


def test_a_restored_primary_is_recognised_by_later_commits_of_others(tmp_path: Path) -> None:
    with two_that_met(tmp_path) as pair:
        before = pair.state("one")["id"]
        pair.restart("one", lambda folder: shutil.copytree(folder, tmp_path / "copy"))
        pair.reserve("two", "r3", 11)
        assert pair.meet() == 200
        pair.restart("one", put_back(tmp_path / "copy"))
        assert pair.state("one")["id"] != before
        wait_until(lambda: "two holds later commits of this replica." in pair.processes.output("one"))
        assert pair.reserve("one", "r4", 11) == "tentative"


def test_a_folder_that_was_only_moved_keeps_id_and_role(tmp_path: Path) -> None:
    with two_that_met(tmp_path) as pair:
        before = pair.state("one")["id"]

        def move(folder: Path) -> None:
            shutil.copytree(folder, tmp_path / "new")
            put_back(tmp_path / "new")(folder)

        pair.restart("one", move)
        assert pair.state("one")["id"] == before
        assert pair.reserve("one", "r3", 11) == "committed"


def test_a_moved_folder_gets_a_new_id_if_no_peer_can_be_asked(tmp_path: Path) -> None:
    with two_that_met(tmp_path) as pair:
        before = pair.state("two")["id"]
        pair.processes.stop("one")
        pair.restart("two", lambda folder: (shutil.copytree(folder, tmp_path / "c"), put_back(tmp_path / "c")(folder)))
        reason = f"{before} is a copy, or was moved. one cannot be asked, and may hold later writes of this replica."
        wait_until(lambda: reason in pair.processes.output("two"))
        pair.start("one")
        assert pair.meet() == 200
        wait_until_equal(pair.processes)


def test_a_copy_beside_the_running_original_gets_a_new_id(tmp_path: Path) -> None:
    with two_that_met(tmp_path) as pair:
        before = pair.state("two")["id"]
        pair.restart("two", lambda folder: shutil.copytree(folder, tmp_path / "copy" / "two"))
        free = free_addresses(2)
        settings = yaml.safe_load(pair.processes.configuration.read_text())
        settings["data"] = str(tmp_path / "copy")
        settings["replicas"]["two"] = {"rest": next(free), "anti_entropy": next(free)}
        (tmp_path / "copy" / "config.yaml").write_text(yaml.safe_dump(settings))
        copy = ForkedProcesses(tmp_path / "copy" / "config.yaml")
        copy.start("two")
        try:
            rest = settings["replicas"]["two"]["rest"]
            wait_until(lambda: ask(rest, "GET", "/replica").json()["id"] != before if serves(rest) else False)
        finally:
            copy.stop("two")
        assert "one reaches another replica that runs under this id." in copy.output("two")


def test_a_peer_notices_a_machine_that_was_rolled_back(tmp_path: Path) -> None:
    with two_that_met(tmp_path) as pair:
        before = pair.state("two")["id"]
        pair.restart("two", lambda folder: shutil.copytree(folder, tmp_path / "copy"))
        assert pair.reserve("two", "r3", 11) == "tentative"
        assert pair.meet() == 200
        pair.restart("two", roll_back(tmp_path / "copy"))
        assert pair.state("two")["id"] == before
        assert pair.shown("two", "r3") is None
        assert pair.meet() == 503
        after = pair.state("two")["id"]
        assert after != before
        wait_until(
            lambda: f"A peer holds writes of {before} that this replica does not hold." in pair.processes.output("two")
        )
        assert pair.meet() == 200
        assert pair.shown("two", "r3") == "committed"
        assert pair.reserve("two", "r4", 12) == "tentative"
        assert pair.meet() == 200
        wait_until_equal(pair.processes)


def test_a_primary_that_was_rolled_back_and_committed_heals_by_itself(tmp_path: Path) -> None:
    """Two sessions find that the logs differ, and the primary begins an epoch. Two more sessions make the replicas
    equal. The writes that only `two` held are made again. One of these writes, r5, is rejected, because r6 has its
    slot."""
    with two_that_met(tmp_path) as pair:
        pair.restart("one", lambda folder: shutil.copytree(folder, tmp_path / "copy"))
        assert pair.reserve("one", "r3", 11) == "committed"
        assert pair.reserve("one", "r5", 13) == "committed"
        assert pair.meet() == 200
        pair.restart("one", roll_back(tmp_path / "copy"))
        before = pair.state("one")["id"]
        assert pair.reserve("one", "r4", 12) == "committed"
        assert pair.reserve("one", "r6", 13) == "committed"
        answer = ask(pair.addresses["two"], "POST", "/replica/sync/one")
        assert answer.status_code == 503
        assert "The replicas heal this by themselves" in answer.json()["error"]["message"]
        file = ask(pair.addresses["two"], "GET", "/replica/export").content
        imported = requests.post(f"http://{pair.addresses['one']}/replica/import", data=file, headers=VISH, timeout=20)
        assert imported.status_code == 409, "a file is no session"
        assert pair.state("one")["id"] == before
        assert pair.meet() == 503
        wait_until(lambda: "so an older copy of its data has run" in pair.processes.output("one"))
        assert pair.state("one")["id"] != before
        assert pair.meet() == pair.meet() == 200
        wait_until_equal(pair.processes)
        kept = [pair.shown(label, name) for label in ("one", "two") for name in ("r1", "r2", "r3", "r4", "r6")]
        assert kept == ["committed"] * 10
        assert [pair.shown(label, "r5") for label in ("one", "two")] == ["rejected"] * 2
        assert pair.state("one")["primary"]["label"] == "one"
        wait_until(lambda: "made again ✗ vish" in pair.processes.output("two"))
        assert "made again ? vish 6.12 2026-12-01" in pair.processes.output("two")


def test_two_copies_of_a_primary_that_ran_at_once_heal(tmp_path: Path) -> None:
    """The original and its copy both accept and commit writes, and the copy is not recognised as a copy at its start.
    The replica at the address in the peers' configuration stays the primary. The other replica takes a new id."""
    with two_that_met(tmp_path) as pair:
        pair.restart("one", lambda folder: shutil.copytree(folder, tmp_path / "copy" / "one"))
        settings = yaml.safe_load(pair.processes.configuration.read_text())
        free = free_addresses(2)
        settings["data"] = str(tmp_path / "copy")
        settings["replicas"]["one"] = {"rest": next(free), "anti_entropy": next(free)}
        (tmp_path / "copy" / "config.yaml").write_text(yaml.safe_dump(settings))
        file = tmp_path / "copy" / "one" / "identity.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"place": place_of(file.parent)}))
        copy = ForkedProcesses(tmp_path / "copy" / "config.yaml")
        copy.start("one")
        rest = settings["replicas"]["one"]["rest"]
        try:
            wait_until(lambda: serves(rest))
            wanted = []
            for hour in (11, 12, 13):
                wanted += [f"here{hour}", f"there{hour}"]
                assert reserve(pair.addresses["one"], f"here{hour}", hour + 3).json()["state"] == "committed"
                assert reserve(rest, f"there{hour}", hour).json()["state"] == "committed"
            assert pair.meet() == 200

            def are_equal() -> bool:
                for address, peer in ((rest, "two"), (pair.addresses["two"], "one")):
                    ask(address, "POST", f"/replica/sync/{peer}")
                digests = [ask(one, "GET", "/replica/digest").json() for one in (rest, *pair.addresses.values())]
                return bool(digests[0] == digests[1] == digests[2] and digests[0]["csn"] > 0)

            wait_until(are_equal)
            for address in (rest, *pair.addresses.values()):
                shown = [ask(address, "GET", f"/reservations/vish/{name}").json().get("state") for name in wanted]
                assert shown == ["committed"] * len(wanted)
            assert pair.state("one")["primary"]["id"] == pair.state("one")["id"]
            assert ask(rest, "GET", "/replica").json()["primary"]["id"] == pair.state("one")["id"]
        finally:
            copy.stop("one")
        assert "So this replica is an older copy of" in copy.output("one")


def test_a_first_primary_without_its_folder_yields_to_the_birth_of_its_peers(tmp_path: Path) -> None:
    with two_that_met(tmp_path) as pair:
        before = pair.state("one")["id"]
        pair.restart("one", shutil.rmtree)
        fresh = pair.state("one")
        assert fresh["primary"] == {"id": fresh["id"], "label": "one", "here": True, "gone": False}
        assert pair.reserve("one", "alone", 9) == "committed"
        assert pair.meet() == 200
        joined_again = pair.state("one")
        assert (joined_again["birth"], joined_again["primary"]["here"]) == (before, False)
        assert pair.shown("one", "r2") == "committed"
        assert pair.shown("one", "alone") == "rejected"
        wait_until(lambda: "revoked ✗ vish alone" in pair.processes.output("one"))
        answer = ask(pair.addresses["one"], "POST", "/replica/promote")
        assert code(answer) == (409, "no_primary")
        assert ask(pair.addresses["one"], "POST", "/replica/promote", {"force": True}).status_code == 200
        assert pair.meet() == 200
        wait_until_equal(pair.processes)


def test_a_primary_that_lost_its_log_is_not_the_primary_any_more(tmp_path: Path) -> None:
    with two_that_met(tmp_path) as pair:
        pair.restart("one", empty)
        state = pair.state("one")
        assert not state["primary"]["here"]
        assert pair.meet() == 200
        assert pair.shown("one", "r1") == "committed"
        assert pair.reserve("one", "r3", 12) == "tentative"


def test_a_new_id_of_a_full_state_is_noted_at_once_and_survives_a_crash(tmp_path: Path) -> None:
    with two_that_met(tmp_path) as pair:
        before = pair.state("one")["id"]
        assert pair.reserve("one", "late", 12) == "committed"
        assert ask(pair.addresses["one"], "POST", "/replica/truncate", {"keep": 0}).status_code == 200
        forced = {"force": True, "although_it_answers": True}
        assert ask(pair.addresses["two"], "POST", "/replica/promote", forced).status_code == 200
        assert pair.meet() == 200
        after = pair.state("one")["id"]
        assert after != before
        said = f"does not match the last writes of {before}. This replica goes on as {after}."
        wait_until(lambda: said in pair.processes.output("one"))
        wait_until(lambda: "reservation:vish/late" in pair.processes.output("one"))
        birth = json.loads((pair.folder / "one" / "identity.json").read_text())
        assert (birth["id"], birth["next"]) == (after, "")

        # The replica crashes after it has installed the full state and before it updates the identity file.
        pair.processes.kill("one")
        (pair.folder / "one" / "identity.json").write_text(json.dumps(birth | {"id": before, "next": after}))
        pair.start("one")
        assert pair.state("one")["id"] == after
        wait_until(lambda: said in pair.processes.output("one"))
        assert pair.reserve("one", "later", 13) == "tentative"
        assert pair.meet() == 200
        assert pair.meet() == 200
        wait_until_equal(pair.processes)


def test_a_created_server_that_lost_its_namespace_gets_a_minted_id(tmp_path: Path) -> None:
    with two_that_met(tmp_path) as pair, joined(pair.processes, "four") as four:
        four.start("--join", "one")
        assert reserve(four.identity["rest"], "r3", 11).status_code == 201
        assert four.stop() == 0
        empty(four.folder)
        four.start()
        after = ask(four.identity["rest"], "GET", "/replica").json()
        assert after["id"].startswith("four~")
        assert not after["primary"]["here"]
        assert ask(four.identity["rest"], "POST", "/replica/sync/one").status_code == 200
        assert reserve(four.identity["rest"], "r4", 12).status_code == 201


def serves(address: str) -> bool:
    try:
        return ask(address, "GET", "/replica").ok
    except OSError:
        return False
