"""Versions of an application: each write is played by the rules of its own version."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayou.application import LuaApplication
from bayou.errors import Conflict
from bayou.write import Draft
from storage.keys import FORMAT_VERSION, Namespace
from storage.scripts import rules_by_tag
from storage.store import Store
from tests.support.engine_harness import Meeting
from tests.support.lua_rules import rules
from tests.support.worker_redis import worker_redis

UPDATE = 'pages.set("page", write.request, "%s")'


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Return Lua files by name. `first` has the rules of version 1, and `second` has the rules of version 2. `other`
    has rules of neither version."""
    found = {name: tmp_path / f"{name}.lua" for name in ("first", "second", "other")}
    for name, path in found.items():
        path.write_text(rules(UPDATE % name))
    return found


def draft(version: int, request: str) -> Draft:
    return Draft(
        app=f"app/{version}",
        op="set",
        check="none",
        merge="none",
        args={},
        pages=("page",),
        user="vish",
        request=request,
        accepted_at="",
    )


def opened(label: str, application: LuaApplication, *, is_primary: bool = False) -> Store:
    store = Store(worker_redis(), label, [application])
    store.begin(server=f"{label}~aaaaaa", cluster="test", first_primary=is_primary)
    return store


def meet(one: Store, its: LuaApplication, other: Store, theirs: LuaApplication) -> list[str | None]:
    """Run a session. Return the error message of each side; None for a side without an error."""
    meeting = Meeting(one, other, rules_by_tag([its]), rules_by_tag([theirs])).run()
    return [end.report.error.message if end.report.error else None for end in meeting.ends]


def page(store: Store) -> dict[str, str]:
    return dict(store.read(["page"]).pages["page"].tentative)


def test_a_write_is_played_by_the_rules_of_its_version(files: dict[str, Path]) -> None:
    worker_redis().flushdb()
    old, new = (
        LuaApplication("app", 1, files["first"]),
        LuaApplication("app", 2, files["second"], older={1: files["first"]}),
    )
    one, two = opened("one", new, is_primary=True), opened("two", old)
    two.accept(draft(1, "a"), 1)
    assert meet(one, new, two, old) == [None, None]  # a log of version 1 is played by both
    one.accept(draft(1, "b"), 2)
    with pytest.raises(Conflict, match=r"version app/2 yet\. The active version in this cluster is app/1"):
        one.accept(draft(2, "x"), 2)
    assert meet(one, new, two, old) == [None, None]
    assert page(one) == page(two) == {"a": "first", "b": "first"}

    one.activate("app/2", 3)
    one.accept(draft(1, "late"), 4)  # version 1 was active when its client began
    one.accept(draft(2, "c"), 4)
    sentence = (
        "The log of one holds writes of applications that two cannot play: app/2. Run the release of one on two too."
    )
    assert sentence in meet(one, new, two, old)
    assert page(two) == {"a": "first", "b": "first"}

    upgraded = opened("two", new)
    assert meet(one, new, upgraded, new) == [None, None]
    assert page(one) == page(upgraded) == {"a": "first", "b": "first", "late": "first", "c": "second"}


def test_comments_are_not_rules(files: dict[str, Path]) -> None:
    before = rules_by_tag([LuaApplication("app", 1, files["first"])])
    text = files["first"].read_text().replace("function", "-- a comment\nfunction", 1)
    commented, changed = (files["first"].with_name(f"{name}.lua") for name in ("commented", "changed"))
    commented.write_text(f"--[[\nA head.\n]]\n{text}")
    changed.write_text(text.replace("first", "second"))
    assert rules_by_tag([LuaApplication("app", 1, commented)]) == before
    assert rules_by_tag([LuaApplication("app", 1, changed)]) != before


def test_a_peer_with_different_rules_under_the_same_tag_is_refused(files: dict[str, Path]) -> None:
    worker_redis().flushdb()
    right, wrong = LuaApplication("app", 1, files["first"]), LuaApplication("app", 1, files["other"])
    one, two = opened("one", right, is_primary=True), opened("two", wrong)
    errors = meet(one, right, two, wrong)
    assert any(error and "different rules for app/1" in error for error in errors)


def test_a_full_state_brings_the_applications_of_the_log(files: dict[str, Path]) -> None:
    worker_redis().flushdb()
    app = LuaApplication("app", 1, files["first"])
    one, two = opened("one", app, is_primary=True), opened("two", app)
    one.accept(draft(1, "a"), 1)
    one.truncate(0)
    assert meet(one, app, two, app) == [None, None]
    assert two.state().log_applications == one.state().log_applications == ("app/1",)


def test_data_of_the_former_format_is_migrated(files: dict[str, Path]) -> None:
    client = worker_redis()
    client.flushdb()
    app = LuaApplication("app", 1, files["first"])
    one = opened("one", app, is_primary=True)
    one.accept(draft(1, "a"), 1)
    keys = Namespace("one")
    client.delete(keys.log_applications)  # format 2 did not have it
    client.hset(keys.meta, "form", FORMAT_VERSION - 1)
    again = opened("one", app)
    assert set(again.state().log_applications) == {"app/1", "members/1"}
    assert client.hget(keys.meta, "form") == str(FORMAT_VERSION).encode()
    assert page(again) == {"a": "first"}
