"""Which web pages may talk to a replica: the status and the CORS headers for a method, path, Host and Origin."""

from __future__ import annotations

from pathlib import Path

import pytest

from replica.config import parse
from tests.support.replica_harness import Harness

OWN, PEER, PEER_BY_NAME = "http://127.0.0.1:8001", "http://127.0.0.1:8002", "http://localhost:8002"
CREATED = "http://127.0.0.1:8004"  # a server that has joined, which the configuration does not name
FOREIGN = "http://evil.example"
HOST = "127.0.0.1:8001"


@pytest.mark.parametrize(
    "case",
    [
        ("POST", "/replica/commit", HOST, None, 200, False),
        ("POST", "/replica/commit", HOST, OWN, 200, True),
        ("POST", "/replica/commit", "localhost:8001", "http://localhost:8001", 200, True),
        ("POST", "/replica/commit", HOST, FOREIGN, 403, False),
        ("POST", "/replica/commit", HOST, PEER, 200, True),
        ("POST", "/replica/sync/two", HOST, CREATED, 200, True),
        ("POST", "/replica/truncate", HOST, FOREIGN, 403, False),
        ("POST", "/replica/commit", HOST, "null", 403, False),
        ("POST", "/replica/commit", HOST, "", 403, False),
        ("POST", "/replica/commit", HOST, "http://127.0.0.1", 403, False),
        ("POST", "/notes", HOST, PEER, 403, False),
        ("GET", "/notes", HOST, PEER, 200, False),
        ("GET", "/replica", HOST, PEER, 200, True),
        ("GET", "/replica", HOST, PEER_BY_NAME, 200, True),
        ("GET", "/replica", HOST, CREATED, 200, True),
        ("PUT", "/replica/links/two", HOST, CREATED, 200, True),
        ("POST", "/notes", HOST, CREATED, 403, False),
        ("GET", "/replica", HOST, "http://127.0.0.1:8005", 200, False),
        ("GET", "/replica", HOST, FOREIGN, 200, False),
        ("GET", "/replica/log", HOST, PEER, 200, True),
        ("PUT", "/replica/links/two", HOST, PEER, 200, True),
        ("PUT", "/replica/links/two", HOST, FOREIGN, 403, False),
        ("GET", "/replica", "evil.example", None, 403, False),
        ("GET", "/replica", "evil.example:8001", "http://evil.example:8001", 403, False),
        ("POST", "/replica/commit", "evil.example", "http://evil.example", 403, False),
        ("GET", "/replica", "[::1]:8001", None, 200, False),
    ],
)
def test_origin_and_host(case: tuple[str, str, str, str | None, int, bool]) -> None:
    method, path, host, origin, status, permitted = case
    harness = Harness()
    before = harness.what_is_recorded()
    headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
    body = {"up": False} if method == "PUT" else {"keep": 0} if path == "/replica/truncate" else None
    response = harness.app.test_client().open(path, method=method, headers=headers, json=body)
    assert response.status_code == status
    assert response.headers.get("Access-Control-Allow-Origin") == (origin if permitted else None)
    if status == 403:
        assert response.get_json()["error"]["code"] == "cross_site"
        assert harness.what_is_recorded() == before


@pytest.mark.parametrize(
    ("path", "asked", "origin", "permitted"),
    [
        ("/replica/links/two", "PUT", PEER, True),
        ("/replica/links/two", "PUT", FOREIGN, False),
        ("/replica/commit", "POST", PEER, True),
        ("/replica/commit", "POST", FOREIGN, False),
        ("/notes", "POST", PEER, False),
    ],
)
def test_a_preflight_is_answered_for_the_requested_method(path: str, asked: str, origin: str, permitted: bool) -> None:
    headers = {"Host": HOST, "Origin": origin, "Access-Control-Request-Method": asked}
    response = Harness().app.test_client().options(path, headers=headers)
    assert response.status_code == 200
    assert ("Access-Control-Allow-Origin" in response.headers) == permitted


@pytest.mark.parametrize("auth", ["none", "tokens"])
@pytest.mark.parametrize("rest", ["0.0.0.0:8001", "rooms.example:8001"])
def test_without_tokens_a_replica_that_others_can_reach_answers_to_configured_names(rest: str, auth: str) -> None:
    text = f"cluster: c\nprimary: one\nauth: {auth}\nreplicas: {{one: {{rest: {rest}, anti_entropy: 127.0.0.1:9001}}}}"
    client = Harness(parse(text, Path("config.yaml"))).app.test_client()

    def status(host: str) -> int:
        return client.get("/metrics", headers={"Host": host}).status_code

    assert status("10.0.6.1:8001") == status("[fe80::1]:8001") == status("localhost:8001") == 200
    assert (status("rooms.example:8001") == 200) == (auth == "tokens" or rest.startswith("rooms"))
    assert (status("evil.example:8001") == 200) == (auth == "tokens")
    headers = {"Host": "10.0.6.1:8001", "Origin": FOREIGN}
    assert client.post("/replica/commit", headers=headers).status_code == 403


@pytest.mark.parametrize("auth", ["tokens", "proxy, proxies: [127.0.0.1]"])
def test_with_a_login_a_page_of_another_replica_may_cut_links_but_not_commit(auth: str) -> None:
    replicas = ", ".join(
        f"{label}: {{rest: 127.0.0.1:800{at}, anti_entropy: 127.0.0.1:900{at}}}"
        for at, label in ((1, "one"), (2, "two"))
    )
    text = f"{{cluster: c, primary: one, auth: {auth}, replicas: {{{replicas}}}}}"
    client = Harness(parse(text, Path("config.yaml"))).app.test_client()
    headers = {"Host": HOST, "Origin": PEER}
    refused = client.post("/replica/commit", headers=headers)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (403, "cross_site")
    for method, path, permitted in (("POST", "/replica/commit", False), ("PUT", "/replica/links/two", True)):
        asked = client.options(path, headers=headers | {"Access-Control-Request-Method": method})
        assert ("Access-Control-Allow-Origin" in asked.headers) == permitted


def test_behind_a_proxy_a_replica_answers_to_its_public_name() -> None:
    """The proxy keeps the public name of the replica in the Host header, and the replica accepts this name.

    A web page of another replica may read from this replica, and may ask this replica to commit.
    """
    one, two = "one.example.org", "two.example.org"
    text = (
        f"cluster: c\nprimary: one\nreplicas:\n  one: {{rest: 127.0.0.1:8001, anti_entropy: a:9001, public: {one}}}\n"
        f"  two: {{rest: 127.0.0.1:8002, anti_entropy: b:9001, public: {two}}}"
    )
    client = Harness(parse(text, Path("config.yaml"))).app.test_client()
    own = {"Host": one, "Origin": f"https://{one}"}
    assert client.post("/replica/commit", headers=own).status_code == 200
    peer = {"Host": one, "Origin": f"https://{two}"}
    assert client.get("/replica", headers=peer).headers["Access-Control-Allow-Origin"] == f"https://{two}"
    assert client.post("/replica/commit", headers=peer).status_code == 200
    assert client.get("/replica", headers={"Host": "evil.example.org"}).status_code == 403
    shown = client.get("/cluster", headers={"Host": one}).get_json()["replicas"]
    assert [replica["address"] for replica in shown][:2] == [f"https://{one}", f"https://{two}"]
