"""The Lua code of an application loops without calling a function of `pages`. The watchdog ends the script, and the
error names the write. Everything else goes on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from bayou.application import LuaApplication
from bayou.errors import Hung
from bayou.write import Draft
from cluster.drivers.private_redis import private_redis
from storage import watchdog
from storage.redis import embedded
from storage.redis.connect import OpenStorage, open_storage
from storage.scripts import rules_by_tag
from storage.store import Store
from storage.watchdog import Watchdog
from tests.support.engine_harness import Meeting
from tests.support.lua_rules import rules
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

LOOP = 'while pages.get("page", "armed") do local _ = 1 while true do end end'
UPDATE = """
if write.args.loops then %s end
pages.set(write.pages[1], write.args.field, "x")
"""
NOTES = 'if write.args.notes_loop and write.request == "f6" then while true do end end'
SAME_LINE = "local ok = pcall(function() while true do end end) return 'survived'"
NEW_LINE = "local ok = pcall(function() while true do end end)\nreturn 'survived'"


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"POLL_S": 0.02, "SCRIPT_S_MAX": 0.3, "ANSWER_S": 0.5, "SILENCE_S_MAX": 0.5}.items():
        monkeypatch.setattr(watchdog, name, seconds)
    monkeypatch.setattr(embedded, "LUA_TIME_LIMIT_MS", 100)


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    with private_redis() as client:
        client.config_set("lua-time-limit", 100)
        yield client


@pytest.fixture
def storage(server: redis.Redis, tmp_path: Path) -> Iterator[OpenStorage]:
    opened = open_storage(f"unix://{server.connection_pool.connection_kwargs['path']}", tmp_path, "one")
    yield opened
    opened.close(clean=False)


@pytest.fixture
def application(tmp_path: Path) -> LuaApplication:
    """An application that loops if the write has the argument `loops` and the page `page` has the field `armed`."""
    (tmp_path / "loop.lua").write_text(rules(UPDATE % LOOP, NOTES))
    return LuaApplication("app", 1, tmp_path / "loop.lua")


@pytest.fixture
def mended(tmp_path: Path) -> LuaApplication:
    """Return the application of the fixture `application`, but without the loop."""
    (tmp_path / "mended.lua").write_text(rules(UPDATE % ""))
    return LuaApplication("app", 1, tmp_path / "mended.lua")


def opened_store(
    storage: OpenStorage, label: str, application: LuaApplication, *, is_primary: bool = False, mode: str = "auto"
) -> Store:
    store = Store(storage.client, label, [application], commit_mode=mode)
    store.begin(server=f"{label}~aaaaaa", cluster="test", first_primary=is_primary)
    return store


@contextlib.contextmanager
def watched(storage: OpenStorage, *stores: Store) -> Iterator[None]:
    watchdogs = [Watchdog(storage, store.running) for store in stores]
    for one in watchdogs:
        one.start()
    yield
    for one in watchdogs:
        one.stop()


def draft(field: str, page: str = "page", **args: bool) -> Draft:
    return Draft(
        app="app/1",
        op="set",
        check="none",
        merge="none",
        args={"field": field, **args},
        pages=(page,),
        user="vish",
        request=field,
        accepted_at="",
    )


def fields(store: Store, page: str = "page") -> set[str]:
    return set(store.read([page]).pages[page].tentative)


def meet(one: Store, other: Store, application: LuaApplication) -> str | None:
    """Run a session between two stores. Return the message of the error that `one` reports, or None if there is no
    error."""
    error = Meeting(one, other, rules_by_tag([application])).run().ends[0].report.error
    return error.message if error else None


def test_a_kill_is_caught_only_within_the_line_that_catches_it(server: redis.Redis) -> None:
    """After a kill, a script goes on only to the end of the line that catches the kill. storage/lua/engine/play.lua
    relies on this behaviour to say which write looped. Redis 6.2, Redis 7.0 and Valkey 9.1 behave in this way."""
    other = redis.Redis.from_pool(redis.ConnectionPool.from_url(f"unix://{path_of(server)}", protocol=2))
    with ThreadPoolExecutor() as pool:
        for script in (SAME_LINE, NEW_LINE):
            running = pool.submit(server.eval, script, 0)
            wait_until(lambda: is_killed(other))
            if script == SAME_LINE:
                assert running.result() == b"survived"
            else:
                with pytest.raises(redis.ResponseError, match="killed by user"):
                    running.result()


def path_of(client: redis.Redis) -> str:
    return str(client.connection_pool.connection_kwargs["path"])


def is_killed(client: redis.Redis) -> bool:
    try:
        return bool(client.script_kill())
    except redis.ResponseError:
        return False


def test_a_request_that_loops_is_refused(storage: OpenStorage, application: LuaApplication) -> None:
    one = opened_store(storage, "one", application, is_primary=True)
    one.accept(draft("armed"), 1)
    with (
        watched(storage, one),
        pytest.raises(Hung, match="The Lua of app/1 does not end when this replica plays this request"),
    ):
        one.accept(draft("b", loops=True), 2)
    # From here on no watchdog runs, so nothing would end a loop.
    with pytest.raises(Hung):
        one.accept(draft("b", loops=True), 3)
    with pytest.raises(Hung):
        opened_store(storage, "one", application).accept(draft("b", loops=True), 4)  # after a restart
    assert one.accept(draft("c"), 5).outcome == "updated"
    assert fields(one) == {"armed", "c"}


def test_requests_beside_one_that_loops_are_accepted(storage: OpenStorage, application: LuaApplication) -> None:
    one = opened_store(storage, "one", application, is_primary=True)
    one.accept(draft("armed"), 1)
    with watched(storage, one), ThreadPoolExecutor(12) as pool:
        drafts = [draft(f"f{number}", loops=number == 5) for number in range(12)]
        answers = [pool.submit(one.accept, each, 2) for each in drafts]
        assert [isinstance(answer.exception(), Hung) for answer in answers] == [number == 5 for number in range(12)]
    assert fields(one) == {"armed"} | {f"f{number}" for number in range(12) if number != 5}


def test_a_write_that_loops_is_named_and_the_rest_goes_on(
    storage: OpenStorage, application: LuaApplication, mended: LuaApplication
) -> None:
    one, two = opened_store(storage, "one", application), opened_store(storage, "two", mended)
    one.accept(draft("armed"), 1)
    for number in range(40):
        two.accept(draft(f"f{number}", loops=number == 20), 100 + number)
    name = next(entry.write.id for entry in two.log(None, 100) or () if entry.write.request == "f20")
    with watched(storage, one):
        message = str(meet(one, two, application))
    assert message.startswith(f"The Lua of app/1 does not end when this replica plays the write {name}.")
    assert fields(one) == {"armed"} | {f"f{number}" for number in range(20)}  # the writes before the loop
    # From here on no watchdog runs, so nothing would end a loop.
    one.accept(draft("late"), 1000)
    assert meet(one, two, application) == message
    assert {"armed", "late"} <= fields(two)  # the peer gets the writes of this store
    one = opened_store(storage, "one", mended)
    assert meet(one, two, mended) is None
    assert fields(one) == {"armed", "late"} | {f"f{number}" for number in range(40)}


def test_an_arriving_write_that_makes_a_known_write_loop_is_refused(
    storage: OpenStorage, application: LuaApplication, mended: LuaApplication
) -> None:
    one, two = opened_store(storage, "one", application), opened_store(storage, "two", mended)
    two.accept(draft("a", page="other"), 1)
    two.accept(draft("armed"), 2)
    name = one.accept(draft("b", loops=True), 3).id
    with watched(storage, one):
        assert f"the write {name}" in str(meet(one, two, application))
    assert (fields(one), fields(one, "other")) == ({"b"}, {"a"})
    assert f"the write {name}" in str(meet(one, two, application))


def test_a_primary_commits_up_to_a_write_that_loops(
    storage: OpenStorage, application: LuaApplication, mended: LuaApplication
) -> None:
    one = opened_store(storage, "one", application, is_primary=True, mode="manual")
    for number in range(10):
        one.accept(draft(f"f{number}", notes_loop=True), 10 + number)
    with watched(storage, one), pytest.raises(Hung, match="the write"):
        one.commit()
    assert set(one.read(["page"]).pages["page"].committed) == {f"f{number}" for number in range(6)}
    with pytest.raises(Hung):
        one.commit()
    assert opened_store(storage, "one", mended, mode="manual").commit() == 4


def test_a_full_state_on_which_a_write_that_loops_would_be_played_again_changes_nothing(
    storage: OpenStorage, application: LuaApplication, mended: LuaApplication
) -> None:
    one, three = opened_store(storage, "one", application), opened_store(storage, "three", mended)
    two = opened_store(storage, "two", mended, is_primary=True)
    assert meet(one, two, application) is None
    one.accept(draft("x", page="other"), 1)
    three.accept(draft("armed"), 2)
    name = one.accept(draft("b", loops=True), 4).id
    with watched(storage, one):
        assert f"the write {name}" in str(meet(one, three, application))
    two.accept(draft("w"), 3)
    two.truncate(0)
    before = one.state()
    assert f"the write {name}" in str(meet(one, two, application))
    assert (one.state().vector, one.state().csn) == (before.vector, before.csn)
    assert (fields(one), fields(one, "other")) == ({"b"}, {"x"})
    one = opened_store(storage, "one", mended)
    assert meet(one, two, mended) is None
    assert (fields(one), fields(one, "other")) == ({"w", "b"}, {"x"})


def test_a_batch_that_is_only_slow_is_stored(
    storage: OpenStorage, application: LuaApplication, mended: LuaApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write of the batch is fast, but all writes together take longer than SCRIPT_S_MAX."""
    ended: list[str | None] = []
    end_script = storage.end_script

    def counting(wait_s: float) -> str | None:
        ended.append(end_script(wait_s))
        return ended[-1]

    monkeypatch.setattr(storage, "end_script", counting)
    monkeypatch.setattr(watchdog, "SCRIPT_S_MAX", 0.6)
    (mended.lua.parent / "slow.lua").write_text(rules(UPDATE % "for _ = 1, 8000000 do local _ = 1 end"))
    one = opened_store(storage, "one", LuaApplication("app", 1, mended.lua.parent / "slow.lua"))
    two = opened_store(storage, "two", mended)
    for number in range(60):
        two.accept(draft(f"f{number}", loops=True), 100 + number)
    with watched(storage, one):
        assert meet(one, two, application) is None
    assert len(fields(one)) == 60
    assert ended


def test_an_embedded_redis_is_killed_once_and_then_ends_scripts(tmp_path: Path, application: LuaApplication) -> None:
    storage = open_storage("embedded", tmp_path, "one")
    one = opened_store(storage, "one", application, is_primary=True)
    one.accept(draft("armed"), 1)
    run_id = storage.run_id
    try:
        with watched(storage, one):
            with pytest.raises(redis.ConnectionError):
                one.accept(draft("b", loops=True), 2)
            wait_until(lambda: storage.run_id != run_id and answers(one))
            began = time.monotonic()
            with pytest.raises(Hung):
                one.accept(draft("b", loops=True), 3)
            assert time.monotonic() - began < 10
            assert one.accept(draft("c"), 4).outcome == "updated"
        assert fields(one) == {"armed", "c"}
    finally:
        storage.close(clean=False)


def answers(store: Store) -> bool:
    try:
        return bool(store.state())
    except redis.RedisError:
        return False
