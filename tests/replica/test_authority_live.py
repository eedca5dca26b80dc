"""A user writes at a replica that is cut off. Meanwhile, the other replicas revoke the user, or lower the user's role.
When the replicas meet, the writes get the outcome `forbidden`. The command line shows this to the user and to the
managers."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from cluster.processes import Processes
from tests.support.live import command, live
from tests.support.waiting import BOUND_S, wait_until

pytestmark = pytest.mark.process

SLOT = {"start": "2099-12-01T09:00:00+00:00", "end": "2099-12-01T10:00:00+00:00"}
RELATION = {"relation": "desks", "attributes": {"desk": "text"}, "key": ["desk"], "page_by": ["desk"]}
WHY = "ann’s reservation of 6.12, ann/a, had no effect: its user had been revoked before the write was committed."


class Asker:
    """Sends requests to the replicas. Each request has a token; by default, the token of the replica's operator."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self._processes, self._folder = processes, folder
        self.operators = {
            label: (processes.settings.data / label / "operator.token").read_text().strip()
            for label in processes.labels
        }

    def __call__(self, label: str, method: str, path: str, token: str = "", body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token or self.operators[label]}"}
        address = self._processes.settings.replica(label).rest
        return requests.request(method, f"http://{address}{path}", json=body, headers=headers, timeout=20)

    def add(self, name: str, role: str) -> str:
        return str(self("one", "POST", "/people", body={"name": name, "role": role}).json()["token"])

    def link(self, *, up: bool) -> None:
        for label, other in (("one", "two"), ("two", "one")):
            assert self(label, "PUT", f"/replica/links/{other}", body={"up": up}).status_code == 200

    def wait_until_equal(self) -> None:
        def is_equal() -> bool:
            answers = [self(at, "GET", "/replica/digest") for at in self._processes.labels]
            return all(answer.ok for answer in answers) and len({answer.text for answer in answers}) == 1

        wait_until(is_equal)

    def client(self, user: str, token: str, *words: str) -> Any:
        """Start `client.py USER … ` at `two`."""
        typed = ("client.py", user, "--config", str(self._processes.configuration), "--replica", "two", *words)
        state = {"XDG_STATE_HOME": str(self._folder / user), "BAYOU_TOKEN": token, "NO_COLOR": "1"}
        return command(*typed, environment=state)

    def shown(self, user: str, token: str, *words: str) -> str:
        return str(self.client(user, token, *words).communicate(timeout=BOUND_S)[0])


def test_a_user_who_was_revoked_while_a_replica_was_cut_off(tmp_path: Path) -> None:
    with live(tmp_path / "c", ("one", "two"), auth="tokens") as processes:
        ask = Asker(processes, tmp_path)
        ann, boss = ask.add("ann", "user"), ask.add("boss", "manager")
        ask.wait_until_equal()
        ask.link(up=False)
        with ask.client("boss", boss, "watch", "--all") as watch:
            bound = threading.Timer(BOUND_S, watch.kill)
            bound.start()
            watch.stdout.readline()
            body = {"room": "6.12", "slots": [SLOT], "request": "a"}
            assert ask("two", "POST", "/reservations", ann, body).json()["state"] == "tentative"
            assert ask("one", "DELETE", "/people/ann", boss).status_code == 200
            ask.link(up=True)
            ask.wait_until_equal()
            lines = iter(watch.stdout.readline, "")
            assert next(line for line in lines if WHY in line).split()[1:4] == ["✗", "no", "effect"]
            watch.kill()
            bound.cancel()
        for label in processes.labels:
            shown = ask(label, "GET", "/reservations/ann/a", boss).json()
            assert (shown["state"], shown["final"], shown["reason"]["code"]) == ("rejected", True, "forbidden")
        assert WHY in ask.shown("boss", boss, "conflicts")
        assert ask("two", "GET", "/rooms", ann).status_code == 401
        again = ask.add("ann", "user")
        ask.wait_until_equal()
        assert "✗ rejected" in ask.shown("ann", again, "status", "a")
        assert "had been revoked" in ask.shown("ann", again, "status")
        listed = json.loads(ask.shown("ann", again, "status", "--json"))
        assert [one["reason"]["code"] for one in listed["reservations"]] == ["forbidden"]
        assert ask("two", "POST", "/reservations", again, body | {"request": "b"}).status_code == 201


def test_a_manager_who_became_a_user_while_a_replica_was_cut_off(tmp_path: Path) -> None:
    with live(tmp_path / "c", ("one", "two"), auth="tokens") as processes:
        ask = Asker(processes, tmp_path)
        ann = ask.add("ann", "manager")
        ask.wait_until_equal()
        ask.link(up=False)
        assert ask("two", "POST", "/relations", ann, RELATION).status_code == 201
        assert ask("one", "PATCH", "/people/ann", body={"role": "user"}).status_code == 200
        ask.link(up=True)
        ask.wait_until_equal()
        for label in processes.labels:
            assert ask(label, "GET", "/relations", ann).json()["relations"] == []
            last = ask(label, "GET", "/replica/log?limit=1000", ann).json()["writes"][-1]
            assert (last["outcome"], last["csn"]) == ("forbidden needs manager", 3)
