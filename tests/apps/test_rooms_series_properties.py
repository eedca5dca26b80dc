"""Series and policies under random requests at any replica, played in any order. The tests check invariants 3 (the same
log gives the same state), 4 (a replay gives the same views), 8 (no reservations overlap) and 13 (a request gives at
most one reservation or series) of docs/design.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps import APPLICATIONS
from apps.rooms.pages import decode_reservation, decode_series
from apps.rooms.settings import PolicySettings
from bayou.application import PageViews
from storage.scripts import rules_by_tag
from storage.store import Store
from tests.apps.test_rooms_properties import assert_sound
from tests.support.engine_harness import FIRST_US, Meeting
from tests.support.rooms_harness import FakeService, Lua, client_of
from tests.support.worker_redis import worker_redis

ROOMS = ("6.12", "6.13")
USERS = ("vish", "neil")
LIMIT = 4
RULES = ("FREQ=DAILY;COUNT=3", "FREQ=DAILY;INTERVAL=2;COUNT=2", "FREQ=WEEKLY;COUNT=2", None)
PLAYED = rules_by_tag(APPLICATIONS)
DATABASE = 13


@st.composite
def slots(draw: st.DrawFn) -> list[dict[str, str]]:
    """Return a strategy for slots on three days. They begin at 22:00 or later, and some cross midnight."""
    found = []
    for _ in range(draw(st.integers(1, 2))):
        day, half = draw(st.integers(1, 3)), draw(st.integers(0, 3))
        length = draw(st.integers(1, 4))
        ends = 44 + half + length
        start = f"2026-12-0{day}T{22 + half // 2}:{half % 2 * 30:02}Z"
        found.append({"start": start, "end": f"2026-12-0{day + ends // 48}T{ends % 48 // 2:02}:{ends % 2 * 30:02}Z"})
    return found


MERGES = st.sampled_from(["first_free_alternative", "nearest_free_time", "another_room", "give_up"])
WANTED = st.sampled_from(["best_effort", "all_or_nothing"])
NAMES = st.sampled_from(["a", "b", "c"])
DATES = st.sampled_from(["", "?from=2026-12-02", "?from=2026-12-05"])
ONE = st.sampled_from(["", "~2026-12-01", "~2026-12-02", "~2026-12-03"])


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, str, dict[str, Any] | None]:
    """Return a strategy for requests: (user, method, path, body)."""
    user, name, room = draw(st.sampled_from(USERS)), draw(NAMES), draw(st.sampled_from(ROOMS))
    body: dict[str, Any] = {"slots": draw(slots()), "room": room, "merge": draw(MERGES)}
    match draw(st.integers(0, 7)):
        case 0:
            return user, "DELETE", f"/series/{user}/{name}{draw(DATES)}", None
        case 1:
            return user, "PATCH", f"/series/{user}/{name}{draw(DATES)}", body | {"occurrences": draw(WANTED)}
        case 2:
            return user, "DELETE", f"/reservations/{user}/{name}{draw(ONE)}", None
        case 3:
            return user, "PATCH", f"/reservations/{user}/{name}{draw(ONE)}", body
    rule = draw(st.sampled_from(RULES))
    more = {"rule": rule, "occurrences": draw(WANTED)} if rule else {}
    return user, "POST", "/reservations", body | {"request": name} | more


HISTORIES = st.lists(st.tuples(requests(), st.booleans()), min_size=1, max_size=9)


def send(service: FakeService, wanted: tuple[str, str, str, dict[str, Any] | None]) -> None:
    user, method, path, body = wanted
    answer = client_of(service).open(path, method=method, json=body, headers={"Bayou-User": user})
    assert answer.status_code in {200, 201, 400, 404, 409}, answer.json
    if answer.status_code == 400:
        assert "overlap one another" in answer.json["error"]["message"], answer.json


def assert_counted(pages: Mapping[str, Mapping[str, str]]) -> None:
    """Check that each user's page lists exactly the user's reservations with a slot, and that their number is within
    the limit. All reservations must have been made under the same limit."""
    for user in USERS:
        held = {}
        for page, fields in pages.items():
            one = decode_reservation(fields) if page.startswith(f"reservation:{user}/") else None
            if one and one.slot:
                held[page.partition("/")[2]] = f"{one.slot.end:08}"
        assert pages.get(f"user:{user}", {}) == held
        assert len(held) <= LIMIT


def assert_whole(service: FakeService) -> None:
    """Check that in each new series with all_or_nothing, either all occurrences have a slot or none has."""
    changed = {write.args.get("reservation", "").partition("~")[0] for write in service.log}
    changed |= {write.args.get("series", "") for write in service.log}
    for page, fields in service.tentative.items():
        series, identifier = decode_series(fields), page.removeprefix("reservation:")
        if series and series.wanted == "all_or_nothing" and identifier not in changed:
            members = [service.tentative[f"reservation:{one}"] for one in series.occurrences(identifier).values()]
            assert len({member["state"].partition(" ")[0] for member in members}) == 1


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(history=HISTORIES, order=st.randoms(use_true_random=False), limited=st.booleans())
def test_in_any_order_nothing_overlaps_and_nothing_is_half_done(
    lua: Lua, history: Any, order: Any, limited: bool
) -> None:
    policies = PolicySettings(open_reservations=LIMIT) if limited else PolicySettings()
    service = FakeService(lua, rooms=ROOMS, policies=policies)
    log = []
    for wanted, elsewhere in history:
        if elsewhere:  # as at a replica that has received nothing yet
            log += service.log
            service = FakeService(lua, rooms=ROOMS, policies=policies)
        send(service, wanted)
        assert_sound(service.tentative)
    log += service.log
    order.shuffle(log)
    service.log = log
    outcomes = service.replay(log)
    assert "failed" not in {outcome.split(" ")[0] for outcome in outcomes}, lua.why
    assert_sound(service.tentative)
    assert_whole(service)
    if limited:
        assert_counted(service.tentative)
    once = service.tentative
    made = [write for write in log if write.op.startswith("reserve")]
    again = service.replay([*log, *made])
    assert again[: len(log)] == outcomes
    for write, outcome in zip(made, again[len(log) :], strict=True):
        had_none = outcomes[log.index(write)] == "differs"
        assert outcome == ("differs" if had_none else "duplicate"), "asked twice is asked once"
    assert service.tentative == once


class OnStore(FakeService):
    """A replica with the interface of FakeService. Its store is real, so writes are rolled back and replayed."""

    store: Store
    now_us = FIRST_US

    def submit(self, draft: Any, session: Any, shown: Any = ()) -> Any:  # noqa: ARG002
        OnStore.now_us += 1000
        accepted = self.store.accept(draft, OnStore.now_us, shown=shown)
        assert accepted.outcome != "failed"
        return accepted

    def read(self, pages: Any, session: Any, view: str = "tentative") -> Any:  # noqa: ARG002
        return self.store.read(pages)

    def list_entries(self, name: str, session: Any) -> list[str]:  # noqa: ARG002
        return self.store.list_entries(name)

    def is_entry(self, name: str, entry: str, session: Any) -> bool:  # noqa: ARG002
        return self.store.is_entry(name, entry)


def meet(one: Store, other: Store) -> None:
    meeting = Meeting(one, other, PLAYED).run()
    assert all(end.finished and end.report.error is None for end in meeting.ends)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    history=st.lists(st.tuples(requests(), st.integers(0, 2)), min_size=2, max_size=9),
    meetings=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=3),
)
def test_replicas_that_receive_writes_in_different_orders_are_equal(lua: Lua, history: Any, meetings: Any) -> None:
    worker_redis(DATABASE).flushdb()
    sites = []
    for number in range(3):
        site = OnStore(lua, rooms=ROOMS, policies=PolicySettings(open_reservations=LIMIT))
        site.store = Store(worker_redis(DATABASE), f"s{number}", APPLICATIONS, commit_mode="manual")
        site.store.begin(server=f"s{number}~aaaaaa", cluster="test", first_primary=number == 0)
        sites.append(site)
    for site in sites[1:]:
        meet(site.store, sites[0].store)
    for wanted, at in history:
        send(sites[at], wanted)
    for one, other in meetings:
        if one != other:
            meet(sites[one].store, sites[other].store)
    for one, other in ((0, 1), (1, 2), (2, 0), (0, 1)):
        meet(sites[one].store, sites[other].store)
    digests = [site.store.digest() for site in sites]
    assert len({(digest.committed, digest.tentative) for digest in digests}) == 1
    tentative = shown(sites[0].store)
    assert_sound({page: dict(views.tentative) for page, views in tentative.items()})
    sites[0].store.commit()
    for site in (sites[1], sites[2]):
        meet(site.store, sites[0].store)
    assert len({site.store.digest().committed for site in sites}) == 1
    final = shown(sites[1].store)
    assert {page: views.committed for page, views in final.items()} == {
        page: views.tentative for page, views in tentative.items()
    }, "committing in the tentative order changes nothing"


def shown(store: Store) -> Mapping[str, PageViews]:
    pages = sorted({page for entry in store.log(None, 1000) or () for page in entry.write.pages})
    return store.read(pages).pages
