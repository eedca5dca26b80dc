"""A very long list is always read as a whole. So a replica reads only one such list at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from apps.api import one_at_a_time
from replica.http import service
from tests.apps.test_feeds import CONFIGURED, Side
from tests.support.sides_harness import new_stores


def test_one_very_long_list_is_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_at_a_time, "WAIT_S", 0.01)
    monkeypatch.setattr(service, "LARGE_LIST", 1)
    (store,) = new_stores(CONFIGURED, 13, "one")
    side = Side(store)
    for user, count in (("vish", 2), ("neil", 1)):
        for number in range(count):
            side.reserve(user, str(number), 9 + number, room={"vish": "6.12", "neil": "cellar"}[user], new_room=True)
    reading, may_end, read = threading.Event(), threading.Event(), store.list_entries

    def list_entries(name: str) -> list[str]:
        if not reading.is_set():
            reading.set()
            may_end.wait(30)
        return read(name)

    monkeypatch.setattr(store, "list_entries", list_entries)

    def ask(path: str) -> Any:
        return side.app.test_client().get(path)

    with ThreadPoolExecutor() as others:
        first = others.submit(ask, "/users/vish/reservations")
        assert reading.wait(30)
        refused = ask("/rooms")
        assert (refused.status_code, refused.get_json()["error"]["code"]) == (503, "busy")
        assert ask("/users/neil/reservations").status_code == 200
        assert ask("/rooms/cellar/calendar.ics").status_code == 200, "a known room is found without the list"
        side.reserve("neil", "again", 11, room="cellar")
        may_end.set()
        assert len(first.result(30).get_json()["reservations"]) == 2
