"""The client that keeps its connections: what becomes of one that fails, and of one that Redis has closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import redis

from cluster.drivers.private_redis import private_redis
from storage.client import KEPT_MAX, Client
from storage.redis.embedded import no_retry
from tests.support.storage_harness import wait_until


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    with private_redis() as client:
        yield client


def client_of(server: redis.Redis) -> Client:
    path = server.connection_pool.connection_kwargs["path"]
    return Client(unix_socket_path=path, protocol=2, retry=no_retry(), socket_timeout=0.3)


def connections_made(server: redis.Redis) -> int:
    return int(server.info("stats")["total_connections_received"])


def test_calls_one_after_another_share_a_connection_also_behind_an_error_of_redis(server: redis.Redis) -> None:
    client, before = client_of(server), connections_made(server)
    for number in range(20):
        client.set("k", number)
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            client.hget("k", "f")
        assert client.get("k") == b"%d" % number
    assert connections_made(server) - before == 1


def test_a_connection_that_redis_has_closed_is_made_anew(server: redis.Redis) -> None:
    client = client_of(server)
    client.set("k", "v")
    server.client_kill_filter(skipme=True, _type="normal")
    assert client.get("k") == b"v"


def test_the_late_answer_to_a_call_that_was_given_up_is_nobodys(server: redis.Redis) -> None:
    client = client_of(server)
    client.set("k", "v")
    with pytest.raises(redis.TimeoutError):
        client.blpop("list", timeout=1)
    server.rpush("list", "late")
    assert [client.get("k") for _ in range(3)] == [b"v"] * 3


def test_connections_of_a_spike_are_given_back_to_pipelines(server: redis.Redis) -> None:
    path = server.connection_pool.connection_kwargs["path"]
    client = Client(unix_socket_path=path, protocol=2, retry=no_retry(), max_connections=KEPT_MAX + 8)
    threads = [threading.Thread(target=client.blpop, args=("none", 10)) for _ in range(KEPT_MAX + 8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: server.info("clients")["blocked_clients"] == len(threads))
    server.rpush("none", *range(len(threads)))
    for thread in threads:
        thread.join(30)
    pipelines = [client.pipeline() for _ in range(8)]
    for pipeline in pipelines:  # each takes one and keeps it
        pipeline.watch("k")
    for pipeline in pipelines:
        pipeline.close()


def test_threads_do_not_share_a_connection(server: redis.Redis) -> None:
    client, wrong = client_of(server), []

    def call(name: str) -> None:
        for number in range(200):
            client.set(name, number)
            if client.get(name) != b"%d" % number:
                wrong.append(name)

    threads = [threading.Thread(target=call, args=(f"k{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong
