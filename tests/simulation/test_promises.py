"""The checks in tests/simulation/promises.py find errors in logs and pages. Each error breaks a promise about series,
policies or people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bayou.write import Write
from tests.simulation.demand import Demand, Violation
from tests.simulation.promises import Commit, judge_commits, judge_pages
from tests.support.model_desk import Pages

PLACE = "29969280/29969340 6.12"
ROOM = "room:6.12/2026-12-25"
ENTRY = "29969340\tvish\tw~2026-12-25\t"
DAYS = ("2026-12-25", "2026-12-26")
OCCURRENCES = [{"date": day, "slots": "29969280/29969340"} for day in DAYS]
LIMIT = {"open": 1, "at": 0}


def write(op: str, user: str = "vish", request: str = "w", **args: Any) -> Write:
    app = "people/1" if "name" in args else "rooms/1"
    pages = (f"user:{user}",) if "limit" in args else (f"person:{user}",) if "reason" in args else ()
    return Write(
        app=app,
        op=op,
        check="",
        merge="",
        args=args,
        pages=pages,
        user=user,
        request=request,
        accepted_at="",
        stamp=1,
        prev=0,
        origin="s1~aaaaaa",
    )


def reserved(place: str = PLACE) -> dict[str, str]:
    slot, _, room = PLACE.partition(" ")
    return {"state": f"reserved {place}", "asked": f"{room}\t{slot}\t"}


def judged(*commits: Commit) -> Demand:
    demand = Demand()
    judge_commits(demand, commits)
    return demand


MANAGER: Commit = (write("add", "operator", name="neil", role="manager"), "updated", {})
GUEST: Commit = (write("add", "operator", name="neil", role="guest"), "updated", {})
REVOKED: Commit = (write("revoke", "operator", name="neil"), "updated", {})
CANCELLED: Commit = (write("cancel", "neil", reservation="vish/w", reason="painted"), "updated", {})
CANCEL_OF_USER = replace(CANCELLED[0], pages=())  # by a user who became a manager after the request


def series(outcome: str, changes: Pages) -> Commit:
    asked = write("reserve_series", occurrences=OCCURRENCES, occurrences_wanted="all_or_nothing")
    return asked, outcome, changes


HALF = {f"reservation:vish/w~{DAYS[0]}": reserved()}


@pytest.mark.parametrize(
    ("number", "commits"),
    [
        (16, [series(f"merged updated {PLACE}\trejected no_alternative", HALF)]),
        (16, [series(f"updated updated {PLACE}\tupdated {PLACE}", HALF)]),
        (16, [series("rejected rejected no_alternative\trejected series", HALF)]),
        (17, [(write("reserve", limit=LIMIT), f"updated {PLACE}", {"reservation:vish/w": reserved()})]),
        (17, [(write("reserve", limit=LIMIT), f"updated {PLACE}", {"user:vish": {"w": "29969340"}})]),
        (17, [(write("reserve", limit=LIMIT), f"updated {PLACE}", {"user:vish": {"v": "1", "w": "2"}})]),
        (18, [CANCELLED]),
        (18, [MANAGER, REVOKED, CANCELLED]),
        (18, [MANAGER, (CANCELLED[0], "forbidden", {})]),
        (18, [MANAGER, (CANCEL_OF_USER, "updated", {})]),
        (18, [MANAGER, (CANCELLED[0], "forbidden revoked", {})]),
        (18, [MANAGER, REVOKED, (write("reserve", "neil"), f"updated {PLACE}", {})]),
        (18, [GUEST, (write("reserve", "neil"), f"updated {PLACE}", {})]),
        (18, [MANAGER, (write("move", "neil", reservation="vish/w"), f"updated {PLACE}", {})]),
        (18, [MANAGER, REVOKED, (write("role", "neil", name="neil", role="manager"), "updated", {})]),
    ],
)
def test_a_log_that_breaks_a_promise_is_found(number: int, commits: list[Commit]) -> None:
    with pytest.raises(Violation) as found:
        judged(*commits)
    assert found.value.number == number


def test_a_log_that_keeps_all_promises_passes() -> None:
    kept = {"reservation:vish/w": reserved(), "user:vish": {"w": "29969340"}}
    demand = judged(
        MANAGER,
        CANCELLED,
        (CANCEL_OF_USER, "forbidden", {}),
        REVOKED,
        (CANCELLED[0], "forbidden revoked", {}),
        (write("reserve", limit=LIMIT), f"updated {PLACE}", kept),
    )
    assert set(demand.counts) == {17, 18}
    demand = judged(series("rejected rejected no_alternative\trejected series", {}))
    assert demand.counts[16] == 2


SERIES = {"state": "series", "rule": "", "zone": "", "except": "", "wanted": "best_effort", "dates": DAYS[0]}


@pytest.mark.parametrize(
    ("number", "pages"),
    [
        (13, {"reservation:vish/w": SERIES}),
        (13, {f"reservation:vish/w~{DAYS[0]}": reserved(), ROOM: {"29969280": ENTRY}}),
        (13, {"reservation:vish/w": reserved()}),
        (13, {ROOM: {"29969280": ENTRY}}),
        (13, {"reservation:vish/w": reserved(place="29969280/29969340 7.01")}),
        (8, {ROOM: {"29969280": ENTRY, "29969310": ENTRY}}),
    ],
)
def test_pages_that_contradict_each_other_are_found(number: int, pages: Pages) -> None:
    with pytest.raises(Violation) as found:
        judge_pages(Demand(), "s1", pages)
    assert found.value.number == number


def test_pages_that_agree_pass() -> None:
    whole = {
        "reservation:vish/w": SERIES,
        f"reservation:vish/w~{DAYS[0]}": reserved(),
        ROOM: {"29969280": ENTRY},
    }
    judge_pages(Demand(), "s1", whole)
