"""The control endpoint of `cluster.py up` and `cluster.py class`: who may use it, and what each request does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bayou.errors import Conflict
from cluster.control import Control
from cluster.rest import Answer, Request, send
from replica.config import parse

SETTINGS = parse(
    """
cluster: c
primary: one
replicas:
  one: {rest: 127.0.0.1:8001, anti_entropy: 127.0.0.1:9001}
  two: {rest: 127.0.0.1:8002, anti_entropy: 127.0.0.1:9002}
""",
    Path("config.yaml"),
)
PAGE = {"Origin": "http://127.0.0.1:8001"}


class Endpoint:
    """A control endpoint that only records the requested actions. For example, a request for a crash crashes no
    replica."""

    def __init__(self, *, resets: bool) -> None:
        self.acts: list[tuple[str, str | None]] = []
        self.claims = 0
        self.is_stopping = False
        self.control = Control(SETTINGS, self.act, self.note_claim, resets=resets)

    def act(self, name: str, label: str | None) -> None:
        if self.is_stopping:
            raise Conflict("stopping", "The cluster is being stopped.")
        self.acts.append((name, label))

    def note_claim(self) -> None:
        self.claims += 1

    @property
    def key(self) -> str:
        return self.control.page_address.rpartition(".")[2]

    def post(self, path: str, headers: dict[str, str] = PAGE, **body: object) -> Answer:
        return send(str(self.control.address), Request("POST", path, body, headers), 20)

    def claim(self) -> str:
        return str(self.post("/claim", key=self.key).body["token"])


@pytest.fixture(params=[True, False], ids=["class", "up"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    found = Endpoint(resets=request.param)
    yield found
    found.control.close()


def test_a_page_with_the_key_crashes_and_restarts_replicas(endpoint: Endpoint) -> None:
    assert endpoint.control.page_address.startswith("http://127.0.0.1:8001/cluster#control=")
    token = endpoint.claim()
    for name in ("crash", "restart"):
        answer = endpoint.post(f"/{name}/two", token=token)
        assert (answer.status, answer.body) == (200, {})
    assert endpoint.acts == [("crash", "two"), ("restart", "two")]
    endpoint.is_stopping = True
    assert endpoint.post("/crash/one", token=token).code == "stopping"


def test_only_a_class_starts_over(endpoint: Endpoint) -> None:
    answer = endpoint.post("/claim", key=endpoint.key)
    status = endpoint.post("/reset", token=answer.body["token"]).status
    resets = answer.body["resets"]
    assert (status, endpoint.acts) == ((200, [("reset", None)]) if resets else (404, []))


def test_a_key_counts_once(endpoint: Endpoint) -> None:
    first = endpoint.key
    token = endpoint.claim()
    assert endpoint.claims == 1
    refused = endpoint.post("/claim", key=first)
    assert (refused.status, refused.code) == (403, "key_used")
    assert endpoint.key != first
    other = endpoint.claim()  # a second page, with the key that the terminal shows now
    assert other != token
    assert endpoint.post("/crash/one", token=token).status == endpoint.post("/crash/one", token=other).status == 200


@pytest.mark.parametrize("token", ["", "0" * 32, "é", 7, None])
def test_a_wrong_token_does_nothing(endpoint: Endpoint, token: object) -> None:
    endpoint.claim()
    refused = endpoint.post("/crash/one", token=token)
    assert (refused.status, refused.code, endpoint.acts) == (403, "token_wrong", [])
    assert endpoint.post("/claim", key=token).code == "key_used"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8003"},
        PAGE | {"Host": "evil.example"},
        PAGE | {"Host": "localhost"},
    ],
)
def test_other_origins_and_hosts_are_refused_even_with_the_key(endpoint: Endpoint, headers: dict[str, str]) -> None:
    refused = endpoint.post("/claim", headers, key=endpoint.key)
    assert (refused.status, refused.code, endpoint.claims) == (403, "cross_site", 0)
    token = endpoint.claim()
    assert endpoint.post("/crash/one", headers, token=token).status == 403
    assert endpoint.acts == []


def test_a_page_at_another_name_of_this_machine_is_let_in(endpoint: Endpoint) -> None:
    for origin in ("http://localhost:8002", "http://[::1]:8001"):
        assert endpoint.post("/claim", {"Origin": origin}, key=endpoint.key).status == 200


def test_what_cannot_be_read_is_refused(endpoint: Endpoint) -> None:
    token = endpoint.claim()
    for path in ("/crash/three", "/crash", "/crash/one/two", "/explode/one", "/", "//"):
        assert endpoint.post(path, token=token).status == 404
    for content in (b"", b"[]", b"{", b"[" * 5000, b'{"token": "' + b"x" * 5000):
        answer = send(str(endpoint.control.address), Request("POST", "/crash/one", headers=PAGE, content=content), 20)
        assert answer.status in {400, 403}
    assert endpoint.acts == []
