"""A replica that uses the operator's own Redis. The tests check which Redis is refused, and which Redis causes a
warning. Some tests use the storage in memory instead."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from bayou.errors import Away, BadInput, Conflict
from storage.redis.binary import find_binary
from storage.redis.connect import away_of
from tests.support.storage_harness import IDENTITY
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return a function that starts the operator's redis-server, by default on the unix socket `own.sock`."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> subprocess.Popen[bytes]:
        always = ["--save", "", "--port", "0", "--dir", str(tmp_path), "--unixsocket", "own.sock"]
        started.append(subprocess.Popen([find_binary().path, *always, *options], stdout=subprocess.DEVNULL))
        with redis.Redis(unix_socket_path=str(tmp_path / "own.sock"), protocol=2) as client:
            wait_until(client.ping)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_redis_at_a_unix_url_is_used_and_left_running(open_one, own_redis, tmp_path):
    process = own_redis("--appendonly", "yes", "--appendfsync", "always")
    url = f"unix://{tmp_path}/own.sock"
    opened = open_one(url)
    assert (opened.warnings, opened.durable) == ([], False)
    assert opened.client.eval("return redis.call('INCR', KEYS[1])", 1, "n") == 1
    with pytest.raises(Conflict, match="already in use"):
        open_one(url)
    opened.close(clean=True)
    assert process.poll() is None
    assert open_one(url).run_id == opened.run_id


def test_a_redis_without_appendonly_is_used_with_a_warning(open_one, own_redis):
    port = free_port()
    own_redis("--port", str(port), "--bind", "127.0.0.1")
    opened = open_one(f"redis://127.0.0.1:{port}/0")
    assert opened.client.set("key", "value")
    assert len(opened.warnings) == 1
    assert "appendonly off" in opened.warnings[0]


def test_a_redis_that_syncs_its_log_late_is_used_with_a_warning(open_one, own_redis, tmp_path):
    own_redis("--appendonly", "yes")
    (warning,) = open_one(f"unix://{tmp_path}/own.sock").warnings
    assert warning.startswith(f"unix://{tmp_path}/own.sock has appendfsync everysec: a power cut loses")
    assert warning.endswith("Set appendfsync to always.")


def test_a_redis_that_hides_its_settings_is_used_with_a_warning(open_one, own_redis, tmp_path):
    own_redis("--appendonly", "yes")
    with redis.Redis(unix_socket_path=str(tmp_path / "own.sock"), protocol=2) as client:
        client.execute_command("ACL", "SETUSER", "default", "-config")
    (warning,) = open_one(f"unix://{tmp_path}/own.sock").warnings
    assert "does not report its setting appendfsync. Check that the value is `always`." in warning


def test_a_redis_that_was_replaced_is_checked_before_use(open_one, own_redis, tmp_path):
    seen: list[object] = []

    def check(client: redis.Redis) -> None:
        seen.append(opened.decide(IDENTITY.id, "").id)
        client.set("checked", "yes")

    process = own_redis()
    opened = open_one(f"unix://{tmp_path}/own.sock", on_restart=check)
    opened.confirm(IDENTITY)
    process.kill()
    process.wait()
    with pytest.raises(redis.ConnectionError):
        opened.client.ping()
    own_redis()
    assert wait_until(lambda: opened.client.get("checked")) == b"yes"
    assert seen == [None]


def test_a_redis_that_may_evict_is_refused(open_one, own_redis, tmp_path):
    own_redis("--maxmemory-policy", "allkeys-lru")
    with pytest.raises(Conflict, match=r"maxmemory-policy allkeys-lru.*Set maxmemory-policy to noeviction") as refusal:
        open_one(f"unix://{tmp_path}/own.sock")
    assert refusal.value.code == "redis_evicts"
    with redis.Redis(unix_socket_path=str(tmp_path / "own.sock"), protocol=2) as client:
        client.config_set("maxmemory-policy", "noeviction")
    open_one(f"unix://{tmp_path}/own.sock")


def info_reply(**members: object) -> dict[str, object]:
    """Return the usual reply of Redis to INFO. The arguments replace entries of this reply. An entry with the value
    None is left out."""
    usual = {"redis_version": "7.2.4", "run_id": "r", "maxmemory_policy": "noeviction", "aof_enabled": 1}
    return {name: value for name, value in (usual | members).items() if value is not None}


def test_an_old_redis_is_refused_and_missing_entries_of_info_are_warned_of(open_one, own_redis, tmp_path, monkeypatch):
    own_redis()
    url = f"unix://{tmp_path}/own.sock"
    monkeypatch.setattr(redis.Redis, "info", lambda *_: info_reply(redis_version="6.0.16"))
    with pytest.raises(Conflict, match=r"is Redis 6\.0\.16\. Use Redis 6\.2 or later"):
        open_one(url)
    monkeypatch.setattr(redis.Redis, "info", lambda *_: info_reply(maxmemory_policy=None, aof_enabled=None))
    warnings = open_one(url).warnings
    assert len(warnings) == 2
    assert all("does not report" in warning for warning in warnings)


def test_an_unreachable_redis_is_away_and_no_password_is_shown(open_one, tmp_path):
    with pytest.raises(Away, match=r"redis://127.0.0.1:\d+/0 cannot be used") as refusal:
        open_one(f"redis://vish:hunter2@127.0.0.1:{free_port()}/0")
    assert "hunter2" not in refusal.value.message
    with pytest.raises(Away):
        open_one(f"rediss://127.0.0.1:{free_port()}/0")
    # The failed starts have released the lock.
    open_one("memory")


@pytest.mark.parametrize(
    "url", ["", "embeded", "http://127.0.0.1", "redis+ring://127.0.0.1", "redis://127.0.0.1:door/0"]
)
def test_an_invalid_url_is_bad_input(open_one, tmp_path, url):
    with pytest.raises(BadInput, match=r"^redis: ") as refusal:
        open_one(url)
    assert refusal.value.details["field"] == "redis"


def test_memory_warns_that_everything_is_lost(open_one):
    opened = open_one("memory")
    assert opened.warnings == ["The storage is in memory: everything is lost when this process ends."]
    opened.client.hset("page", "field", "value")
    assert opened.blocking_client().eval("return redis.call('HGETALL', KEYS[1])", 1, "page") == [b"field", b"value"]
    opened.confirm(IDENTITY)
    opened.close(clean=True)
    again = open_one("memory")
    assert not again.client.exists("page")
    assert again.decide(None, "").id is None


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (redis.ConnectionError("refused"), True),
        (redis.TimeoutError("slow"), True),
        (redis.BusyLoadingError("loading"), True),
        (redis.ReadOnlyError("READONLY You can't write"), True),
        (redis.ResponseError("BUSY Redis is busy running a script."), True),
        (redis.ResponseError("Error running script: @user_script: 1: -OOM command not allowed"), True),
        (redis.ResponseError("MISCONF Errors writing to the AOF file"), True),
        (redis.ResponseError("WRONGTYPE Operation against a key"), False),
        (redis.ResponseError("Error running script: user_script:1: THE ROOM IS BUSY"), False),
    ],
)
def test_only_errors_that_may_pass_by_themselves_count_as_away(error, away):
    refusal = away_of(error)
    assert (refusal is not None) is away
    assert refusal is None or str(error) in refusal.message
