"""Group commit: accepting several writes in one transaction gives the same result as accepting them one by one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import ResponseError

from bayou.errors import Behind
from bayou.write import Draft
from storage.group_commit import GroupCommit
from tests.support.engine_harness import FIRST_US, Clock, Cluster, Replica
from tests.support.toy import draft, take
from tests.support.waiting import wait_until
from tests.support.worker_redis import worker_redis

NUMBERS = st.integers(0, 2)
SLOTS = st.lists(st.tuples(st.just("day"), NUMBERS.map(str)), min_size=1, max_size=2)
DRAFTS = st.one_of(
    st.builds(lambda number, slots: take(f"take{number}", *slots), NUMBERS, SLOTS),
    st.builds(
        lambda number, field: draft("give", f"give{number}", ["day"], page="day", field=str(field)), NUMBERS, NUMBERS
    ),
    st.builds(lambda number, unless: draft("fail", f"fail{number}", ["day"], unless=str(unless)), NUMBERS, NUMBERS),
    st.builds(lambda number, field: draft("fail_later", f"later{number}", ["day"], field=str(field)), NUMBERS, NUMBERS),
    st.builds(lambda number: draft("note", f"note{number}", ["other", "day"]), NUMBERS),
)
SHOWN = ["day", "other", "none"]


def requests_of(drafts: list[Draft], mode: str) -> list[Any]:
    return [(one, FIRST_US + 1000 * n, one.encode_body(), mode, {}, "", SHOWN) for n, one in enumerate(drafts)]


def outcome_of(primary: bool, mode: str, before: list[Draft], drafts: list[Draft], together: bool) -> tuple[Any, Any]:
    """Let a new replica accept the writes `before`, and then the writes `drafts`. If `together` is true, the replica
    accepts all `drafts` in one transaction. Otherwise, each write has a transaction of its own.

    Return (data, replies). `data` is the data of the replica except the events. `replies` has the reply to each of
    `drafts`; the pages are removed from each reply.
    """
    client = worker_redis(13)
    client.flushdb()
    replica = Replica(client, "one", Clock(), mode)
    replica.begin(server="one~aaaaaa", cluster="test", first_primary=primary)
    for number, one in enumerate(before):
        replica.accept(one, FIRST_US - 1_000_000 + number)
    if primary and mode == "manual" and len(before) % 2:
        replica.commit()
    wanted = requests_of(drafts, mode)
    replies = replica._accept_all(wanted) if together else [replica._accept_all([one])[0] for one in wanted]
    held = {key: value for key, value in replica.dump().items() if not key.startswith("events")}
    return held, [{**reply, "pages": None} for reply in replies]


@settings(max_examples=60, deadline=None)
@given(
    primary=st.booleans(),
    mode=st.sampled_from(["auto", "manual"]),
    before=st.lists(DRAFTS, max_size=3),
    drafts=st.lists(DRAFTS, min_size=2, max_size=6),
)
def test_a_batch_has_the_same_result_as_writes_one_by_one(
    primary: bool, mode: str, before: list[Draft], drafts: list[Draft]
) -> None:
    """Only the recorded order of the changed pages may differ, because a batch is one transaction."""
    alone, together = (outcome_of(primary, mode, before, drafts, way) for way in (False, True))
    assert together[1] == alone[1]
    held, expected = together[0], alone[0]
    changed = {key for key in held if key.startswith("changed")}
    assert {key: held[key] for key in held.keys() - changed} == {
        key: expected[key] for key in expected.keys() - changed
    }
    assert {key: {page for page, _ in held[key]} for key in changed} == {
        key: {page for page, _ in expected[key]} for key in changed
    }


def test_pages_are_shown_as_they_are_after_the_whole_batch() -> None:
    replica = Cluster(1).replicas[0]
    drafts = [take("a", ("day", "9")), take("b", ("day", "9")), take("c", ("day", "9"), ("day", "10"))]
    replies = replica._accept_all(requests_of(drafts, "auto"))
    assert [reply["status"] for reply in replies] == ["logged", "refused", "logged"]
    assert "pages" not in replies[1]
    accepted = replica._accepted(replies[0], SHOWN)
    assert accepted.pages["day"].committed == {"9": "vish/a", "10": "vish/c"}
    assert accepted.pages["day"] == replica.read(["day"]).pages["day"]
    assert accepted.pages["none"].tentative == {}


def test_each_of_many_threads_gets_its_own_answer() -> None:
    """Two of the threads get an error: one has a session that is ahead of the replica, the other sends a write that
    cannot be played. All other threads still get the answers to their own writes."""
    replica = Cluster(2).replicas[1]
    count, start = 24, threading.Barrier(24)

    def ask(number: int) -> Any:
        start.wait(20)
        if number == 7:
            try:
                replica.accept(draft("note", "behind", ["x"]), FIRST_US, {"nobody~aaaaaa": 5})
            except Behind as refusal:
                return refusal.code
        if number == 8:
            try:
                replica.accept(Draft(**{**members_of(draft("note", "odd", ["x"])), "app": "none/1"}), FIRST_US)
            except ResponseError as error:
                return "none/1" in str(error)
        return replica.accept(take(f"t{number}", ("day", str(number // 2))), FIRST_US, shown=["day"])

    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(ask, range(count)))
    assert answers[7] == "session_ahead"
    assert answers[8] is True
    logged = [one for number, one in enumerate(answers) if number not in {7, 8} and one.logged]
    assert len(logged) == 12
    for number, answer in enumerate(answers):
        if answer in logged:
            assert f"vish/t{number}" in answer.pages["day"].tentative.values()
    assert len({one.id for one in logged}) == 12
    assert sorted(replica.page("day")[0]) == sorted(str(number) for number in range(12))


def members_of(one: Draft) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Draft.__slots__}


class Batches:
    """Records the batches of a GroupCommit. Request 0 is sent alone. Requests 1, 2 and 3 wait while request 0 is in
    flight."""

    def __init__(self, error: Exception | None = None) -> None:
        self.all: list[list[int]] = []
        self._error = error  # of each batch with 2 in it
        self._in_flight, self._go_on = threading.Event(), threading.Event()
        self.group_commit = GroupCommit(self._send_all)

    def answers(self) -> dict[int, int | BaseException]:
        """Send the requests. Return the reply to each request. If a request failed, return its error instead."""
        with ThreadPoolExecutor(4) as pool:
            asked = {0: pool.submit(self.group_commit.submit, 0)}
            assert self._in_flight.wait(20)
            asked |= {number: pool.submit(self.group_commit.submit, number) for number in (1, 2, 3)}
            wait_until(lambda: len(self.group_commit._queue) == 3)
            self._go_on.set()
            return {number: one.exception(20) or one.result() for number, one in asked.items()}

    def _send_all(self, requests: Sequence[int]) -> list[int]:
        self.all.append(list(requests))
        self._in_flight.set()
        assert self._go_on.wait(20)
        if self._error and 2 in requests:
            raise self._error
        return [10 * request for request in requests]


def test_requests_queued_while_a_batch_is_in_flight_are_the_next_batch() -> None:
    batches = Batches()
    assert batches.answers() == {0: 0, 1: 10, 2: 20, 3: 30}
    assert [len(batch) for batch in batches.all] == [1, 3]


@pytest.mark.parametrize(
    ("error", "failed", "count"), [(ResponseError("at fault"), {2}, 5), (ConnectionError("gone"), {1, 2, 3}, 2)]
)
def test_a_faulty_request_fails_alone(error: Exception, failed: set[int], count: int) -> None:
    """The other requests of the batch are sent again, one by one, and succeed.

    If the connection is lost, all requests of the batch fail. Redis may have carried out these requests, so no request
    is sent again.
    """
    batches = Batches(error)
    assert {number for number, answer in batches.answers().items() if answer is error} == failed
    assert len(batches.all) == count
    assert batches.group_commit.submit(7) == 70
