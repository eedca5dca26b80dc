"""Refusals over HTTP: each request gets the expected status, code and field, and changes nothing."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import redis

from apps.api.endpoint import BODY_BYTES_MAX
from bayou.errors import Away, BadInput, Behind, Conflict, Forbidden, Refusal, TooLarge, TooMany, Unauthorized, Unknown
from replica.http.errors import STATUS_BY_KIND
from tests.support.replica_harness import Harness

VISH = {"Bayou-User": "vish"}
JSON = {"Content-Type": "application/json"}
WRITING = VISH | JSON
DEEP = b"[" * 100_000

Case = tuple[str, str, dict[str, str], bytes | None, int, str, str | None]
REFUSED: list[Case] = [
    ("GET", "/nothing", {}, None, 404, "not_found", None),
    ("POST", "/nothing", WRITING, b"{}", 404, "not_found", None),
    ("PUT", "/notes", WRITING, b"{}", 405, "method_not_allowed", None),
    ("DELETE", "/replica", VISH, None, 405, "method_not_allowed", None),
    ("POST", "/notes", JSON, b"{}", 401, "user_missing", None),
    ("POST", "/notes", JSON | {"Bayou-User": ""}, b"{}", 400, "bad_input", "Bayou-User"),
    ("POST", "/notes", JSON | {"Bayou-User": ".."}, b"{}", 400, "bad_input", "Bayou-User"),
    ("POST", "/notes", JSON | {"Bayou-User": "a b"}, b"{}", 400, "bad_input", "Bayou-User"),
    ("POST", "/notes", JSON | {"Bayou-User": "a" * 65}, b"{}", 400, "bad_input", "Bayou-User"),
    ("POST", "/notes", JSON | {"Bayou-User": "pri\xffyal"}, b"{}", 400, "bad_input", "Bayou-User"),
    ("POST", "/notes", WRITING, b"{", 400, "bad_input", "body"),
    ("POST", "/notes", WRITING, b"", 400, "bad_input", "body"),
    ("POST", "/notes", WRITING, b"\xff", 400, "bad_input", "body"),
    ("POST", "/notes", WRITING, b'{"a": NaN}', 400, "bad_input", "body"),
    ("POST", "/notes", WRITING, b'{"a": "\\ud800"}', 400, "bad_input", "body"),
    ("POST", "/notes", WRITING, DEEP, 400, "bad_input", "body"),
    ("POST", "/notes", WRITING, b" " * (BODY_BYTES_MAX + 1), 413, "too_large", None),
    ("POST", "/replica/sync/four", VISH, None, 404, "peer_unknown", None),
    ("PUT", "/replica/links/four", WRITING, b'{"up": true}', 404, "peer_unknown", None),
    ("PUT", "/replica/links/two", WRITING, b'{"up": 1}', 400, "bad_input", "up"),
    ("PUT", "/replica/links/two", WRITING, b'{"up": true, "for": 5}', 400, "bad_input", "for"),
    ("PUT", "/replica/links/two", WRITING, b"[]", 400, "bad_input", "body"),
    ("GET", "/replica/log?after=me", {}, None, 400, "bad_input", "after"),
    ("GET", "/replica/log?after=0000000000000009@x", {}, None, 404, "write_unknown", None),
    ("GET", "/replica/log?limit=0", {}, None, 400, "bad_input", "limit"),
    ("GET", "/replica/log?limit=1001", {}, None, 400, "bad_input", "limit"),
    ("GET", "/replica/log?limit=ten", {}, None, 400, "bad_input", "limit"),
    ("GET", "/replica/log?from=1", {}, None, 400, "bad_input", "from"),
    ("GET", "/events?after=now", {}, None, 400, "bad_input", "after"),
    ("GET", "/events", {"Last-Event-ID": "1"}, None, 400, "bad_input", "after"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[0]} {case[1]} {case[5]}")
def test_a_refusal_has_one_shape_and_changes_nothing(case: Case) -> None:
    method, path, headers, body, status, code, field = case
    harness = Harness()
    before = harness.what_is_recorded()
    response = harness.app.test_client().open(path, method=method, headers=headers, data=body)
    assert response.status_code == status
    assert response.content_type == "application/json"
    error = _error(response.get_data())
    assert (error["code"], error["details"].get("field")) == (code, field)
    assert error["message"].endswith(".")
    assert harness.what_is_recorded() == before


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (BadInput, 400),
        (Unauthorized, 401),
        (Forbidden, 403),
        (Unknown, 404),
        (Conflict, 409),
        (Behind, 412),
        (TooLarge, 413),
        (TooMany, 429),
        (Away, 503),
    ],
)
def test_each_kind_of_refusal_has_its_status(kind: type[Refusal], status: int) -> None:
    assert set(STATUS_BY_KIND) == set(Refusal.__subclasses__())
    harness = Harness(faults={"it": kind("a_code", "It happened.", taken=["é"])})
    response = harness.app.test_client().get("/notes?fault=it")
    assert response.status_code == status
    assert _error(response.get_data()) == {"code": "a_code", "message": "It happened.", "details": {"taken": ["é"]}}
    assert ("Retry-After" in response.headers) == (status in {429, 503})


@pytest.mark.parametrize(
    "fault",
    [
        redis.ConnectionError("Connection refused"),
        redis.TimeoutError("Timeout reading from socket"),
        redis.BusyLoadingError("LOADING Redis is loading the dataset in memory"),
        redis.ReadOnlyError("READONLY You can't write against a read only replica."),
        redis.ResponseError("Error running script: -OOM command not allowed when used memory > 'maxmemory'."),
        redis.OutOfMemoryError("command not allowed when used memory > 'maxmemory'. script: on @user_script:1."),
        redis.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
    ],
)
def test_a_redis_that_cannot_serve_gives_503(fault: Exception) -> None:
    harness = Harness()
    harness.store.fault = fault
    response = harness.app.test_client().post("/notes", headers=WRITING, data=b"{}")
    assert (response.status_code, _error(response.get_data())["code"]) == (503, "storage_away")
    assert response.headers["Retry-After"] == "1"
    assert harness.peers.new_writes == 0


@pytest.mark.parametrize("fault", [ZeroDivisionError("a secret"), redis.ResponseError("WRONGTYPE a secret")])
def test_an_unexpected_error_is_logged_under_an_id(fault: Exception, caplog: pytest.LogCaptureFixture) -> None:
    harness = Harness()
    harness.store.fault = fault
    with caplog.at_level(logging.ERROR):
        response = harness.app.test_client().get("/replica")
    error = _error(response.get_data())
    assert (response.status_code, error["code"]) == (500, "internal")
    assert b"secret" not in response.get_data()
    assert error["details"]["incident"] in caplog.text
    assert "a secret" in caplog.text


def test_405_names_what_is_allowed() -> None:
    response = Harness().app.test_client().delete("/replica/log")
    assert response.headers["Allow"] == "GET"
    assert _error(response.get_data())["details"] == {"allowed": ["GET"]}


def test_a_body_within_the_limit_is_accepted() -> None:
    harness = Harness()
    body = json.dumps({"text": "x" * (BODY_BYTES_MAX - 100)}).encode()
    assert harness.app.test_client().post("/notes", headers=WRITING, data=body).status_code == 201


def _error(body: bytes) -> dict[str, Any]:
    answer = json.loads(body)
    assert set(answer) == {"error"}
    assert set(answer["error"]) == {"code", "message", "details"}
    return dict(answer["error"])
