"""The web server of a real replica: neither a slow client nor a stopped Redis delays the answers to other clients."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
import requests

from cluster.processes import Processes
from replica.config import Address
from replica.http.server import THREADS, WebServer
from tests.support.live import live
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

VISH = {"Bayou-User": "vish"}
CLIENTS = 12
CALENDAR = "/rooms/6.12/calendar?from=2027-03-01T00:00:00Z&to=2027-03-08T00:00:00Z"
BOUND_S = 60


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with live(tmp_path_factory.mktemp("server"), ("one",), rooms=["6.12", "6.13"]) as processes:
        yield processes


def url(processes: Processes, path: str) -> str:
    return f"http://{processes.settings.replica('one').rest}{path}"


def body(day: int, hour: int) -> dict[str, Any]:
    slot = {"start": f"2027-03-{day:02}T{hour:02}:00:00Z", "end": f"2027-03-{day:02}T{hour + 1:02}:00:00Z"}
    return {"room": "6.12", "slots": [slot], "merge": "give_up"}


def reserve(processes: Processes, day: int, hour: int, timeout_s: float = BOUND_S) -> int:
    answer = requests.post(url(processes, "/reservations"), json=body(day, hour), headers=VISH, timeout=timeout_s)
    return answer.status_code


def redis_pid(processes: Processes) -> int:
    with redis.Redis(unix_socket_path=str(processes.settings.data / "one" / "redis.sock")) as client:
        return int(client.info("server")["process_id"])


def test_while_redis_stands_still_requests_that_do_not_need_redis_are_answered(one: Processes) -> None:
    pid = redis_pid(one)
    with ThreadPoolExecutor(CLIENTS) as clients:
        assert requests.get(url(one, CALENDAR), timeout=BOUND_S).ok  # the replica is connected to Redis
        os.kill(pid, signal.SIGSTOP)
        try:
            writes = [clients.submit(reserve, one, 1, hour) for hour in range(CLIENTS)]
            reads = [clients.submit(requests.get, url(one, CALENDAR), timeout=BOUND_S) for _ in range(2)]
            for _ in range(5):
                assert requests.get(url(one, "/openapi.json"), timeout=5).ok
            assert not any(write.done() for write in writes)
            assert not any(read.done() for read in reads)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert [write.result(BOUND_S) for write in writes] == [201] * CLIENTS
        assert [read.result(BOUND_S).status_code for read in reads] == [200, 200]


def test_a_request_that_waits_for_its_session_does_not_delay_the_others(one: Processes) -> None:
    # The token of a client session that has read {"one~zzzzzz": 9000000000000000}.
    ahead = "eyJyIjp7Im9uZX56enp6enoiOjkwMDAwMDAwMDAwMDAwMDB9LCJ3Ijp7fX0"
    address, headers = one.settings.replica("one").rest, f"Bayou-Session: {ahead}\r\nBayou-Wait: 30000"
    with socket.create_connection((address.host, address.port), BOUND_S) as late:
        late.sendall(f"GET {CALENDAR} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n".encode())
        for hour in range(8, 12):
            assert reserve(one, 4, hour, timeout_s=15) == 201
        late.setblocking(False)
        with pytest.raises(BlockingIOError):
            late.recv(1)


def test_requests_that_follow_each_other_on_a_connection_are_answered_in_order(one: Processes) -> None:
    address = one.settings.replica("one").rest

    def message(hour: int) -> bytes:
        content = json.dumps(body(5, hour)).encode()
        head = f"POST /reservations HTTP/1.1\r\nHost: localhost\r\nBayou-User: vish\r\nContent-Length: {len(content)}"
        return f"{head}\r\n\r\n".encode() + content

    short, long = [message(hour) for hour in range(6)], b"GET /replica HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection((address.host, address.port), BOUND_S) as connection:
        connection.sendall(b"".join([*short[:3], long, *short[3:], short[0].replace(b"\r\n\r\n", CLOSE, 1)]))
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", received)
    starts = re.findall(rb'"slot":{"start":"(.*?)"', received)
    assert statuses == [b"201"] * 3 + [b"200"] + [b"201"] * 3 + [b"409"]
    assert len(starts) == 6
    assert starts == sorted(starts)


def test_a_spike_of_requests_is_answered(one: Processes) -> None:
    """The server has THREADS threads. The test sends three times as many requests at the same time."""
    with ThreadPoolExecutor(3 * THREADS) as clients:
        writes = [clients.submit(reserve, one, 10 + number // 23, number % 23) for number in range(3 * THREADS)]
        reads = [clients.submit(requests.get, url(one, "/replica/log"), timeout=BOUND_S) for _ in range(THREADS)]
        assert [write.result(BOUND_S) for write in writes] == [201] * len(writes)
        assert [read.result(BOUND_S).status_code for read in reads] == [200] * len(reads)


def test_when_redis_is_killed_waiting_requests_are_refused_and_the_next_are_served(one: Processes) -> None:
    with ThreadPoolExecutor(CLIENTS) as clients:
        pid = redis_pid(one)
        os.kill(pid, signal.SIGSTOP)
        writes = [clients.submit(reserve, one, 2, hour) for hour in range(CLIENTS)]
        assert requests.get(url(one, "/openapi.json"), timeout=5).ok
        os.kill(pid, signal.SIGKILL)
        assert {write.result(BOUND_S) for write in writes} <= {201, 503}
    wait_until(lambda: reserve(one, 3, 9) == 201)
    assert requests.get(url(one, CALENDAR), timeout=BOUND_S).ok


CLOSE = b"\r\nConnection: close\r\n\r\n"


def test_a_client_that_reads_nothing_holds_up_nobody() -> None:
    body = b"x" * 1024 * 1024
    count = 40  # far more than a connection may have unsent

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        large = environ["PATH_INFO"] == "/large"
        start_response("200 OK", [("Content-Length", str(len(body) if large else 0))])
        return [body] if large else []

    server = WebServer(app, Address("127.0.0.1", 0))
    server.start()
    try:
        with socket.create_connection((server.address.host, server.address.port), BOUND_S) as slow:
            slow.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n" * count)
            for _ in range(20):
                assert requests.get(f"http://{server.address}/", timeout=20).ok
            received = 0
            while received < count * len(body):
                received += len(slow.recv(1 << 20))
        assert requests.get(f"http://{server.address}/", timeout=20).ok
    finally:
        server.stop()
