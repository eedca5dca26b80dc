"""Request ids that are used again. If a client repeats the same request, the request is done only once. A different
request is refused, and the refusal says what the first request asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.processes import Processes
from tests.support.joined import ask
from tests.support.live import live

pytestmark = pytest.mark.process

DAY = "2026-12-01"


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    quiet = {"interval_s": 0, "after_write": False}
    with live(tmp_path_factory.mktemp("requests"), ("one", "two"), anti_entropy=quiet) as processes:
        yield processes


class User:
    """The user vish at one replica."""

    def __init__(self, replicas: Processes, label: str, name: str = "vish") -> None:
        self._url = str(replicas.settings.replica(label).rest)
        self._name = name

    def asks(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = ask(self._url, method, path, body, Bayou_User=self._name)
        return answer.status_code, answer.json()

    def reserves(self, request: str, *hours: int, room: str = "6.12", **more: Any) -> tuple[int, Any]:
        body = {"room": room, "slots": slots(*hours), "request": request, **more}
        return self.asks("POST", "/reservations", body)

    def moves(self, name: str, request: str, *hours: int, **more: Any) -> tuple[int, Any]:
        return self.asks("PATCH", f"/reservations/vish/{name}", {"slots": slots(*hours), "request": request, **more})

    def cancels(self, name: str, request: str, reason: str = "") -> tuple[int, Any]:
        more = f"&reason={reason}" if reason else ""
        return self.asks("DELETE", f"/reservations/vish/{name}?request={request}{more}")

    def meets(self, peer: str) -> None:
        assert self.asks("POST", f"/replica/sync/{peer}")[0] == 200


def slots(*hours: int) -> list[dict[str, str]]:
    return [{"start": f"{DAY}T{hour:02}:00Z", "end": f"{DAY}T{hour + 1:02}:00Z"} for hour in hours]


def hour_of(answer: tuple[int, Any]) -> tuple[int, str]:
    status, reservation = answer
    return status, reservation["slot"]["start"][11:13]


def differs(answer: tuple[int, Any]) -> tuple[int, str, list[str]]:
    status, refused = answer
    assert refused["error"]["details"]["earlier"]
    return status, refused["error"]["code"], refused["error"]["details"]["differs"]


def test_a_request_that_a_merge_has_moved_is_still_the_same_at_every_replica(replicas: Processes) -> None:
    one, two = User(replicas, "one"), User(replicas, "two")
    User(replicas, "one", "neil").reserves("first", 9)
    assert hour_of(two.reserves("r1", 9, 11, purpose="tea")) == (201, "09")
    two.meets("one")
    for user in (one, two):
        assert hour_of(user.reserves("r1", 9, 11, purpose="tea")) == (200, "11")
        assert differs(user.reserves("r1", 11, purpose="tea")) == (409, "request_differs", ["slots"])
        assert differs(user.reserves("r1", 9, 11, purpose="tea", room="6.13"))[2] == ["room"]
        assert differs(user.reserves("r1", 9, 11))[2] == ["purpose"]
        assert differs(user.reserves("r1", 9, 11, purpose="tea", merge="give_up"))[2] == ["merge"]
        window = {"name": "nearest_free_time", "window_min": 60}
        assert differs(user.reserves("r1", 9, 11, purpose="tea", merge=window))[2] == ["merge", "window_min"]
    status, refused = one.reserves("r1", 15, room="7.01")
    assert (status, refused["error"]["details"]) == (
        409,
        {
            "request": "r1",
            "differs": ["room", "slots", "purpose"],
            "earlier": {
                "op": "reserve",
                "room": "6.12",
                "slots": [
                    {"room": "6.12", "start": f"{DAY}T09:00:00+00:00", "end": f"{DAY}T10:00:00+00:00"},
                    {"room": "6.12", "start": f"{DAY}T11:00:00+00:00", "end": f"{DAY}T12:00:00+00:00"},
                ],
                "purpose": "tea",
                "merge": "first_free_alternative",
            },
        },
    )
    assert f"reserve 6.12 from {DAY}T09:00:00+00:00" in refused["error"]["message"]
    assert hour_of(one.asks("GET", "/reservations/vish/r1")) == (200, "11")


def test_moves_and_cancels(replicas: Processes) -> None:
    one, two = User(replicas, "one"), User(replicas, "two")
    one.reserves("r2", 8, room="6.13")
    assert hour_of(one.moves("r2", "m", 10)) == (200, "10")
    two.meets("one")
    for user in (one, two):
        assert hour_of(user.moves("r2", "m", 10)) == (200, "10")
        assert hour_of(user.reserves("r2", 8, room="6.13")) == (200, "10")
        assert differs(user.moves("r2", "m", 12)) == (409, "request_differs", ["slots"])
        assert differs(user.moves("r2", "m", 10, room="7.01"))[2] == ["room"]
        assert differs(user.cancels("r2", "m"))[2] == ["op"]
        assert differs(user.reserves("r2", 10, room="6.13"))[2] == ["slots"]
    assert one.cancels("r2", "c", "ill")[1]["state"] == "cancelled"
    assert one.cancels("r2", "c", "ill")[0] == 200
    assert differs(one.cancels("r2", "c", "late"))[2] == ["reason"]
    assert differs(one.moves("r2", "c", 12))[2] == ["op"]
    assert one.moves("r2", "m", 10)[1]["state"] == "cancelled", "done before, and not again"


def test_eight_moves_are_remembered(replicas: Processes) -> None:
    one = User(replicas, "one")
    one.reserves("r3", 8, room="7.01")
    for number in range(9):
        assert hour_of(one.moves("r3", f"m{number}", 9 + number)) == (200, f"{9 + number:02}")
    for number in range(1, 9):
        assert hour_of(one.moves("r3", f"m{number}", 9 + number)) == (200, "17")
        assert differs(one.moves("r3", f"m{number}", 8))[2] == ["slots"]


def test_what_is_known_when_the_log_is_truncated(replicas: Processes) -> None:
    one, weekly = User(replicas, "one"), {"rule": "FREQ=DAILY;COUNT=2"}
    one.reserves("r4", 19, purpose="tea")
    one.reserves("r5", 20)
    one.moves("r5", "m", 21)
    assert one.reserves("w", 22, **weekly)[0] == 201
    assert one.asks("POST", "/replica/truncate", {"keep": 0})[0] == 200
    assert hour_of(one.reserves("r4", 19, purpose="tea")) == (200, "19")
    assert differs(one.reserves("r4", 18, purpose="tea"))[2] == ["slots"]
    assert differs(one.reserves("r4", 19))[2] == ["purpose"]
    assert differs(one.reserves("w", 22, rule="FREQ=DAILY;COUNT=3"))[2] == ["rule"]
    assert one.reserves("w", 22, **weekly)[0] == 200
    # What the reservation was made for stays on its page; what a move asked for does not.
    assert hour_of(one.reserves("r5", 20)) == (200, "21")
    assert differs(one.reserves("r5", 20, purpose="tea"))[2] == ["purpose"]
    assert differs(one.reserves("r5", 18))[2] == ["slots"]
    assert hour_of(one.moves("r5", "m", 18)) == (200, "21")


def test_songs(replicas: Processes) -> None:
    one, path = User(replicas, "one"), "/playlist/tea"
    for _ in range(2):
        assert one.asks("PUT", path, {"url": "u1", "request": "p1"})[1]["url"] == "u1"
    status, refused = one.asks("PUT", path, {"url": "u2", "request": "p1"})
    assert (status, refused["error"]["code"]) == (409, "request_differs")
    assert refused["error"]["details"] == {"request": "p1", "earlier": {"op": "put", "song": "tea", "url": "u1"}}
    assert one.asks("DELETE", f"{path}?request=p1")[0] == 409
    assert one.asks("GET", path)[1]["url"] == "u1"
    for _ in range(2):
        assert one.asks("DELETE", f"{path}?request=d")[1]["url"] is None
    assert one.asks("PUT", path, {"url": "u1", "request": "d"})[1]["error"]["details"]["earlier"]["op"] == "delete"
    for number in range(7):
        one.asks("PUT", path, {"url": f"v{number}", "request": f"q{number}"})
    assert one.asks("DELETE", f"{path}?request=d")[1]["url"] == "v6", "the eighth of the last is remembered"
    one.asks("PUT", path, {"url": "v7", "request": "q7"})
    assert one.asks("DELETE", f"{path}?request=d")[1]["url"] is None, "the ninth is not"
