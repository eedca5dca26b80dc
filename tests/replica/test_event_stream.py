"""GET /events through the real web server: live streams, resumed streams, the limit on open streams, and how a
stream ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis

from bayou.application import Change
from replica.config import Address
from replica.events import feed
from replica.http import event_stream
from replica.http.server import THREADS
from tests.replica.test_events import accepted
from tests.support.live import link, live, wait_until_equal
from tests.support.replica_harness import Harness, serving, write
from tests.support.waiting import wait_until


class Stream:
    """One open stream of events, read block by block."""

    def __init__(self, address: Address, query: str = "", last_id: str | None = None) -> None:
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        self.response = requests.get(f"http://{address}/events{query}", headers=headers, stream=True, timeout=20)
        self._lines = self.response.iter_lines(chunk_size=1)

    def block(self) -> dict[str, str]:
        """Return the fields of the next block. An empty line ends a block. A comment becomes a field with an empty
        name."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line:
                return fields
            name, _, value = line.decode().partition(": ")
            fields["" if name == "" else name] = value or fields.get(name, "")
        raise EOFError

    def close(self) -> None:
        self.response.close()


@contextmanager
def streaming(address: Address, query: str = "", last_id: str | None = None) -> Iterator[Stream]:
    stream = Stream(address, query, last_id)
    try:
        yield stream
    finally:
        stream.close()


def test_what_happens_is_told_at_once_with_its_id() -> None:
    harness = Harness()
    with serving(harness) as address, streaming(address) as stream:
        assert stream.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert stream.response.headers["Cache-Control"] == "no-store"
        assert stream.block()["id"] == "0-0"
        first = accepted(harness, 1)
        block = stream.block()
        assert (block["event"], block["id"]) == ("accepted", f"{first}.0")
        data = json.loads(block["data"])
        assert (data["user"], data["after"]["room"], data["replica"]) == ("vish", "6.12", "one")
        second = harness.store.tell({"kind": "link", "peer": "two", "up": False})
        block = stream.block()
        assert (block["event"], block["id"]) == ("link", f"{second}.0")
        assert json.loads(block["data"]) == {"peer": "two", "up": False, "replica": "one"}


def test_a_client_that_comes_back_misses_nothing_and_hears_nothing_twice() -> None:
    harness = Harness()
    with serving(harness) as address:
        accepted(harness, 1)
        with streaming(address, "?after=0-0") as stream:
            stream.block()
            seen = [stream.block()["id"]]
        ids = [accepted(harness, stamp, csn=stamp) for stamp in range(2, 5)]
        for _ in range(3):
            with streaming(address, last_id=seen[-1]) as stream:
                assert stream.block()["id"] == seen[-1]
                seen += [stream.block()["id"], stream.block()["id"]]
        assert seen[1:] == [f"{key}.{index}" for key in ids for index in (0, 1)]


def test_a_gap_that_is_too_old_is_told_as_a_reset() -> None:
    harness = Harness()
    for stamp in range(1, 5):
        accepted(harness, stamp)
    harness.store.trim(2)
    with serving(harness) as address, streaming(address, "?after=1-0.0") as stream:
        stream.block()
        block = stream.block()
        assert (block["event"], json.loads(block["data"])) == ("reset", {"replica": "one"})


def test_a_quiet_stream_has_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.02)
    with serving(Harness()) as address, streaming(address) as stream:
        stream.block()
        assert stream.block() == {"": "still here"}
        assert stream.block() == {"": "still here"}


def test_streams_are_capped_and_a_client_that_leaves_frees_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "STREAMS_MAX", 8)
    with serving(Harness()) as address:
        streams = [Stream(address) for _ in range(8)]
        for stream in streams:
            stream.block()
        refused = requests.get(f"http://{address}/events", timeout=20)
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "1"
        error = refused.json()["error"]
        assert (error["code"], error["details"]) == ("too_many_streams", {"count_max": 8})
        assert "at most 8 streams" in error["message"]
        assert requests.get(f"http://{address}/replica", timeout=20).status_code == 200

        streams.pop().close()

        def opened() -> bool:
            stream = Stream(address)
            streams.append(stream)
            return stream.response.status_code == 200

        wait_until(opened)
        for stream in streams:
            stream.close()


def test_an_open_stream_holds_no_thread() -> None:
    harness = Harness()
    with serving(harness) as address:
        streams = [Stream(address) for _ in range(3 * THREADS)]
        for stream in streams:
            stream.block()
        assert requests.get(f"http://{address}/replica", timeout=20).status_code == 200
        accepted(harness, 1)
        assert [stream.block()["event"] for stream in streams] == ["accepted"] * len(streams)
        for stream in streams:
            stream.close()


