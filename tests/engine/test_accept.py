"""Accepting a client's write: the engine either stamps, plays and logs the write, or refuses the write and changes
nothing."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from bayou.errors import BadInput, Conflict, TooLarge
from bayou.stamps import STAMP_MAX, split_id
from storage.redis.connect import away_of
from tests.support.engine_harness import FIRST_US, Cluster, Replica, meet, memory_redis
from tests.support.toy import FORBIDDEN, batch, draft, item, only, take, write_of

DAY, OTHER = "day:1", "day:2"


@pytest.fixture
def primary() -> Replica:
    return Cluster(1).replicas[0]


@pytest.fixture
def replica() -> Replica:
    """A replica that is not the primary."""
    return Cluster(2).replicas[1]


def test_only_the_primary_commits_a_write_at_once() -> None:
    primary, other = Cluster(2)
    first, second = primary.take("a", (DAY, "slot 9")), other.take("b", (DAY, "slot 9"))
    assert (first.outcome, first.committed) == ("updated day:1 slot 9", True)
    assert (second.outcome, second.committed) == ("updated day:1 slot 9", False)
    assert primary.page(DAY) == ({"slot 9": "vish/a"}, {"slot 9": "vish/a"})
    assert other.page(DAY) == ({"slot 9": "vish/b"}, {})
    assert (primary.state().csn, primary.state().tentative, primary.state().last) == (1, 0, first.id)
    assert (other.state().csn, other.state().tentative, other.state().last) == (0, 1, "")


def test_stamps_follow_the_clock_and_grow_even_if_the_clock_does_not(replica: Replica) -> None:
    """Stamps grow even while the clock stands still (invariant 10; Terry 1995, section 4.3)."""
    clock = replica.clock
    stamps: list[int] = []
    for by_us in (5, 0, -3_600_000_000, 0, 7_200_000_000):
        accepted = replica.put(draft("note", f"r{len(stamps)}", ["p"]), by_us)
        assert accepted.id is not None
        stamps.append(split_id(accepted.id)[0])
    first = FIRST_US + 5
    assert stamps == [first, first + 1, first + 2, first + 3, clock.now_us]
    log = replica.log(None, 10) or []
    assert [entry.write.prev for entry in log] == [0, *stamps[:-1]]
    assert replica.state().clock == stamps[-1]


def test_a_stamp_is_greater_than_every_received_stamp(replica: Replica) -> None:
    ahead = write_of(draft("note", "x", ["p"]), FIRST_US + 10**12, 0, "fast~aaaaaa")
    replica.receive(batch(item(ahead)), "fast")
    assert replica.note("mine", "p").id == f"{ahead.stamp + 1}@{replica.server()}"


def test_the_greatest_stamp_is_used_and_none_beyond_it(replica: Replica) -> None:
    assert replica.accept(draft("note", "a", ["p"]), STAMP_MAX).id == f"{STAMP_MAX}@{replica.server()}"
    before = replica.dump()
    for now_us in (STAMP_MAX + 1, STAMP_MAX, FIRST_US):
        with pytest.raises(BadInput, match="clock is beyond the year 2255"):
            replica.accept(draft("note", "b", ["p"]), now_us)
    assert replica.dump() == before


def test_the_log_holds_the_canonical_bytes_of_the_draft(replica: Replica) -> None:
    wanted = draft("note", "r", ["p"], user="ü@x", odd=["é", '"\\\x00\x1f\x7f', 1.5, True, None, 10**15, {}])
    accepted = replica.put(wanted)
    assert accepted.id is not None
    stamp, origin = split_id(accepted.id)
    write = write_of(wanted, stamp, 0, origin)
    assert replica.writes([accepted.id]) == {accepted.id: write}
    assert replica.client.hget(replica.prefix + "writes", accepted.id) == write.encode()


@pytest.mark.parametrize("first", [True, False], ids=["primary", "replica"])
@pytest.mark.parametrize(
    ("wanted", "outcome"),
    [
        (take("b", (DAY, "slot 9"), (DAY, "slot 10")), "rejected none"),
        (take("a", (DAY, "slot 11")), "duplicate"),
        (draft("give", "c", [OTHER], page=OTHER, field="slot 9"), "unknown"),
        (draft("fail", "d", [DAY]), "failed"),
        (draft("reach", "e", [DAY], page=OTHER, how="get"), "failed"),
        (draft("reach", "e", [DAY], page=OTHER, how="set"), "failed"),
        (draft("reach", "e", [DAY], page=OTHER, how="delete"), "failed"),
        (draft("reach", "e", [DAY], page=OTHER, how="fields"), "failed"),
        (draft("reach", "e", [DAY], page=OTHER, how="any"), "failed"),
        (draft("no such op", "f", [DAY]), "failed"),
        (draft("odd", "g", [DAY]), "failed"),
        (draft("odd", "g", [DAY], status=5), "failed"),
        (draft("odd", "g", [DAY], status={"updated": 1}), "failed"),
        (draft("odd", "g", [DAY], status="updated", detail={"a": 1}), "failed"),
        (draft("odd", "g", [DAY], status="updated", detail=True), "failed"),
        (draft("odd", "g", [DAY], status="updated", detail=False), "failed"),
        (draft("odd", "g", [DAY], status=""), ""),
        (draft("odd", "g", [DAY], status="unmoved", detail="x y"), "unmoved x y"),
        (draft("set", "h", [DAY], fields=[["x", 5]]), "failed"),
        (draft("set", "h", [DAY], fields=[[5, "x"]]), "failed"),
    ],
    ids=lambda value: value.op if hasattr(value, "op") else str(value),
)
def test_a_refused_write_is_not_recorded(first: bool, wanted: Any, outcome: str) -> None:
    """After a refused write, every key of the namespace is as before: no log entry, stamp, list entry or event is
    left."""
    replica = Cluster(2).replicas[0 if first else 1]
    replica.take("a", (DAY, "slot 9"), user="neil")
    replica.take("a", (DAY, "slot 10"))
    before = replica.dump()
    refused = replica.put(wanted)
    assert (refused.id, refused.outcome, refused.committed, refused.logged) == (None, outcome, False, False)
    assert replica.dump() == before


def test_a_write_reaches_the_pages_it_declares(replica: Replica) -> None:
    assert replica.put(draft("reach", "a", [DAY, OTHER], page=OTHER, how="set")).outcome == "updated true"
    assert replica.put(draft("reach", "a", [DAY], page=OTHER, how="")).outcome == "updated false"
    assert replica.page(OTHER)[0] == {"x": "y"}


@pytest.mark.parametrize(("met", "status"), [(True, "updated"), (False, "merged")])
def test_update_and_merge_get_what_the_check_of_the_same_play_found(replica: Replica, met: bool, status: str) -> None:
    assert replica.put(draft("pass", "a", ["p"], met=met, found="this")).outcome == f"{status} this"
    assert replica.put(draft("pass", "b", ["p"], met=met)).outcome == status


def test_an_application_sees_only_its_pages(replica: Replica) -> None:
    """The Lua of an application has no access to Redis, clocks, randomness or globals. An unknown global is an
    error."""
    assert replica.put(draft("look", "a", ["p"], name="type")).outcome == "updated function"
    for name in FORBIDDEN:
        assert replica.put(draft("look", name, ["p"], name=name)).outcome in {"failed", "updated nil"}, name


def test_fields_are_sorted_bytewise_and_hold_any_text(replica: Replica) -> None:
    fields = ["b", "B", "a", "é", "z", "aa", "~", "Z"]
    replica.put(draft("set", "a", ["p"], fields=[[name, "é"] for name in fields]))
    expected = ",".join(sorted(fields, key=str.encode))
    assert replica.put(draft("list_fields", "b", ["p"])).outcome == f"updated {expected} true"
    assert replica.put(draft("list_fields", "c", ["q"])).outcome == "updated  false"


def test_one_write_may_have_many_fields_and_pages(replica: Replica) -> None:
    """The write has more fields and pages than one command can take as arguments from Lua."""
    replica.put(draft("set", "a", ["p"], fields=[[f"f{number:04}", "v"] for number in range(2500)]))
    assert len(replica.page("p")[0]) == 2500
    pages = [f"page{number}" for number in range(400)]
    assert replica.note("b", *pages).logged
    assert replica.page("page399")[0]["notes"].endswith("b")


def test_a_write_that_is_too_large_is_refused(replica: Replica) -> None:
    before = replica.dump()
    with pytest.raises(TooLarge, match="needs 401 pages, and one write can use at most 400"):
        replica.note("a", *(f"p{number}" for number in range(401)))
    with pytest.raises(TooLarge, match="more than 65536 bytes"):
        replica.put(draft("note", "a", ["p"], text="é" * 33_000))
    assert replica.dump() == before


def test_a_page_declared_twice_is_an_error_of_the_application() -> None:
    (replica,) = Cluster(1).replicas
    before = replica.state()
    with pytest.raises(ValueError, match="declares a page twice"):
        replica.note("a", "p", "p")
    assert replica.state() == before


def test_lists_keep_text_only_and_grow_with_the_log() -> None:
    """An entry of a list is ignored if it is not text. The write is played nevertheless."""
    primary, other = Cluster(2)
    for number, entries in enumerate(
        [["l", "m"], ["l", "x", "l", {}], ["l"], [5, 5], [{}, "x"], 5, ["l", "n"], ["l", "x", None, "x"], [["l", "x"]]]
    ):
        assert other.put(draft("note", f"r{number}", ["p"], entries=entries)).logged
    assert other.list_entries("l") == ["m", "n"]
    assert other.note("b", "p").logged
    assert other.list_entries("user:vish") == ["b"]
    meet(other, primary)
    assert (primary.list_entries("l"), primary.state().vector) == (["m", "n"], other.state().vector)


@pytest.mark.parametrize(
    ("first", "family", "page"),
    [
        (True, "committed_page", "q"),
        (False, "committed_page", "unread"),
        (False, "tentative_page", "q"),
        (False, "index", "q"),
    ],
)
def test_an_error_of_redis_aborts_the_transaction(first: bool, family: str, page: str) -> None:
    """A key of the wrong type provokes an error of Redis. The call raises this error, and nothing is recorded."""
    replica = Cluster(2).replicas[0 if first else 1]
    replica.note("a", "p", "q")
    key = replica.key(family, page)
    replica.client.delete(key)
    replica.client.set(key, "planted")
    before = replica.dump()
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        replica.note("b", "p", "q", "unread")
    assert replica.dump() == before


def test_a_full_redis_refuses_and_nothing_changes(replica: Replica) -> None:
    replica.note("a", "p")
    before = replica.dump()
    replica.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.ResponseError, match="command not allowed when used memory") as refusal:
            replica.note("b", "p")
    finally:
        replica.client.config_set("maxmemory", 0)
    assert away_of(refusal.value), "the client may try again"
    assert replica.dump() == before


def test_a_repeated_accept_changes_nothing(replica: Replica) -> None:
    """A client that got no reply repeats its request. The engine recognises the repeated request by the request id."""
    replica.take("a", (DAY, "slot 9"))
    before = replica.dump()
    assert replica.take("a", (DAY, "slot 9")).outcome == "duplicate"
    assert replica.dump() == before


def test_namespaces_in_one_redis_are_separate() -> None:
    """Two namespaces do not share keys, even if one label begins with the other."""
    cluster = Cluster(1)
    names = ["r0x", "r", "r0-c", "r0_", "r00"]
    others = [cluster.add(name) for name in names]
    before = {replica.label: replica.dump() for replica in others}
    primary = cluster.replicas[0]
    primary.note("a", "p", "c:p", "q:x")
    primary.take("b", ("p", "slot 1"))
    for replica in others:
        assert dict(replica.dump()) == before[replica.label]
        replica.note("a", "p", replica.label)
    assert primary.list_entries("user:vish") == ["a", "b"]
    assert set(primary.page("p")[1]) == {"notes", "slot 1"}
    digests = {replica.digest().tentative for replica in others}
    assert len(digests) == len(others)


def test_a_namespace_of_another_release_is_not_opened(primary: Replica) -> None:
    """The data of an older release has another format, so this release refuses to open it."""
    primary.client.hdel(primary.key("meta"), "form")
    before = primary.dump()
    with pytest.raises(Conflict, match="written by another release") as refused:
        primary.begin(server=primary.state().server, cluster="test", first_primary=False)
    assert refused.value.code == "other_release"
    assert primary.dump() == before


def test_a_namespace_of_another_cluster_is_not_opened(primary: Replica) -> None:
    primary.note("a", "p")
    before = primary.dump()
    with pytest.raises(Conflict, match="belongs to another cluster"):
        primary.begin(server="x~aaaaaa", cluster="other", first_primary=True)
    assert primary.dump() == before


def test_a_namespace_can_get_a_new_id(primary: Replica) -> None:
    """The namespace keeps the writes that were made under the old id.

    A primary that gets a new id is no longer the primary, because it may have lost commits.
    """
    first = primary.note("a", "p")
    primary.begin(server="new~bbbbbb", cluster="test", first_primary=True)
    state = primary.state()
    assert (state.csn, state.last, state.is_primary) == (1, first.id, False)
    second = primary.note("b", "p")
    assert (second.committed, second.id) == (False, f"{primary.clock.now_us}@new~bbbbbb")
    with pytest.raises(Conflict, match="not the primary"):
        primary.commit()


def test_memory_redis_behaves_the_same() -> None:
    """On fakeredis, writes are accepted, refused, ordered and committed as on Redis."""
    cluster = Cluster(3, client=memory_redis())
    _, one, two = cluster
    two.note("late", "p", "q")
    cluster.clock.tick(-10_000_000)
    one.note("early", "q")
    one.take("a", (DAY, "slot 9"), (DAY, "slot 10"))
    two.take("b", (DAY, "slot 9"), (DAY, "slot 10"))
    before = two.dump()
    assert two.put(draft("fail", "f", ["p"])).outcome == "failed"
    assert two.dump() == before
    assert two.receive(only(one.items(), 1), "").status == "hole"
    meet(one, two)
    assert one.digest() == two.digest()
    assert one.outcomes()["b"] == "merged day:1 slot 10"
    cluster.heal()
    assert len({(replica.digest().committed, replica.digest().tentative) for replica in cluster}) == 1
    assert [replica.state().tentative for replica in cluster] == [0, 0, 0]
