"""Strangers send valid and invalid requests over a raw socket. The server answers or refuses each request. The status
is never 5xx, and nothing is logged."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
from collections.abc import Iterator

import pytest
from flask import Flask

from apps.api.endpoint import Endpoint
from replica import log_limit
from replica.config import Address
from replica.log_limit import RECORDS_MAX, LogLimit
from tests.replica.test_openapi import app, endpoints, parts
from tests.support.web_server import served

__all__ = ["app", "endpoints", "parts"]  # fixtures

BOUND_S = 30
SILENT_S = 0.2  # how long the fuzz waits for an answer: some of its requests are incomplete
REQUESTS = 1500
METHODS = b"GET POST PUT DELETE PATCH HEAD OPTIONS TRACE CONNECT BREW".split()
BITS = (
    b'%0a %00 %0D%0A %ff %C3%A9 %ED%A0%80 %E2%80%AE %2f %zz % .. / // ? # & = [ ] @ : ; | \\ " < \xff \x7f %7B%7D 6.12'
    b" vish x limit after csn v from to volume view request http://[ http://a:b/ 9999-12-31 -1"
).split()
HEADERS = (
    b"Host Origin Bayou-User Bayou-Session Bayou-Guarantees Bayou-Wait Last-Event-ID Authorization Cookie Accept"
    b" Content-Type Content-Length Transfer-Encoding Content-Encoding If-None-Match If-Modified-Since If-Range Range"
    b" Expect Upgrade Connection Forwarded X-Forwarded-For Access-Control-Request-Method Sec-WebSocket-Key"
).split()
VALUES = [
    *b"http://[ http://[v1.] http://\xe2\x84\x80 http://[::1 [ [::1%25x] a]b a..b :: null localhost vish".split(),
    *b'1\xb2 -1 9e99 99999999999999999999999 */*;q=1e999 bytes=0- W/"x " === Zm9v Bearer websocket upgrade'.split(),
    *b"\xff\xfe chunked gzip 100-continue 100-C\xf6 eyJy RYW,,MR bayou_token=\xff; , multipart/form-data".split(),
    b"Basic \xff",
    b"Basic Zm9v",
    b"text/plain; charset=utf-99",
    b"Sat, 99 Foo",
    b"x" * 300,
    b"x" * 9000,
]
BODIES = [
    b"",
    b"{}",
    b"{",
    b"\xff",
    b"[]",
    b"null",
    b'{"a":"\\ud800"}',
    b"a=%ff&b",
    b"3\r\nabc\r\n0\r\n\r\n",
    b"[" * 5000,
]


@pytest.fixture
def address(app: Flask) -> Iterator[Address]:
    with served(app) as found:
        yield found


def answered(address: Address, sent: bytes, silent_s: float = BOUND_S) -> bytes:
    """Send these bytes, and return what comes back until the server closes the connection or is silent."""
    received = b""
    with socket.create_connection((address.host, address.port), BOUND_S) as connection:
        connection.sendall(sent)
        connection.settimeout(silent_s)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while chunk := connection.recv(1 << 16):
                received += chunk
    return received


def random_request(chance: random.Random, paths: list[bytes]) -> bytes:
    path = chance.choice(paths)
    for _ in range(chance.randrange(3)):
        path += chance.choice(BITS)
    if chance.random() < 0.4:
        path += b"?%s=%s" % (chance.choice(BITS), chance.choice(BITS))
    headers = [(b"Host", b"localhost")] if chance.random() < 0.95 else []
    headers += [(chance.choice(HEADERS), chance.choice(VALUES)) for _ in range(chance.randrange(4))]
    if body := chance.choice(BODIES):
        headers.append((b"Content-Length", b"%d" % len(body)))
    head = b"".join(b"%s: %s\r\n" % header for header in [*headers, (b"Connection", b"close")])
    return b"%s %s HTTP/1.%d\r\n%s\r\n%s" % (chance.choice(METHODS), path, chance.randrange(2), head, body)


@pytest.mark.parametrize("seed", range(2))
def test_no_request_makes_the_replica_fail(
    seed: int, address: Address, endpoints: list[Endpoint], caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(seed)
    paths = [found.path.replace("{+name}", "base.css").encode() for found in endpoints if not found.is_endless]
    paths = [part.replace(b"{", b"").replace(b"}", b"") for part in paths]
    for _ in range(REQUESTS):
        request = random_request(chance, [*paths, b"/", b"*", b"http://[", b"http://localhost/", b"x:1"])
        status = answered(address, request, SILENT_S)[:12]
        assert b" 5" not in status, request
    assert caplog.text == ""


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /x%0ay HTTP/1.1\r\nHost: localhost\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[v1.]\r\n",
        b"GET / HTTP/1.1\r\nHost: [\r\n",
        b"GET / HTTP/1.1\r\nHost: a..b\r\n",
        b"GET / HTTP/1.1\r\nHost: " + b"x" * 64 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: \xff\r\n",
        b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\nExpect: \xff\r\n",
        b"DELETE /login%2f%2f HTTP/1.1\r\nHost: localhost\r\n",
        b"GET http://[]@ HTTP/1.1\r\nHost: localhost\r\n",
    ],
    ids=lambda sent: repr(sent[:70]),
)
def test_a_request_that_once_made_a_replica_fail_is_answered(
    request_: bytes, address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    status = answered(address, request_ + b"Connection: close\r\n\r\n").split(b" ", 2)[1]
    assert status in {b"200", b"400", b"403", b"404", b"405", b"417"}
    assert caplog.text == ""


def test_a_client_that_leaves_before_its_answer_leaves_nothing_in_the_log(
    address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        for sent in (
            b"GET /openapi.json HTTP/1.1\r\n",
            b"POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n",
        ):
            with socket.create_connection((address.host, address.port), BOUND_S) as connection:
                connection.sendall(sent + b"Host: localhost\r\n\r\n")
    assert b" 200 " in answered(address, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert caplog.text == ""


def test_each_line_of_code_logs_a_bounded_number_of_records(caplog: pytest.LogCaptureFixture) -> None:
    now_s, logger = [0.0], logging.getLogger("bayou.replica")

    def many(count: int) -> None:
        for number in range(count):
            logger.warning("one thing at %s", number)

    caplog.handler.addFilter(limit := LogLimit(lambda: now_s[0]))
    try:
        many(RECORDS_MAX + 7)
        logger.warning("another thing")
        now_s[0] += log_limit.WINDOW_S
        many(1)
    finally:
        caplog.handler.removeFilter(limit)
    assert [record.getMessage() for record in caplog.records][RECORDS_MAX:] == [
        "another thing",
        "one thing at 0 (before this, 7 like it were not logged)",
    ]
