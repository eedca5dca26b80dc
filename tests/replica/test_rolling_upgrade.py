"""A new version of an application comes to a cluster, one replica after another, while clients write."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cluster.processes
from cluster.processes import Processes
from cluster.rest import Refused, Rest
from tests.support.live import LABELS, ROOT, live, wait_until_equal
from tests.support.lua_rules import rules
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.slow]

UPDATE = 'pages.set("counted", write.request, "by version %d")'
SERVER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from apps import APPLICATIONS
from apps.api.application import Application
from apps.api.endpoint import Endpoint
from apps.api.model import Model
from apps.api.request import Request
from apps.api.service import Rules, new_draft
from replica.main import main

FOLDER = Path({folder!r})

class Counting:
    def __init__(self, service):
        self.service = service

    def count(self, request: Request[None, None]):
        "Count one."
        tag = self.service.active_tag("counting")
        draft = new_draft(Rules(tag, "none", "none"), "count", {{}}, ["counted"],
                          user=request.caller.name, at=self.service.now())
        self.service.submit(draft, request.session)
        return {{"application": tag}}

    def counted(self, request: Request[None, None]):
        "List what was counted."
        return dict(self.service.read(["counted"], request.session).pages["counted"].committed)

def endpoints(service):
    counting = Counting(service)
    return [Endpoint("POST", "/counting", counting.count), Endpoint("GET", "/counting", counting.counted)]

versions = {{version: FOLDER / f"{{version}}.lua" for version in range(1, {version} + 1)}}
newest = versions.pop({version})
COUNTING = Application(name="counting", version={version}, lua=newest, older=versions, endpoints=endpoints)
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], [*APPLICATIONS, COUNTING]))
"""


@pytest.fixture
def releases(tmp_path: Path) -> dict[int, Path]:
    """Return the program `server.py` of two releases, by number. Only the second release has version 2 of the
    application `counting`."""
    found = {}
    for version in (1, 2):
        (tmp_path / f"{version}.lua").write_text(rules(UPDATE % version))
        found[version] = tmp_path / f"server_{version}.py"
        found[version].write_text(SERVER.format(root=str(ROOT), folder=str(tmp_path), version=version))
    return found


class Load:
    """Clients that send requests to the application `counting`, one client at each replica. `counted` has one entry for
    each successful request: the version of the application that answered, such as counting/1."""

    def __init__(self, replicas: Processes) -> None:
        self.counted: list[str] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(replicas.rest(label),)) for label in LABELS]
        for thread in self._threads:
            thread.start()

    def _run(self, rest: Rest) -> None:
        for number in itertools.count():
            if self._ended.wait(0.01):
                return
            try:
                self.counted.append(rest.post("/counting", None, f"{rest.label}{number}")["application"])
            except Exception:  # the replica is being restarted
                continue

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def replicas(tmp_path: Path, releases: dict[int, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    monkeypatch.setattr(cluster.processes, "SERVER", releases[1])
    with live(tmp_path / "cluster") as processes:
        yield processes


def activated(rest: Rest, tag: str = "counting/2") -> Any:
    return rest.post("/replica/activate", {"application": tag}, "vish")


def refused(rest: Rest, tag: str = "counting/2") -> str:
    with pytest.raises(Refused) as refusal:
        activated(rest, tag)
    return str(refusal.value)


def test_a_rolling_upgrade_under_load(
    replicas: Processes, releases: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = map(replicas.rest, ("one", "two"))
    load = Load(replicas)
    try:
        wait_until(lambda: len(load.counted) > 30)
        monkeypatch.setattr(cluster.processes, "SERVER", releases[2])
        for label in ("two", "three"):
            replicas.stop(label)
            replicas.start(label)
            replicas.wait_until_serving(label)
        wait_until(lambda: "These replicas have not announced counting/2 to this replica: one. " in refused(two))
        assert set(load.counted) == {"counting/1"}  # the new release goes on with the version that all can play
        replicas.stop("one")
        replicas.start("one")
        replicas.wait_until_serving("one")
        for label in ("two", "three"):
            one.post(f"/replica/sync/{label}")
        activated(one)
        wait_until(lambda: load.counted.count("counting/2") > 30)
    finally:
        load.end()
    assert "clients already use counting/2, and cannot go back" in refused(one, "counting/1")
    wait_until_equal(replicas)
    results = list(two.get("/counting").values())
    assert results.count("by version 1") >= load.counted.count("counting/1")
    assert results.count("by version 2") >= load.counted.count("counting/2")


def test_a_replica_does_not_start_on_a_log_that_it_cannot_play(
    replicas: Processes, releases: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replicas.rest("one")
    one.post("/counting", None, "vish")
    replicas.stop("one")
    monkeypatch.setattr(cluster.processes, "SERVER", ROOT / "server.py")
    replicas.start("one")
    sentence = "The log of one holds writes of applications that this release cannot play: counting/1."
    wait_until(lambda: sentence in replicas.output("one"))
    monkeypatch.setattr(cluster.processes, "SERVER", releases[2])
    replicas.start("one")
    replicas.wait_until_serving("one")
    assert one.get("/counting")
