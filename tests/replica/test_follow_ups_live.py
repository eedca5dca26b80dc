"""Running replicas keep an acknowledged cancel, even if another replica has moved the reservation meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.support.joined import ask, reserve
from tests.support.live import link, live, wait_until_equal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

PATH, VISH = "/reservations/vish/a", {"Bayou-User": "vish"}
LATER = {"start": "2026-12-02T09:00:00+00:00", "end": "2026-12-02T10:00:00+00:00"}


def test_a_cancel_is_kept_although_the_reservation_was_moved_meanwhile(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two")) as processes:
        one, two = (str(processes.settings.replica(label).rest) for label in ("one", "two"))
        assert reserve(one, "a", 9).status_code == 201
        wait_until_equal(processes)
        link(processes, "one", "two", up=False)
        moved = requests.patch(f"http://{one}{PATH}", json={"slots": [LATER], "request": "m"}, headers=VISH, timeout=20)
        cancelled = requests.delete(f"http://{two}{PATH}?request=c", headers=VISH, timeout=20)
        assert (moved.status_code, cancelled.status_code) == (200, 200)
        link(processes, "one", "two", up=True)
        wait_until(lambda: ask(one, "GET", PATH).json()["state"] == "cancelled")
        wait_until_equal(processes)
        assert ask(two, "GET", PATH).json()["final"]