def test_a_stream_of_events_that_are_no_longer_in_memory_is_read_from_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "RECENT_MAX", 2)
    harness = Harness()
    with serving(harness) as address, streaming(address) as live:
        live.block()
        ids = [accepted(harness, stamp) for stamp in range(1, 6)]
        for _ in ids:
            live.block()
        with streaming(address, "?after=0-0") as late:
            late.block()
            assert [late.block()["id"] for _ in ids] == [f"{key}.0" for key in ids]


def test_streams_at_the_same_position_read_the_store_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "RECENT_MAX", 2)
    harness, reads = Harness(), []
    events = harness.store.events

    def counted(after: str, block_ms: int | None, count_max: int, client: Redis) -> list[tuple[str, dict[str, Any]]]:
        if block_ms is None:  # not the feed's own thread
            reads.append(after)
        return events(after, block_ms, count_max, client)

    monkeypatch.setattr(harness.store, "events", counted)
    ids = [accepted(harness, stamp) for stamp in range(1, 6)]
    with serving(harness) as address:
        for _ in range(20):
            with streaming(address, "?after=0-0") as late:
                late.block()
                assert [late.block()["id"] for _ in ids] == [f"{key}.0" for key in ids]
    assert reads == ["0-0"]


def test_head_opens_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "STREAMS_MAX", 1)
    with serving(Harness()) as address:
        for _ in range(3):
            answer = requests.head(f"http://{address}/events", timeout=20)
            assert (answer.status_code, answer.content) == (200, b"")
        with streaming(address) as stream:
            assert stream.block()["id"] == "0-0"


def test_a_stop_ends_the_streams_and_answers_what_was_asked() -> None:
    harness = Harness()
    with serving(harness) as address:
        stream = Stream(address)
        stream.block()
        session = requests.Session()
        assert session.get(f"http://{address}/replica", timeout=20).status_code == 200
    with pytest.raises(EOFError):
        stream.block()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{address}/replica", timeout=20)
    session.close()
    stream.close()


def test_a_body_that_is_too_large_is_refused_in_the_form_of_all_errors() -> None:
    with serving(Harness()) as address:
        headers = {"Bayou-User": "vish", "Content-Type": "application/json"}
        response = requests.post(f"http://{address}/notes", data=b" " * 2_000_000, headers=headers, timeout=20)
        assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


def test_a_user_name_with_line_breaks_cannot_forge_an_event() -> None:
    harness = Harness()
    with serving(harness) as address, streaming(address) as stream:
        stream.block()
        found = write(1, user="a\n\nevent: forged\r")
        harness.store.tell({"kind": "received", "changes": [Change(found.id, None, None, "failed")]}, found)
        block = stream.block()
        assert block["event"] == "received"
        assert json.loads(block["data"])["user"] == "a\n\nevent: forged\r"


@pytest.mark.process
def test_a_replay_is_told_before_the_moves_that_it_made(tmp_path: Path) -> None:
    with live(tmp_path / "c", ("one", "two")) as processes:
        wait_until_equal(processes)
        link(processes, "one", "two", up=False)
        for label, user, purpose, hours in (
            ("one", "vish", "standup", (9,)), ("two", "priyal", "tea", (9, 10)), ("two", "neil", "review", (10, 11)),
        ):  # fmt: skip
            slots = [{"start": f"2030-06-03T{hour:02}:00Z", "end": f"2030-06-03T{hour + 1:02}:00Z"} for hour in hours]
            asked = {"room": "6.12", "slots": slots, "purpose": purpose}
            processes.rest(label).post("/reservations", asked, user=user)
        with streaming(processes.settings.replica("two").rest) as stream:
            link(processes, "one", "two", up=True)
            blocks = [stream.block()]
            while blocks[-1].get("event") != "moved":
                blocks.append(stream.block())
    told = [json.loads(block["data"]) for block in blocks if block.get("event") == "replay"]
    assert [(one["from"], one["rolled_back"], one["replayed"], one["left_out"]) for one in told] == [("one", 2, 2, 0)]
    undone, again = ([(step["user"], step["what"]) for step in told[0][of]] for of in ("undone", "played_again"))
    assert undone == again[::-1] == [("neil", "review"), ("priyal", "tea")]
    moves = [(step["before"]["start"][11:13], step["after"]["start"][11:13]) for step in told[0]["played_again"]]
    assert moves == [("09", "10"), ("10", "11")]
    stamps = [step["stamp"] for step in told[0]["played_again"]]
    assert stamps == sorted(stamps)
