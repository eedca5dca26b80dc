"""Authority at commit: when a write is committed, the rights of its user are judged again. The judgement uses only the
people and roles that were committed before the write. In most tests, one replica is cut off and accepts a write. This
replica learns of a revocation when the replicas meet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps import APPLICATIONS
from apps.rooms.pages import encode_slots
from bayou.write import Draft
from replica.clock import microseconds, utc_now
from storage.store import Store
from tests.apps.test_people import CONFIGURED, OPERATOR, SLOT, Side, code
from tests.support.sides_harness import meet, new_stores
from tests.support.worker_redis import worker_redis

LATER = {"start": "2099-12-01T11:00Z", "end": "2099-12-01T12:00Z"}
RELATION = {
    "relation": "desks",
    "attributes": {"desk": "text", "who": "text"},
    "key": ["desk"],
    "page_by": ["desk"],
}
REVOKED = "its user had been revoked before the write was committed"


class Cluster:
    """Two replicas that have met. The replica `one` is the primary. Both replicas know the user `vish` and the manager
    `boss`."""

    def __init__(self) -> None:
        stores = new_stores(CONFIGURED, 14, "one", "two")
        for store in stores:
            store.note_log_applications([application.tag for application in APPLICATIONS])  # as a new cluster does
        self.one, self.two = (Side(store) for store in stores)
        self.vish, self.boss = self.one.add("vish", "user"), self.one.add("boss", "manager")
        self.meet()

    def meet(self) -> None:
        meet(self.two.store, self.one.store)
        assert self.one.store.digest() == self.two.store.digest()

    def revoke(self, name: str) -> None:
        assert self.one.ask("DELETE", f"/people/{name}", OPERATOR).status_code == 200

    def give_role(self, name: str, role: str) -> None:
        assert self.one.ask("PATCH", f"/people/{name}", OPERATOR, json={"role": role}).status_code == 200

    @property
    def last(self) -> Any:
        """Return the last write of the log, which must be the same at both replicas."""
        shown = [side.ask("GET", "/replica/log?limit=1000", OPERATOR).json["writes"][-1] for side in self.sides]
        assert shown[0] == shown[1]
        return shown[0]

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.one, self.two


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_a_reservation_of_a_user_who_was_revoked_is_forbidden_at_every_replica(cluster: Cluster) -> None:
    one, two = cluster.sides
    assert one.reserve(cluster.vish, "before", LATER).json["state"] == "committed"
    cluster.revoke("vish")
    assert two.reserve(cluster.vish, "a").json["state"] == "tentative"
    cluster.meet()
    assert cluster.last["outcome"] == "forbidden revoked"
    assert cluster.last["describe"]["why"] == f"vish’s reservation of 6.12, vish/a, had no effect: {REVOKED}."
    for side in cluster.sides:
        shown = side.ask("GET", "/reservations/vish/a", cluster.boss).json
        assert (shown["state"], shown["final"], shown["slot"]) == ("rejected", True, None)
        assert shown["reason"]["code"] == "forbidden"
        (conflict,) = side.ask("GET", "/conflicts", cluster.boss).json["conflicts"]
        assert (conflict["id"], conflict["outcome"], conflict["got"]) == ("vish/a", "forbidden", None)
        (event,) = side.ask("GET", "/reservations/vish/a/history", cluster.boss).json["events"]
        assert (event["outcome"], event["state"], event["after"]) == ("forbidden", "committed", None)
        assert side.ask("GET", "/reservations/vish/before", cluster.boss).json["state"] == "committed"
    assert two.reserve(cluster.boss, "b").status_code == 201, "its slot is free"


def test_the_slot_of_a_forbidden_reservation_goes_to_the_next_one(cluster: Cluster) -> None:
    """The second reservation was merged at `two`, because the slot was taken there. When the first
    reservation is forbidden, the second one is played again, and gets the slot."""
    two = cluster.two
    cluster.revoke("vish")
    two.reserve(cluster.vish, "a")
    body = {"room": "6.12", "slots": [SLOT, LATER], "purpose": "tea", "request": "b"}
    assert two.ask("POST", "/reservations", cluster.boss, json=body).json["slot"]["start"].startswith("2099-12-01T11")
    cluster.meet()
    for side in cluster.sides:
        shown = side.ask("GET", "/reservations/boss/b", cluster.boss).json
        assert (shown["state"], shown["slot"]["start"][:13]) == ("committed", "2099-12-01T09")


def test_outcomes_that_are_copied_at_commit_are_judged_too(cluster: Cluster) -> None:
    """In manual mode the primary first plays a write as tentative. The commit copies the outcome instead of playing the
    write again."""
    one, two = cluster.sides
    cluster.revoke("vish")
    two.reserve(cluster.vish, "a")
    two.reserve(cluster.boss, "b", LATER)
    manual = Store(worker_redis(14), "one", APPLICATIONS, commit_mode="manual")
    meet(two.store, manual)
    assert one.ask("GET", "/reservations/vish/a", cluster.boss).json["state"] == "tentative", "only commits are judged"
    assert manual.commit() == 2
    cluster.meet()
    outcomes = [entry.outcome for entry in one.store.log(None, 100) or ()]
    assert outcomes[-2] == "forbidden revoked"
    assert outcomes[-1].startswith("updated")


def test_judging_adds_no_page_that_all_writes_of_a_user_share(cluster: Cluster) -> None:
    cluster.two.reserve(cluster.vish, "a")
    cluster.two.reserve(cluster.vish, "b", LATER)
    first, second = (entry.write for entry in (cluster.two.store.log(None, 100) or ())[-2:])
    assert set(first.pages) & set(second.pages) == {"room:6.12/2099-12-01"}


def test_a_move_and_a_cancel_of_a_revoked_user_change_nothing(cluster: Cluster) -> None:
    one, two = cluster.sides
    for request, slot in (("a", SLOT), ("b", LATER)):
        one.reserve(cluster.vish, request, slot)
    cluster.meet()
    cluster.revoke("vish")
    evening = {"start": "2099-12-01T19:00Z", "end": "2099-12-01T20:00Z"}
    moved = two.ask("PATCH", "/reservations/vish/a", cluster.vish, json={"slots": [evening]})
    assert moved.json["slot"]["start"].startswith("2099-12-01T19")
    assert two.ask("DELETE", "/reservations/vish/b", cluster.vish).json["state"] == "cancelled"
    cluster.meet()
    for side in cluster.sides:
        for request, hour in (("a", "09"), ("b", "11")):
            shown = side.ask("GET", f"/reservations/vish/{request}", cluster.boss).json
            assert (shown["state"], shown["slot"]["start"][11:13]) == ("committed", hour)
            events = side.ask("GET", f"/reservations/vish/{request}/history", cluster.boss).json["events"]
            assert [event["outcome"] for event in events] == ["updated", "forbidden"]
        listed = side.ask("GET", "/conflicts", cluster.boss).json["conflicts"]
        assert {(one["op"], one["outcome"]) for one in listed} == {("move", "forbidden"), ("cancel", "forbidden")}


def test_a_series_of_a_revoked_user_is_rejected_as_a_whole(cluster: Cluster) -> None:
    cluster.revoke("vish")
    body = {"room": "6.12", "slots": [SLOT], "request": "s", "rule": "FREQ=DAILY;COUNT=3"}
    assert cluster.two.ask("POST", "/reservations", cluster.vish, json=body).status_code == 201
    cluster.meet()
    for side in cluster.sides:
        series = side.ask("GET", "/series/vish/s", cluster.boss).json["series"]
        assert [shown["state"] for shown in series["reservations"]] == ["rejected"] * 3
        listed = side.ask("GET", "/conflicts", cluster.boss).json["conflicts"]
        assert [one["outcome"] for one in listed] == ["forbidden"] * 3
        history = side.ask("GET", f"/reservations/{listed[0]['id']}/history", cluster.boss).json
        assert [event["outcome"] for event in history["events"]] == ["forbidden"]


def test_a_guest_writes_nothing(cluster: Cluster) -> None:
    cluster.give_role("vish", "guest")
    cluster.two.reserve(cluster.vish, "a")
    cluster.two.ask("PUT", "/playlist/song", cluster.vish, json={"url": "https://example.org/1"})
    cluster.meet()
    assert cluster.last["outcome"] == "forbidden needs user"
    why = "its user no longer had the role that the write needs (user) when the write was committed"
    assert cluster.last["describe"]["why"] == f"The put of song had no effect: {why}."
    assert code(cluster.one.ask("GET", "/playlist/song", cluster.boss)) == (404, "song_unknown")


def test_a_user_who_was_a_manager_defines_no_relation_but_reserves(cluster: Cluster) -> None:
    cluster.give_role("boss", "user")
    assert cluster.two.ask("POST", "/relations", cluster.boss, json=RELATION).status_code == 201
    cluster.meet()
    assert cluster.last["outcome"] == "forbidden needs manager"
    assert "the role that the write needs (manager)" in cluster.last["describe"]["why"]
    for side in cluster.sides:
        assert side.ask("GET", "/relations", cluster.boss).json["relations"] == []
    cluster.two.reserve(cluster.boss, "a")
    cluster.meet()
    assert cluster.last["outcome"].startswith("updated")


def test_a_write_of_records_says_why_it_changed_nothing(cluster: Cluster) -> None:
    one, two = cluster.sides
    assert one.ask("POST", "/relations", cluster.boss, json=RELATION).status_code == 201
    cluster.meet()
    cluster.revoke("vish")
    update = "INSERT INTO desks (desk, who) VALUES ('1', 'vish')"
    made = two.ask("POST", "/records", cluster.vish, json={"update": update})
    assert made.status_code == 201, made.json
    cluster.meet()
    for side in cluster.sides:
        written = side.ask("GET", f"/writes/{cluster.last['id']}", cluster.boss).json
        assert (written["outcome"], written["reason"], written["changed"]) == ("forbidden", "revoked", [])
        assert REVOKED in cluster.last["describe"]["why"]


def test_a_revocation_counts_only_once_it_is_committed(cluster: Cluster) -> None:
    """The reservation has the later stamp, but reaches the primary before the revocation does."""
    one, two = cluster.sides
    assert two.ask("DELETE", "/people/vish", OPERATOR).status_code == 200
    one.reserve(cluster.vish, "a")
    cluster.meet()
    for side in cluster.sides:
        assert side.ask("GET", "/reservations/vish/a", cluster.boss).json["state"] == "committed"


def test_a_person_who_was_added_again_writes_again(cluster: Cluster) -> None:
    one, two = cluster.sides
    cluster.revoke("vish")
    two.reserve(cluster.vish, "a")
    cluster.meet()
    token = one.add("vish", "user")
    assert one.reserve(token, "b").json["state"] == "committed"
    cluster.meet()
    assert two.ask("GET", "/reservations/vish/a", token).json["state"] == "rejected"


def test_a_manager_may_demote_himself_but_do_nothing_afterwards(cluster: Cluster) -> None:
    """One transaction commits the demotion and the write that the former manager made after it."""
    two = cluster.two
    assert two.ask("PATCH", "/people/boss", cluster.boss, json={"role": "guest"}).status_code == 200
    draft = replace(_song("boss"), request="late")
    assert two.store.accept(draft, microseconds(utc_now())).logged
    cluster.meet()
    assert cluster.last["outcome"] == "forbidden needs user"
    assert cluster.one.ask("GET", "/login", cluster.boss).json["role"] == "guest"


def test_a_user_who_is_not_among_the_people_is_not_judged(cluster: Cluster) -> None:
    """No write has added `nobody` or `operator` as a person. Without tokens, users may have any names."""
    assert cluster.one.store.accept(_song("nobody"), microseconds(utc_now())).status == "updated"
    assert cluster.two.store.accept(_song("operator"), microseconds(utc_now())).status == "updated"
    cluster.meet()
    assert cluster.last["outcome"] == "updated"


def test_without_tokens_a_revoked_user_is_refused_where_the_write_would_be_committed(cluster: Cluster) -> None:
    cluster.revoke("vish")
    cluster.give_role("boss", "user")
    cluster.meet()
    open_side = Side(cluster.one.store, auth="none")
    before = open_side.store.digest()
    body = {"room": "6.12", "slots": [SLOT], "request": "a"}
    refused = open_side.ask("POST", "/reservations", json=body, headers={"Bayou-User": "vish"})
    assert code(refused) == (403, "forbidden")
    assert refused.json["error"]["message"].startswith("The user of this request was revoked.")
    refused = open_side.ask("POST", "/relations", json=RELATION, headers={"Bayou-User": "boss"})
    assert (code(refused), refused.json["error"]["details"]["needs"]) == ((403, "forbidden"), "manager")
    assert open_side.store.digest() == before


@pytest.mark.parametrize(
    ("revoked", "lowered", "outcome"),
    [("vish", None, "updated"), (None, "boss", "forbidden needs manager"), ("boss", None, "forbidden revoked")],
)
def test_a_move_back_depends_on_the_role_of_the_manager_who_asked_for_it(
    cluster: Cluster, revoked: str | None, lowered: str | None, outcome: str
) -> None:
    one, two = cluster.sides
    made = one.reserve(cluster.vish, "a").json
    cluster.meet()
    if revoked:
        cluster.revoke(revoked)
    if lowered:
        cluster.give_role(lowered, "user")
    (entry,) = [entry for entry in two.store.log(None, 100) or () if entry.write.request == "a"]
    start, end = (int(text) for text in entry.outcome.split()[1].split("/"))
    args = {
        "reservation": made["id"],
        "room": "6.12",
        "slots": encode_slots([(start + 60, end + 60)]),
        "zone": "UTC",
        "offsets": "0",
        "back": {"by": "boss", "from": entry.outcome.partition(" ")[2]},
    }
    move = replace(_draft_of(entry.write), op="move", request="back", args=args)
    assert two.store.accept(move, microseconds(utc_now())).logged
    cluster.meet()
    assert cluster.last["outcome"].startswith(outcome)


def _draft_of(write: Any) -> Draft:
    return Draft(**{name: getattr(write, name) for name in Draft.__slots__})


def _song(user: str) -> Draft:
    return Draft(
        app="playlist/1",
        op="put",
        check="request_is_new",
        merge="keep_first",
        args={"song": "song", "url": "https://example.org/1"},
        pages=("song:song",),
        user=user,
        request="r",
        accepted_at="2026-12-01T09:00:00.000+00:00",
    )
