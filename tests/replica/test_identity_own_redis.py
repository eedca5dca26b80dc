"""A replica uses the operator's own Redis. If the log may lack the last writes, the replica takes a new id."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from replica.free_addresses import free_addresses
from tests.replica.test_identity_live import QUIET, Two
from tests.support.joined import ask, reserve
from tests.support.live import live, wait_until_equal
from tests.support.own_redis import Address, OwnRedis, address
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process


@contextmanager
def two_with_own_redis(folder: Path) -> Iterator[tuple[Two, Address, OwnRedis]]:
    """Run two replicas that have had sessions. The replica `one` is the first primary and has an
    embedded Redis. The replica `two` uses the operator's Redis."""
    with address(folder / "r") as place:
        first = place.start("first")
        place.serve(first)
        free = free_addresses(4)
        replicas = {label: {"rest": next(free), "anti_entropy": next(free)} for label in ("one", "two")}
        replicas["two"]["redis"] = place.url
        with live(folder, ("one", "two"), anti_entropy=QUIET, replicas=replicas) as processes:
            pair = Two(processes)
            assert pair.reserve("one", "r1", 9) == "committed"
            assert pair.reserve("two", "r2", 10) == "tentative"
            assert pair.meet() == pair.meet() == 200
            yield pair, place, first


def new_id(pair: Two, before: str, reason: str, label: str = "two") -> str:
    """Wait until a replica has another id than `before` and has printed `reason`. Return the new id."""
    after = wait_until(lambda: found if (found := pair.state(label).get("id")) not in {before, None} else None)
    said = f"{reason} This replica goes on as {after}."
    wait_until(lambda: said in pair.processes.output(label))
    return str(after)


def test_a_failover_or_an_emptied_namespace_brings_a_new_id_and_lost_writes_come_back(tmp_path: Path) -> None:
    with two_with_own_redis(tmp_path) as (pair, place, first):
        before = pair.state("two")["id"]
        second = place.start("second", first)
        wait_until(lambda: second.has_copied(first))
        second.client.replicaof("NO", "ONE")  # it gets no writes from here on
        assert pair.reserve("two", "held", 11) == "tentative"
        assert pair.meet() == 200
        assert pair.reserve("two", "lost", 12) == "tentative"
        place.serve(second)
        first.kill()
        new_id(pair, before, f"Redis was restarted or replaced, and lacks writes of {before}.")
        assert pair.shown("two", "held") is None
        assert pair.reserve("two", "r3", 13) == "tentative"
        assert pair.meet() == pair.meet() == 200
        assert [pair.shown("two", name) for name in ("held", "r3", "lost")] == ["committed", "committed", None]
        wait_until_equal(pair.processes)

        # The namespace is emptied while Redis runs on.
        before = pair.state("two")["id"]
        second.client.flushall()
        new_id(pair, before, f"The namespace is empty, so the writes of {before} are missing.")
        assert pair.shown("two", "r2") is None
        assert pair.reserve("two", "r4", 14) == "tentative"
        assert pair.meet() == pair.meet() == 200
        assert [pair.shown("two", name) for name in ("r2", "held", "r4")] == ["committed"] * 3
        wait_until_equal(pair.processes)


def test_an_older_copy_of_redis_brings_a_new_id(tmp_path: Path) -> None:
    with two_with_own_redis(tmp_path) as (pair, place, first):
        before = pair.state("two")["id"]
        first.client.bgrewriteaof()
        wait_until(lambda: first.client.info("persistence")["aof_rewrite_in_progress"] == 0)
        copy = tmp_path / "r" / "older"
        shutil.copytree(first.folder, copy, ignore=shutil.ignore_patterns("s"))
        assert pair.reserve("two", "r3", 11) == "tentative"
        assert pair.meet() == pair.meet() == 200

        pair.processes.stop("two")
        place.serve(place.start("older"))
        pair.start("two")
        new_id(pair, before, f"Redis was restarted or replaced: the last writes of {before} may be missing.")
        assert pair.shown("two", "r3") is None
        assert pair.meet() == 200
        assert pair.shown("two", "r3") == "committed"
        wait_until_equal(pair.processes)


@contextmanager
def lone_primary(folder: Path) -> Iterator[tuple[Two, Address, OwnRedis]]:
    with address(folder / "r") as place:
        first = place.start("first")
        place.serve(first)
        with live(folder, ("one",), anti_entropy=QUIET, redis=place.url) as processes:
            pair = Two(processes)
            assert pair.reserve("one", "r1", 9) == "committed"
            yield pair, place, first


def test_a_replica_keeps_its_id_if_its_redis_restarts_with_all_data(tmp_path: Path) -> None:
    with lone_primary(tmp_path) as (pair, place, first):
        before = pair.state("one")["id"]
        first.kill()
        assert reserve(pair.addresses["one"], "r2", 10).status_code == 503
        place.serve(place.start("first"))
        wait_until(lambda: "Redis was restarted; nothing is lost." in pair.processes.output("one"))
        assert pair.reserve("one", "r3", 11) == "committed"
        assert pair.state("one")["id"] == before


def test_a_lone_primary_loses_its_role_when_its_redis_comes_back_with_older_data(tmp_path: Path) -> None:
    with lone_primary(tmp_path) as (pair, place, first):
        before = pair.state("one")["id"]
        first.client.bgrewriteaof()
        wait_until(lambda: first.client.info("persistence")["aof_rewrite_in_progress"] == 0)
        shutil.copytree(first.folder, tmp_path / "r" / "older", ignore=shutil.ignore_patterns("s"))
        assert pair.reserve("one", "r2", 10) == "committed"
        first.kill()
        place.serve(place.start("older"))
        new_id(pair, before, f"Redis was restarted or replaced, and lacks writes of {before}.", "one")
        wait_until(lambda: "This replica is no longer the primary" in pair.processes.output("one"))
        assert pair.reserve("one", "r3", 11) == "tentative"
        assert ask(pair.addresses["one"], "POST", "/replica/promote", {"force": True}).status_code == 200
        assert pair.reserve("one", "r4", 12) == "committed"
        assert pair.shown("one", "r3") == "committed"
