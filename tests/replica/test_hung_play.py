"""The Lua of an application does not end. The request is refused over REST, and the refusal names the application. The
replica then answers other requests again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import cluster.processes
from cluster.processes import Processes
from cluster.rest import Refused, Rest, Silent
from tests.support.live import ROOT, live
from tests.support.lua_rules import rules
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.slow]

UPDATE = """
if write.args.loops then while true do end end
pages.set("page", write.request, "x")
"""
SERVER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from apps import APPLICATIONS
from apps.api.application import Application
from apps.api.endpoint import Endpoint
from apps.api.request import Request
from apps.api.service import Rules, new_draft
from replica.main import main
from storage import watchdog
from storage.redis import embedded

embedded.LUA_TIME_LIMIT_MS = 200
watchdog.POLL_S, watchdog.SCRIPT_S_MAX, watchdog.ANSWER_S, watchdog.SILENCE_S_MAX = 0.05, 1.0, 0.5, 1.0

def endpoints(service):
    def put(request, loops):
        draft = new_draft(Rules("loop/1", "none", "none"), "put", {{"loops": True}} if loops else {{}}, ["page"],
                          user=request.caller.name, at=service.now())
        return {{"outcome": service.submit(draft, request.session).status}}
    def loop(request: Request[None, None]):
        "Loop."
        return put(request, True)
    def note(request: Request[None, None]):
        "Note."
        return put(request, False)
    return [Endpoint("POST", "/loop", loop), Endpoint("POST", "/note", note)]

LOOP = Application(name="loop", version=1, lua=Path({lua!r}), endpoints=endpoints)
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], [*APPLICATIONS, LOOP]))
"""


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Processes, Rest]]:
    lua, program = tmp_path / "loop.lua", tmp_path / "server_loop.py"
    lua.write_text(rules(UPDATE))
    program.write_text(SERVER.format(root=str(ROOT), lua=str(lua)))
    monkeypatch.setattr(cluster.processes, "SERVER", program)
    with live(tmp_path / "cluster", labels=("one",)) as processes:
        yield processes, processes.rest("one")


def refusal(rest: Rest) -> str | None:
    """Send the request that loops. Return the refusal, or None while the replica's Redis is being replaced."""
    try:
        rest.post("/loop", None, "vish")
    except Refused as refused:
        return str(refused) if refused.status == 500 else None
    except Silent:
        return None
    raise AssertionError("the request was answered, although it loops")


def test_a_request_that_loops_is_refused_and_the_replica_goes_on(one: tuple[Processes, Rest]) -> None:
    processes, rest = one
    rest.post("/note", None, "vish")
    text = str(wait_until(lambda: refusal(rest)))
    assert "The Lua of loop/1 does not end when this replica plays this request." in text
    assert text.endswith("[500 play_hung]")
    assert "so Redis was killed. Redis starts again" in processes.output("one")
    rest.post("/note", None, "terry")
    assert refusal(rest) == text
    assert len(rest.get("/replica/log")["writes"]) == 2
