"""A replica makes a cancel again if it has acknowledged the cancel and the cancel has no effect. A cancel has no effect
if the reservation was moved meanwhile at another replica."""

from __future__ import annotations

from typing import Any

from apps import APPLICATIONS
from apps.rooms.settings import RoomSettings
from bayou.application import Accepted
from bayou.errors import Forbidden
from replica.clock import utc_now
from replica.follow_ups import FollowUps
from replica.http.service import ReplicaService
from tests.support.replica_harness import SETTINGS, FakePeers
from tests.support.sides_harness import Side, meet, new_stores

CONFIGURED = SETTINGS.model_copy(update={"rooms": (RoomSettings(name="6.12"), RoomSettings(name="7.01"))})


def slot(day: int) -> dict[str, str]:
    return {"start": f"2026-12-{day:02}T09:00:00+00:00", "end": f"2026-12-{day:02}T10:00:00+00:00"}


class Site(Side):
    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, user: str = "vish") -> Any:
        answer = self.client.open(path, method=method, json=body, headers={"Bayou-User": user})
        assert answer.status_code in {200, 201}, answer.json
        return answer.json

    def follow_up(self, label: str) -> None:
        service = ReplicaService(CONFIGURED, self.store, FakePeers(), utc_now, lambda: None)
        FollowUps(label, service, APPLICATIONS).look()

    def ops(self) -> list[tuple[str, str]]:
        return [(entry.write.op, entry.outcome.partition(" ")[0]) for entry in self.store.log(None, 100) or ()]


def test_a_cancel_of_a_reservation_that_was_moved_is_made_again() -> None:
    one, two, three = sites = [Site(store, CONFIGURED) for store in new_stores(CONFIGURED, 12, "one", "two", "three")]
    one.ask("POST", "/reservations", {"room": "6.12", "slots": [slot(1)], "request": "a"})
    meet(two.store, one.store)
    meet(three.store, one.store)
    two.ask("PATCH", "/reservations/vish/a", {"slots": [slot(2)], "request": "m"})
    three.ask("DELETE", "/reservations/vish/a?request=c")
    meet(three.store, two.store)
    assert three.ops()[-2:] == [("move", "updated"), ("cancel", "moved_meanwhile")]
    for site, label in zip(sites, ("one", "two", "three"), strict=True):
        for _ in range(2):
            site.follow_up(label)  # only the replica that acknowledged the cancel makes it again, and only once
    assert three.ops()[-2:] == [("cancel", "moved_meanwhile"), ("cancel", "updated")]
    assert len(two.ops()) == 3
    for initiator, responder in ((three, one), (two, one), (three, one)):
        meet(initiator.store, responder.store)
    for site in sites:
        assert site.ask("GET", "/reservations/vish/a")["state"] == "cancelled"
        assert site.ops() == one.ops()


def test_an_occurrence_that_was_moved_is_cancelled_with_its_series() -> None:
    one, two, three = [Site(store, CONFIGURED) for store in new_stores(CONFIGURED, 12, "one", "two", "three")]
    body = {"room": "6.12", "slots": [slot(1)], "rule": "FREQ=DAILY;COUNT=3", "request": "s"}
    one.ask("POST", "/reservations", body)
    meet(two.store, one.store)
    meet(three.store, one.store)
    two.ask("PATCH", "/reservations/vish/s~2026-12-02", {"slots": [slot(9)], "request": "m"})
    three.ask("DELETE", "/series/vish/s?request=c")
    meet(three.store, two.store)
    assert three.ask("GET", "/reservations/vish/s~2026-12-02")["state"] != "cancelled"
    three.follow_up("three")
    states = [three.ask("GET", f"/reservations/vish/s~2026-12-0{day}")["state"] for day in (1, 2, 3)]
    assert states == ["cancelled"] * 3


class Forbidding(ReplicaService):
    """A service that forbids every write. It acts like a primary whose committed pages say that the user was
    revoked."""

    asked = 0

    def submit(self, *_: Any, **__: Any) -> Accepted:
        self.asked += 1
        raise Forbidden("forbidden", "The user who asks for this was revoked.")


def test_a_cancel_of_a_user_who_was_revoked_is_not_asked_for_again() -> None:
    one, two, three = [Site(store, CONFIGURED) for store in new_stores(CONFIGURED, 12, "one", "two", "three")]
    one.ask("POST", "/reservations", {"room": "6.12", "slots": [slot(1)], "request": "a"})
    meet(two.store, one.store)
    meet(three.store, one.store)
    two.ask("PATCH", "/reservations/vish/a", {"slots": [slot(2)], "request": "m"})
    three.ask("DELETE", "/reservations/vish/a?request=c")
    meet(three.store, two.store)
    service = Forbidding(CONFIGURED, three.store, FakePeers(), utc_now, lambda: None)
    follow_ups = FollowUps("three", service, APPLICATIONS)
    assert [follow_ups.look(), follow_ups.look(), service.asked] == [True, True, 1]
