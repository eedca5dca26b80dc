"""An application may call the functions of `pages` only a limited number of times while it plays a write. If the
application makes more calls, the outcome of the write is `failed`."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayou.application import LuaApplication
from bayou.write import Draft
from storage.scripts import rules_by_tag
from storage.store import Store
from tests.support.engine_harness import Meeting
from tests.support.lua_rules import rules
from tests.support.worker_redis import worker_redis

UPDATE = """
pages.set("page", "before", "x")
local calls = 1
while calls < write.args.calls do
  %s
  calls = calls + 1
end
"""


@pytest.mark.parametrize(
    "call",
    ['pages.get("page", "x")', 'pages.set("page", "x", "1")', 'pages.delete("page", "x")', 'pages.below("page", "x")'],
)
def test_a_play_that_never_ends_fails(tmp_path: Path, call: str) -> None:
    (tmp_path / "loop.lua").write_text(rules(UPDATE % call))
    application = LuaApplication("loop", 1, tmp_path / "loop.lua")
    client = worker_redis()
    client.flushdb()
    stores = [Store(client, f"r{number}", [application], commit_mode="manual") for number in range(2)]
    for number, store in enumerate(stores):
        store.begin(server=f"r{number}~aaaaaa", cluster="test", first_primary=number == 0)
    assert stores[0].accept(_draft(1_000_000, "within"), 1).outcome == "updated"
    refused = stores[0].accept(_draft(10**12, "endless"), 2)
    assert (refused.outcome, refused.id) == ("failed", None)
    assert Meeting(stores[0], stores[1], rules_by_tag([application])).run().ends[0].report.error is None
    assert [entry.outcome for entry in stores[1].log(None, 10) or ()] == ["updated"]
    assert stores[1].read(["page"]).pages["page"].tentative["before"] == "x"


def _draft(calls: int, request: str) -> Draft:
    return Draft(
        app="loop/1",
        op="loop",
        check="none",
        merge="none",
        args={"calls": calls},
        pages=("page",),
        user="vish",
        request=request,
        accepted_at="",
    )
