"""The command `watch`: it shows events as they arrive, and continues after a lost connection."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.fake_replica import FakeReplica, Json, serving

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent
BOUND_S = 20.0
NINE = {"room": "6.12", "start": "2026-12-01T09:00:00+00:00", "end": "2026-12-01T10:00:00+00:00"}
TEN = {"room": "6.12", "start": "2026-12-01T10:00:00+00:00", "end": "2026-12-01T11:00:00+00:00"}


def event_data(request: str, **more: object) -> Json:
    return {
        "write": "1764547200000000@one~abcdef", "csn": None, "from": None, "app": "rooms/1", "op": "reserve",
        "user": "vish", "request": request, "reservation": f"vish/{request}", "before": None, "after": NINE,
        "outcome": "updated", "replica": "one", **more,
    }  # fmt: skip


@contextmanager
def watching(replica: FakeReplica, folder: Path, *words: str, chunked: bool = True) -> Iterator[subprocess.Popen[str]]:
    """Run `client.py vish watch …`. Yield the process when the client has opened the event stream."""
    replica.chunked = chunked
    environment = {**os.environ, "XDG_STATE_HOME": str(folder), "BAYOU_REPLICA": replica.url}
    with subprocess.Popen(
        [sys.executable, str(ROOT / "client.py"), "vish", "watch", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    ) as process:
        try:
            streams_are_open(replica, 1)
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def streams_are_open(replica: FakeReplica, count: int) -> None:
    with replica.changed:
        assert replica.changed.wait_for(lambda: len(replica.resumed_after) >= count, BOUND_S)


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("chunked", [True, False])
def test_moves_and_commits_of_a_reservation_are_shown(tmp_path: Path, chunked: bool) -> None:
    with serving() as replica, watching(replica, tmp_path, chunked=chunked) as process:
        assert "watching" in next_line(process)
        replica.publish("received", **event_data("theirs", user="priyal", reservation="priyal/theirs"))
        replica.publish("moved", **event_data("r1", before=NINE, after=TEN, **{"from": "two"}))
        replica.publish("committed", **event_data("r1", before=TEN, after=TEN, csn=17))
        replica.publish("rejected", **event_data("r2", before=NINE, after=None, outcome="rejected", why="It had none."))
        line = next_line(process)
        assert "? moved      r1  6.12 Tue 2026-12-01 09:00–10:00 → 6.12 Tue 2026-12-01 10:00–11:00" in line
        assert "from two" in line
        assert "✓ committed  r1  6.12 Tue 2026-12-01 10:00–11:00  CSN 17" in next_line(process)
        assert "✗ rejected   r2  6.12 Tue 2026-12-01 09:00–10:00 → no slot  It had none." in next_line(process)
        replica.publish("committed", **event_data("r2", after=None, outcome="rejected", why="It had none.", csn=18))
        assert "✗ committed  r2  It had none.  CSN 18" in next_line(process)
        replica.publish("revoked", **event_data("r1", after=TEN, outcome="revoked"))
        line = next_line(process)
        assert "✗ revoked    r1" in line
        assert "was final, is tentative again" in line
        process.send_signal(signal.SIGINT)
        assert process.wait(BOUND_S) == 0


def test_what_others_made_for_the_user_is_shown(tmp_path: Path) -> None:
    body = {"request": "a", "room": "6.12", "slots": [TEN], "purpose": "weekly", "owner": "vish"}
    of_boss = {"user": "boss", "before": TEN, "after": TEN}
    with serving() as replica:
        replica.answer("POST", "/reservations", {}, body, "boss")
        with watching(replica, tmp_path) as process:
            assert "watching" in next_line(process)
            assert "boss/a" in next_line(process)
            replica.publish("committed", **event_data("x", **of_boss, reservation="boss/x", csn=2))
            cancelled = {"op": "cancel", "user": "boss", "before": TEN, "after": None}
            replica.publish("received", **event_data("c", **cancelled, reservation="boss/a"))
            assert "cancelled  boss/a" in next_line(process)
            replica.publish("received", **event_data("h", **of_boss, reservation="neil/b", op="edit", owner="vish"))
            assert "neil/b  6.12 Tue 2026-12-01 10:00–11:00  for vish" in next_line(process)
            replica.publish("committed", **event_data("m", **of_boss, reservation="neil/b", op="move", csn=3))
            assert "neil/b" in next_line(process)


def test_a_broken_stream_resumes_after_the_last_event(tmp_path: Path) -> None:
    with serving() as replica, watching(replica, tmp_path, "--json") as process:
        replica.publish("accepted", **event_data("r1"))
        first = json.loads(next_line(process))
        assert (first["event"], first["data"]["reservation"]) == ("accepted", "vish/r1")
        with replica.changed:  # while nobody listens
            replica.break_streams()
            replica.publish("committed", **event_data("r1", csn=17))
        second = json.loads(next_line(process))
        assert (second["event"], second["id"]) == ("committed", "2")
        assert replica.resumed_after == [None, "1"]
        process.send_signal(signal.SIGINT)
        _, notes = process.communicate(timeout=BOUND_S)
        assert "the connection to" in notes
        assert "again, continuing after event 1" in notes


def test_all_shows_links_sessions_and_others(tmp_path: Path) -> None:
    with serving() as replica, watching(replica, tmp_path, "--all") as process:
        next_line(process)
        replica.publish("link", peer="two", up=False)
        replica.publish("session", peer="three", sent=3, received=4, rolled_back=2, replayed=2, seconds=0.1, error=None)
        replica.publish("received", **event_data("r9", user="priyal", reservation="priyal/r9"))
        assert "link to two ✂ cut" in next_line(process)
        assert "session with three sent 3, received 4, rolled back 2, replayed 2" in next_line(process)
        assert "? received   priyal/r9  6.12 Tue 2026-12-01 09:00–10:00" in next_line(process)


def test_all_shows_the_steps_of_a_replay(tmp_path: Path) -> None:
    standup = {"write": "5@two", "user": "priyal", "op": "reserve", "what": "standup", "before": NINE}
    other = {"write": "6@two", "user": None, "op": None, "what": None, "before": None}
    again = [standup | {"after": TEN}, other | {"after": None}]
    counts = {"rolled_back": 4, "replayed": 4, "left_out": 2, "from": "two"}
    with serving() as replica, watching(replica, tmp_path, "--all") as process:
        next_line(process)
        replica.publish("replay", **counts, undone=[other, standup], played_again=again)
        assert "replay with writes from two: 4 undone, 4 played again" in next_line(process)
        assert [next_line(process).strip() for _ in range(5)] == [
            "↶ 6@two  nothing",
            "↶ priyal’s standup  6.12 Tue 2026-12-01 09:00–10:00",
            "↷ priyal’s standup  6.12 Tue 2026-12-01 09:00–10:00 → 6.12 Tue 2026-12-01 10:00–11:00",
            "↷ 6@two  nothing, as before",
            "… and 2 later ones",
        ]


def test_all_shows_what_other_applications_do(tmp_path: Path) -> None:
    song = {"song": "eyes", "url": "utexas.edu"}
    with serving() as replica, watching(replica, tmp_path, "--all") as process:
        next_line(process)
        replica.publish("received", **event_data("r1", app="playlist/1", op="put", reservation=None, after=song))
        replica.publish("received", **event_data("r2", user="priyal", reservation=None, after=None))
        assert "? received   r1  eyes utexas.edu" in next_line(process)
        assert "? received   priyal/r2" in next_line(process)


def test_one_reservation_alone(tmp_path: Path) -> None:
    with serving() as replica:
        replica.answer(
            "POST", "/reservations", {}, {"request": "r1", "room": "6.12", "slots": [TEN], "purpose": "weekly"}, "vish"
        )
        with watching(replica, tmp_path, "r1") as process:
            next_line(process)
            assert "?  r1  6.12  Tue 2026-12-01 10:00–11:00  weekly" in next_line(process)
            replica.publish("committed", **event_data("r2"))
            replica.publish("committed", **event_data("r1", csn=2))
            assert "committed  r1" in next_line(process)


def test_a_replica_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    with serving() as replica:
        url = replica.url
    answer = subprocess.run(
        [sys.executable, str(ROOT / "client.py"), "vish", "--replica", url, "watch", "--json"],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
        cwd=tmp_path,
    )
    assert answer.returncode == 4
    assert json.loads(answer.stdout)["error"]["code"] == "replica_unreachable"
