"""GET /replica/diagram: the transactions of the store. If frames are recorded, the answer also has the frames of
sessions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bayou.application import Change, Undone
from bayou.frames import Ack, Batch, Done, Hello, Holds
from bayou.payloads import Item, Selection
from replica.events import frame_ring
from replica.events.frame_ring import ENTRIES_MAX, FrameRing
from replica.http.app import create_app
from replica.http.diagram import MARKS_MAX
from tests.support.live import live, wait_until_equal
from tests.support.replica_harness import Harness, write

FIRST, SECOND, THIRD = write(5), write(6), write(7)


def shown(harness: Harness, query: str = "") -> Any:
    answer = harness.app.test_client().get(f"/replica/diagram{query}")
    assert answer.status_code == 200, answer.data
    return answer.get_json()


def hello(label: str) -> Hello:
    vector = {"b~b": 7, "a~a": 5}
    return Hello(8, "building-6", f"{label}~aaaaaa", label, "", False, "[]", 0, "", vector, (), False, {}, (), 1, {})


def test_nothing_is_recorded_until_somebody_wants_it() -> None:
    wanted = [False]
    ring = FrameRing(lambda: wanted[0])
    session = ring.session("two")
    session.sent(Done())
    assert ring.after(0, 10) == []
    wanted[0] = True
    session.sent(Done())
    wanted[0] = False
    session.received(Done())
    (record,) = ring.after(0, 10)
    assert (record["way"], record["kind"], record["peer"]) == ("sent", "done", "two")


def test_the_ring_keeps_the_newest_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_ring, "FRAMES_MAX", 3)
    ring = FrameRing(lambda: True)
    session = ring.session("two")
    for csn in range(1, 6):
        session.sent(Holds(csn, {}, ()))
    records = ring.after(0, 10)
    assert [record["carries"]["csn"] for record in records] == [3, 4, 5]
    assert ring.after(records[0]["at"], 1) == records[1:2]
    assert ring.after(records[-1]["at"], 10) == []


def test_a_server_that_joins_learns_the_label_that_it_called() -> None:
    ring = FrameRing(lambda: True)
    session = ring.session("127.0.0.1:9001")
    session.sent(hello("four"))
    session.received(hello("one"))
    assert [record["peer"] for record in ring.after(0, 10)] == ["one", "one"]


def test_a_record_says_what_a_frame_carries() -> None:
    ring = FrameRing(lambda: True)
    harness = Harness()
    harness.app = create_app(replace(harness.parts, frames=ring))
    session = ring.session("two")
    session.sent(hello("one"))
    items = [Item(f"{stamp:016}@a~a", None, b"{}") for stamp in range(1, ENTRIES_MAX + 10)]
    session.received(Batch(2, Selection(3, "x", (Item(FIRST.id, 4, b""), *items))))
    session.sent(Ack(2, False, 4, {}))
    found = shown(harness)
    assert found["recording"] is True
    opening, batch, ack = (frame["carries"] for frame in found["frames"])
    assert opening["vector"] == {"a~a": "0000000000000005", "b~b": "0000000000000007"}
    assert (batch["count"], len(batch["writes"]), batch["after_csn"]) == (ENTRIES_MAX + 10, ENTRIES_MAX, 3)
    assert batch["writes"][0] == {"write": FIRST.id, "csn": 4, "body": False}
    assert ack == {"plan": 2, "replan": False}
    assert [frame["way"] for frame in found["frames"]] == ["sent", "received", "sent"]
    later = shown(harness, "?after={after}&after_frame={after_frame}".format(**found["next"]))
    assert later["frames"] == []
    session.sent(Done())
    last = shown(harness, "?after={after}&after_frame={after_frame}".format(**found["next"]))
    assert [frame["kind"] for frame in last["frames"]] == ["done"]


def test_a_transaction_is_shown_as_the_engine_worked() -> None:
    harness = Harness()
    changes = [Change(FIRST.id, None, None, "updated 09"), Change(SECOND.id, None, "updated 09", "merged 10")]
    undone = [Undone(SECOND.id, None, "updated 09", "merged 10"), Undone(THIRD.id, None, "updated 09", "updated 09")]
    replay = {"rolled_back": 3, "replayed": 3, "undone": undone}
    harness.store.tell({"kind": "received", "from": "two", **replay, "changes": changes}, FIRST, SECOND, THIRD)
    harness.store.tell({"kind": "session", "peer": "two", "rolled_back": 3, "replayed": 3})
    harness.store.tell({"kind": "link", "peer": "two", "up": False})
    replayed, link = shown(harness)["transactions"]
    assert [(mark["what"], mark["count"], mark["write"]) for mark in replayed["marks"]] == [
        ("rolled_back", 3, None), ("received", 1, FIRST.id), ("replayed", 1, SECOND.id), ("replayed", 2, None),
    ]  # fmt: skip
    assert [[step["write"] for step in mark["writes"]] for mark in replayed["marks"]] == [
        [THIRD.id, SECOND.id, SECOND.id, THIRD.id], [], [], [THIRD.id],
    ]  # fmt: skip
    moved = replayed["marks"][2]
    assert (moved["before"], moved["outcome"], moved["result"]["start"][11:16]) == ("updated 09", "merged 10", "10:00")
    assert (link["peer"], link["link"], link["marks"]) == ("two", "cut", [])
    assert shown(harness)["writes"][FIRST.id]["check"] == "free"


def test_the_marks_of_a_large_transaction_are_counted() -> None:
    harness = Harness()
    many = [Change(write(stamp).id, None, None, "updated 09") for stamp in range(1, MARKS_MAX + 31)]
    harness.store.tell({"kind": "received", "from": "two", "rolled_back": 0, "replayed": 0, "changes": many})
    (transaction,) = shown(harness)["transactions"]
    assert [mark["count"] for mark in transaction["marks"]] == [1] * MARKS_MAX + [30]


@pytest.mark.parametrize("query", ["?after=x", "?after_frame=-1", "?after_frame=x"])
def test_an_invalid_position_is_refused(query: str) -> None:
    answer = Harness().app.test_client().get(f"/replica/diagram{query}")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "bad_input")


@pytest.mark.process
def test_with_manual_pace_a_replica_records_its_frames(tmp_path: Path) -> None:
    with live(tmp_path / "c", ("one", "two")) as processes:
        wait_until_equal(processes)
        one, two = map(processes.rest, ("one", "two"))
        assert [rest.get("/replica/diagram")["frames"] for rest in (one, two)] == [[], []]
        for rest in (one, two):
            rest.put("/replica/pace", {"pace": "manual"})
        one.post("/replica/sync/two")
        ends = [{(found["kind"], str(found["carries"])) for found in rest.get("/replica/diagram")["frames"]
                 if found["way"] == way and found["kind"] != "refuse"}
                for rest, way in ((one, "sent"), (two, "received"))]  # fmt: skip
        assert {"hello", "done"} <= {kind for kind, _ in ends[1]}
        assert ends[1] <= ends[0]  # a session that began as the pace changed may have ended before its hello was taken
