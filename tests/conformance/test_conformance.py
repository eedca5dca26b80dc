"""Our replica and the minimal replica pass the conformance suite. For a faulty replica, the suite names the rules that
the replica breaks.

The minimal replica is independent of our Redis and Lua, and takes part in a cluster of our replicas.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.processes import Processes
from replica.anti_entropy import a_e_pb2 as wire
from storage.redis.embedded import stop_left_behind
from tests.conformance import peer
from tests.conformance.__main__ import main, run
from tests.conformance.minimal.__main__ import new_log, serve
from tests.conformance.minimal.log import Log
from tests.conformance.minimal.session import Session
from tests.conformance.subject import NotReady, Subject
from tests.support.forked import ForkedProcesses
from tests.support.live import ROOT, wait_until_equal, write_configuration
from tests.support.waiting import wait_until

CLUSTER = "conformance-000000000000"
RELATION = {"attributes": {"topic": "text", "number": "integer"}, "key": ["topic", "number"], "page_by": ["topic"]}


@contextlib.contextmanager
def minimal(log: Log, session_type: type[Session] = Session, address: str = "127.0.0.1:0") -> Iterator[str]:
    """Run a minimal replica, and yield its address."""
    server, port = serve(log, address, session_type)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()


@contextlib.contextmanager
def ours(folder: Path, labels: tuple[str, ...], *started: str, **settings: Any) -> Iterator[Processes]:
    """Configure a cluster with these labels, and run the replicas in `started`. The cluster has only the applications
    `records` and `members`."""
    configuration = write_configuration(folder, labels, {"applications": ["records"], **settings})
    processes = ForkedProcesses(configuration)
    try:
        processes.start(*started)
        processes.wait_until_serving(*started)
        yield processes
    finally:
        processes.stop()
        for label in started:
            stop_left_behind(processes.settings.data / label)


@pytest.mark.process
def test_our_replica_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ours(tmp_path, ("conformance", "subject"), "subject") as processes:
        status = main([str(processes.settings.replica("subject").anti_entropy)])
        said = capsys.readouterr().out
        assert status == 0, said
        assert "0 failed, 0 skipped" in said
        writes = processes.rest("subject").get("/replica/log", limit="1000")["writes"]
        words = {write["outcome"].partition(" ")[0] for write in writes}
        assert words <= {"updated", "duplicate"}, "the writes of the suite are real ones"


def test_the_minimal_replica_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with minimal(new_log("minimal", CLUSTER)) as address:
        assert main([address]) == 0
        said = capsys.readouterr().out
        assert "0 failed, 1 skipped" in said
        assert "skipped full_state_is_taken_whole: the replica takes no full state (`replan`)" in said
        assert main([address]) == 1
        assert "holds data of a cluster already. Stop it, delete its data" in capsys.readouterr().out


class TakesGaps(Log):
    """Faulty: stores a write although the write named by its `prev` is missing."""

    def _misfit(self, write: dict[str, Any]) -> str:
        found = super()._misfit(write)
        return "" if found == "hole" else found


class ForgetsNotifications(Log):
    """Faulty: acknowledges notifications of commits, but commits nothing."""

    def _commit(self, item: wire.Item, previous: str, history: str) -> str:
        return super()._commit(item, previous, history) if item.body else ""


class EncodesAgain(Log):
    """Faulty: encodes each write again with a JSON library, and stores the result instead of the canonical bytes."""

    def _enter(self, write: dict[str, Any], body: bytes) -> None:
        super()._enter(write, json.dumps(json.loads(body), separators=(",", ":")).encode())


class TakesAnyStamp(Session):
    """Faulty: does not compare stamps with its clock."""

    def _cut_ahead(self, _batch: wire.Batch) -> str:
        return ""


class AnswersTooEarly(Session):
    """Faulty: answers a Sync at once, even if a batch is not acknowledged yet."""

    def _take(self, frame: wire.Frame) -> Iterator[wire.Frame]:
        if frame.WhichOneof("kind") == "sync":
            yield wire.Frame(sync=wire.Sync(number=frame.sync.number, is_answer=True))
        else:
            yield from super()._take(frame)


class SendsAllAgain(Session):
    """Faulty: sends all writes, including those that the peer's hello covers."""

    def _judge(self, hello: wire.Hello) -> None:
        super()._judge(hello)
        self.csn = 0
        self.vector.clear()


