"""The embedded Redis of a replica. The tests check how a replica starts, adopts, restarts, refuses and stops this
Redis."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from bayou.errors import Away, Conflict
from storage.identity_file import load, place_of, save
from storage.redis import embedded
from storage.redis.binary import find_binary
from storage.redis.connect import BACKOFF_FIRST_S, away_of
from storage.redis.embedded import stop_left_behind
from storage.redis.sources import CLIENT_OPTIONS
from tests.support.storage_harness import IDENTITY, SEVERAL, kill_redis, redis_pid
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

REPLICA = """
import sys
from pathlib import Path
from storage.redis.connect import open_storage
opened = open_storage("embedded", Path(sys.argv[1]), "one")
opened.client.set("said by", "the first")
print(opened.run_id, opened.client.info("server")["process_id"], flush=True)
sys.stdin.read()
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    if not Path("/proc/self/stat").exists():
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:  # it has ended since the signal
        return False
    return status.rpartition(")")[2].split()[0] != "Z"  # a zombie has ended, too


@pytest.fixture
def killed_replica(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Kill a replica, but not its Redis. Yield (run id, process id) of the Redis."""
    process = subprocess.Popen(
        [sys.executable, "-c", REPLICA, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout
        run_id, pid = process.stdout.readline().split()
        process.kill()
    yield run_id, int(pid)
    stop_left_behind(tmp_path / "one")
    wait_until(lambda: not is_running(int(pid)))


# Start and stop


def test_the_embedded_redis_is_private_and_durable(open_one, tmp_path):
    opened = open_one()
    settings = opened.client.config_get("*")
    wanted = {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "always",
        "aof-load-truncated": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
        "unixsocketperm": "700",
        "hash-max-ziplist-value": "512",
        "dir": str(tmp_path / "one"),
    }
    assert {name: settings[name] for name in wanted} == wanted
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o700
    assert (opened.warnings, opened.durable, opened.identity_file) == ([], True, None)
    assert os.getsid(redis_pid(opened)) != os.getsid(0)


def test_replies_are_bytes_and_lists_of_scripts_stay_flat(open_one):
    client = open_one().client
    client.hset("page", "field", "value")
    assert client.hgetall("page") == {b"field": b"value"}
    assert client.eval("return redis.call('HGETALL', KEYS[1])", 1, "page") == [b"field", b"value"]
    # Lua compares texts by bytes, whatever the locale of the process that started it.
    assert client.eval(r"return 'Z' < 'a' and 'a' < '\195\164'", 0) == 1


def test_writes_are_there_after_a_stop_in_order(open_one, tmp_path):
    opened = open_one()
    pid = redis_pid(opened)
    opened.confirm(IDENTITY)
    opened.client.eval(SEVERAL, 2, "p", "q", "1")
    opened.close(clean=True, mark="csn 1")
    opened.close(clean=True, mark="ignored")
    wait_until(lambda: not is_running(pid))
    again = open_one()
    assert again.client.mget("p", "q") == [b"1", b"1"]
    assert again.identity_file == replace(
        IDENTITY,
        redis_run_id=opened.run_id,
        redis_version=opened.redis_version,
        clean=True,
        mark="csn 1",
        place=place_of(tmp_path / "one"),
    )
    assert again.run_id != opened.run_id
    assert again.decide(IDENTITY.id, "csn 1").id == IDENTITY.id
    again.confirm(again.identity_file)
    kept = load(Path(again.client.config_get("dir")["dir"]))
    assert kept
    assert kept.clean is False


def test_a_second_start_is_refused_and_the_first_replica_runs_on(open_one):
    opened = open_one()
    with pytest.raises(Conflict, match=f"already in use .process {os.getpid()}") as refusal:
        open_one()
    assert refusal.value.code == "already_running"
    assert opened.client.ping()


def test_a_left_redis_that_does_not_answer_is_killed(killed_replica, open_one, monkeypatch):
    _, pid = killed_replica
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setitem(CLIENT_OPTIONS, "socket_timeout", 0.2)
    monkeypatch.setattr(embedded, "ANSWER_TIMEOUT_S", 0.1)
    opened = open_one()
    assert len(opened.warnings) == 1
    assert f"(process {pid}) did not answer, so it was killed." in opened.warnings[0]
    assert opened.client.get("said by") == b"the first"


def test_only_the_socket_moves_where_the_path_is_too_long(open_one, tmp_path):
    data = tmp_path / ('a long "name" with a ü and a \\ ' + "x" * 100)
    opened = open_one(data=data)
    elsewhere = Path(opened.client.connection_pool.connection_kwargs["path"]).parent
    assert elsewhere != data / "one"
    assert elsewhere.stat().st_mode & 0o777 == 0o700
    opened.client.set("key", "kept")
    opened.close(clean=True)
    assert not elsewhere.exists()
    elsewhere.mkdir(mode=0o755)
    with pytest.raises(Conflict, match="is not a private folder of this user"):
        open_one(data=data)
    elsewhere.rmdir()
    assert open_one(data=data).client.get("key") == b"kept"


def test_without_a_redis_server_the_error_says_what_to_do(open_one, tmp_path, monkeypatch):
    old = tmp_path / "bin" / "redis-server"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.14 sha=0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent), prepend=os.pathsep)
    used = find_binary()
    assert used.path != old
    assert open_one().warnings == [f"{old} has version 5.0.14. Version 6.2 or later is needed."]
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("storage.redis.binary.WHEELS", ())
    with pytest.raises(Away, match=r"run `make`.* Or install redis-server.* `redis: memory`.* 5.0.14") as refusal:
        find_binary()
    assert refusal.value.code == "storage_away"


def test_a_server_older_than_the_data_is_refused(open_one, tmp_path):
    opened = open_one()
    opened.confirm(IDENTITY)
    opened.client.set("key", "kept")
    opened.close(clean=True)
    birth = load(tmp_path / "one")
    assert birth
    save(tmp_path / "one", replace(birth, redis_version="99.1.0"))
    before = sorted((path, path.stat().st_size) for path in (tmp_path / "one").rglob("*") if path.name != "redis.pid")
    with pytest.raises(Conflict, match=r"(version|data of Valkey) 99.1.0.*Put .*-server 99.1 or later") as refusal:
        open_one()
    assert refusal.value.code == "redis_older"
    after = sorted((path, path.stat().st_size) for path in (tmp_path / "one").rglob("*") if path.name != "redis.pid")
    assert after == before
    save(tmp_path / "one", birth)
    assert open_one().client.get("key") == b"kept"


# A Redis left behind


def test_a_killed_replica_adopts_its_redis_at_the_next_start(killed_replica, open_one):
    opened = open_one()
    assert (opened.run_id, redis_pid(opened)) == killed_replica
    assert opened.client.get("said by") == b"the first"
    opened.confirm(IDENTITY)
    opened.close(clean=True)
    wait_until(lambda: not is_running(killed_replica[1]))


def test_an_adopted_redis_is_brought_back_when_it_ends(killed_replica, open_one):
    opened = open_one()
    kill_redis(opened)
    assert wait_until(lambda: opened.client.get("said by")) == b"the first"
    assert opened.run_id != killed_replica[0]


def test_the_redis_of_a_killed_replica_can_be_stopped(killed_replica, tmp_path):
    assert stop_left_behind(tmp_path / "one") is True
    wait_until(lambda: not is_running(killed_replica[1]))
    assert stop_left_behind(tmp_path / "one") is False
    assert stop_left_behind(tmp_path / "two") is False
    assert not (tmp_path / "two").exists()


def test_a_redis_that_hangs_is_killed(killed_replica, tmp_path, monkeypatch):
    monkeypatch.setattr("storage.redis.embedded.STOP_TIMEOUT_S", 0.2)
    monkeypatch.setitem(CLIENT_OPTIONS, "socket_timeout", 0.2)
    os.kill(killed_replica[1], signal.SIGSTOP)
    assert stop_left_behind(tmp_path / "one") is True
    wait_until(lambda: not is_running(killed_replica[1]))


def test_the_redis_of_a_running_replica_is_not_stopped(open_one, tmp_path):
    opened = open_one()
    with pytest.raises(Conflict, match="already in use"):
        stop_left_behind(tmp_path / "one")
    assert opened.client.ping()


# A Redis that ends


def test_a_redis_that_ends_is_brought_back_and_checked_before_use(open_one):
    calls: list[object] = []

    def check(client: redis.Redis) -> None:
        calls.append(client.get("key"))
        with pytest.raises(redis.ConnectionError, match="being checked"):
            opened.client.ping()
        if len(calls) == 1:
            raise RuntimeError("run it again")
        calls.append(opened.decide(IDENTITY.id, "").id)
        opened.confirm(opened.identity_file)

    opened = open_one(on_restart=check)
    opened.confirm(IDENTITY)
    opened.client.set("key", "kept")
    first_run = opened.run_id
    kill_redis(opened)
    assert wait_until(lambda: opened.client.get("key")) == b"kept"
    assert calls == [b"kept", b"kept", IDENTITY.id]
    assert opened.run_id != first_run
    assert opened.identity_file.redis_run_id == opened.run_id
    assert opened.identity_file.repaired is False


def test_a_redis_that_has_served_is_brought_back_at_once_however_often_it_ends(open_one, monkeypatch):
    monkeypatch.setattr("storage.redis.connect.SERVED_S", 0.0)
    opened = open_one()
    pauses: list[float | None] = []
    wait = opened._closing.wait

    def waited(pause_s: float | None = None) -> bool:
        pauses.append(pause_s)
        return bool(wait(pause_s))

    monkeypatch.setattr(opened._closing, "wait", waited)
    for _ in range(5):
        before = opened.run_id
        kill_redis(opened)
        assert wait_until(lambda: opened.client.ping() and opened.run_id != before)  # noqa: B023 - called in the same round
    assert set(pauses) == {BACKOFF_FIRST_S}


def test_blocking_reads_use_a_client_of_their_own(open_one):
    opened = open_one()
    reader = opened.blocking_client()
    assert reader.connection_pool is not opened.client.connection_pool
    assert reader.connection_pool.connection_kwargs["socket_timeout"] > 30
    assert reader.xread({"stream": "$"}, block=1) in ([], {}, None)
    reader.close()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process can be set on Linux only")
def test_a_full_disk_ends_redis_and_loses_no_acknowledged_write(open_one, tmp_path):
    opened = open_one()
    opened.client.set("key", "acknowledged")
    files = [path for path in (tmp_path / "one").rglob("*.aof") if path.stat().st_size]
    room = max(path.stat().st_size for path in files) + 100
    resource.prlimit(redis_pid(opened), resource.RLIMIT_FSIZE, (room, room))
    with pytest.raises(redis.RedisError) as failure:
        opened.client.eval(SEVERAL, 2, "p", "q", "x" * 200)
    refusal = away_of(failure.value)
    assert refusal is not None
    assert (refusal.code, refusal.details) == ("storage_away", {"retry_after_s": 1})
    assert wait_until(lambda: opened.client.get("key")) == b"acknowledged"
    assert opened.client.mget("p", "q") == [None, None]