@pytest.mark.parametrize(
    ("log_type", "session_type", "found"),
    [
        (TakesGaps, Session, {"gap_is_not_taken", "new_plan_is_taken"}),
        (ForgetsNotifications, Session, {"commits_are_applied", "order_of_commits", "unknown_commit_is_not_taken"}),
        (EncodesAgain, Session, {"unusual_text_is_held"}),
        (Log, TakesAnyStamp, {"forged_stamp_is_refused"}),
        (Log, AnswersTooEarly, {"sync_is_answered"}),
        (Log, SendsAllAgain, {"held_writes_are_not_sent", "only_the_rest_is_sent"}),
    ],
)
def test_a_broken_replica_is_named(
    log_type: type[Log], session_type: type[Session], found: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "ANSWER_S_MAX", 1.0)
    with minimal(log_type("broken~aaaaaa", "broken", CLUSTER), session_type) as address:
        subject = Subject(address)
        assert found <= {name for wanted in found for name in run(subject, wanted)}


def test_a_replica_that_ends_fails_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    with minimal(new_log("minimal", CLUSTER)) as address:
        subject = Subject(address)
    assert run(subject, "hello_is_answered") == ["hello_is_answered"]
    assert "the end of the stream without a reason" in capsys.readouterr().out


def test_nobody_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotReady, match="does not answer a Hello with a Hello"):
        Subject("127.0.0.1:9")
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "HOST:PORT" in capsys.readouterr().out
    assert "python -m tests.conformance" in (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


@pytest.mark.process
def test_the_minimal_replica_takes_part_in_a_cluster(tmp_path: Path) -> None:
    policy = {"interval_s": 0.2, "debounce_ms": 1}
    with ours(tmp_path, ("one", "two", "student"), "one", "two", anti_entropy=policy) as processes:
        one, settings = processes.rest("one"), processes.settings
        log = new_log("student", settings.cluster_id)
        with minimal(log, address=str(settings.replica("student").anti_entropy)):
            one.post("/relations", {"relation": "notes", **RELATION}, "vish")
            one.post(
                "/records", {"update": "INSERT INTO notes (topic, number) VALUES ('a', 1)", "request": "r1"}, "vish"
            )
            wait_until(lambda: len(log.committed) == 2 and log.birth.startswith("one~"))

            # The minimal replica makes a write. Our primary commits this write, and all replicas get the commit.
            earlier = json.loads(log.bodies[log.last])
            args = json.loads(json.dumps(earlier["args"]).replace('"number": 1', '"number": 2'))
            made = log.accept(time.time_ns() // 1000, "records/1", "write", args, earlier["pages"], "s1")
            wait_until(lambda: log.last == made)
            wait_until_equal(processes, "one", "two")
            for label in ("one", "two"):
                rows = processes.rest(label).get("/records", query="SELECT number FROM notes WHERE topic = 'a'")["rows"]
                assert [row["number"] for row in rows] == [1, 2]
            last = one.get("/replica/log")["writes"][-1]
            assert (last["id"], last["csn"], last["outcome"]) == (made, 3, "updated")

            # Our two replicas cannot reach each other. The minimal replica passes writes on between them.
            for label, other in (("one", "two"), ("two", "one")):
                processes.rest(label).put(f"/replica/links/{other}", {"up": False})
            insert = "INSERT INTO notes (topic, number) VALUES ('b', 1)"
            processes.rest("two").post("/records", {"update": insert, "request": "r2"}, "vish")
            wait_until(lambda: len(log.committed) == 4)
            wait_until_equal(processes, "one", "two")
        assert "Traceback" not in processes.output("one") + processes.output("two")
