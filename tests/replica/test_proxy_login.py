"""`auth: proxy`: a trusted proxy names the user and the user's groups. Everything else works as with `auth: tokens`."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.people.tokens import hash_of, new_token
from replica.config import Address, ConfigError, parse
from storage.store import Store
from tests.support import sides_harness
from tests.support.sides_harness import meet, new_stores
from tests.support.web_server import served

PROXY = "10.0.6.9"
OPERATOR = new_token("operator")
TEXT = """
cluster: building-6
primary: one
auth: proxy
proxies: [10.0.6.9, 127.0.0.1]
proxy_login:
  roles: {facility managers: manager, staff: user}
rooms: ["6.12"]
replicas:
  one: {rest: 127.0.0.1:8001, anti_entropy: 127.0.0.1:9001}
  two: {rest: 127.0.0.1:8002, anti_entropy: 127.0.0.1:9002}
"""


class Side(sides_harness.Side):
    """A replica with `auth: proxy`. The trusted proxy names the user and the user's groups."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, parse(TEXT, Path("config.yaml")), operator_hash=hash_of(OPERATOR))

    def ask(self, method: str, path: str, user: str = "", groups: str = "", **given: Any) -> Any:
        """Send a request as the proxy does for a user who has logged in at the proxy. `given` may have other `headers`,
        and `source`, the address of the sender."""
        headers = {"X-Forwarded-User": user, "X-Forwarded-Groups": groups} | given.pop("headers", {})
        sent = {name: value for name, value in headers.items() if value}
        environ = {"REMOTE_ADDR": given.pop("source", PROXY)}
        client = self.app.test_client()
        return client.open(path, method=method, headers=sent, environ_overrides=environ, **given)

    def with_token(self, method: str, path: str, token: str, **given: Any) -> Any:
        source = given.pop("source", "192.0.2.7")
        return self.ask(method, path, headers={"Authorization": f"Bearer {token}"}, source=source, **given)

    def reserve(self, user: str, request: str, groups: str = "staff") -> Any:
        day = 1 + ord(request) - ord("a")  # so that no two reservations are at one time
        slot = {"start": f"2099-12-{day:02}T09:00Z", "end": f"2099-12-{day:02}T10:00Z"}
        body = {"room": "6.12", "slots": [slot], "purpose": "tea", "request": request}
        return self.ask("POST", "/reservations", user, groups, json=body)


@pytest.fixture
def sides() -> tuple[Side, Side]:
    one, two = new_stores(parse(TEXT, Path("config.yaml")), 14, "one", "two")
    return Side(one), Side(two)


@pytest.fixture
def one(sides: tuple[Side, Side]) -> Side:
    return sides[0]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]["code"]


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        ("staff", "user"),
        ("staff, facility managers", "manager"),
        ("facility managers,staff", "manager"),
        ("others", "guest"),
        ("Staff", "guest"),
        ("", "guest"),
    ],
)
def test_groups_give_the_role(one: Side, groups: str, role: str) -> None:
    assert one.ask("GET", "/login", "vish", groups).json == {"auth": "proxy", "user": "vish", "role": role}
    assert one.ask("GET", "/rooms", "vish", groups).status_code == 200
    assert (one.ask("GET", "/replica", "vish", groups).status_code == 200) == (role != "guest")
    assert (one.ask("GET", "/people", "vish", groups).status_code == 200) == (role == "manager")


def test_a_user_of_the_proxy_writes_under_their_name_only(one: Side) -> None:
    assert one.reserve("vish", "a").json["id"] == "vish/a"
    answer = one.ask("DELETE", "/reservations/vish/a", "neil", "staff")
    assert code(answer) == (403, "not_owner")
    answer = one.ask("DELETE", "/reservations/vish/a", "neil", "staff", headers={"Bayou-User": "vish"})
    assert code(answer) == (403, "forbidden")
    assert one.ask("DELETE", "/reservations/vish/a", "vish", "staff", headers={"Bayou-User": "vish"}).status_code == 200


@pytest.mark.parametrize("headers", [{"X-Forwarded-User": "vish"}, {"X-Forwarded-Groups": "facility managers"}])
def test_the_headers_count_from_the_proxy_only(one: Side, headers: dict[str, str]) -> None:
    for path in ("/replica", "/login"):
        answer = one.ask("GET", path, headers=headers, source="192.0.2.7")
        assert code(answer) == (401, "proxy_unknown")
        assert "comes from 192.0.2.7. Send the request to the proxy" in answer.json["error"]["message"]
    token = one.with_token("POST", "/people", OPERATOR, json={"name": "boss", "role": "manager"}).json["token"]
    both = headers | {"Authorization": f"Bearer {token}"}
    assert code(one.ask("GET", "/replica", headers=both, source="192.0.2.7")) == (401, "proxy_unknown")


def test_a_proxy_that_names_nobody_gives_no_access(one: Side) -> None:
    for groups in ("", "facility managers"):
        answer = one.ask("GET", "/replica", groups=groups)
        assert code(answer) == (401, "token_missing")
        assert "Log in at the proxy, which must send the header X-Forwarded-User." in answer.json["error"]["message"]
    assert one.ask("GET", "/login").json == {"auth": "tokens", "user": None, "role": None}


@pytest.mark.parametrize("name", ["vish,neil", "vish neil", "AD\\vish", "operator", "é", "..", "x" * 65])
def test_a_name_that_is_no_user_is_refused(one: Side, name: str) -> None:
    answer = one.ask("GET", "/replica", name, "staff")
    assert (code(answer), answer.json["error"]["details"]["field"]) == ((400, "bad_input"), "X-Forwarded-User")


def test_tokens_serve_beside_the_proxy(one: Side) -> None:
    token = one.with_token("POST", "/people", OPERATOR, json={"name": "vish", "role": "user"}).json["token"]
    for source in (PROXY, "192.0.2.7"):
        assert one.with_token("GET", "/login", token, source=source).json == {
            "auth": "tokens",
            "user": "vish",
            "role": "user",
        }
    # If the proxy names a user, the header Authorization does not count. The proxy may put the user's password there.
    headers = {"Authorization": "Basic dmlzaDpwYXNzd29yZA=="}
    assert one.ask("GET", "/login", "vish", "staff", headers=headers).json["auth"] == "proxy"


def test_a_person_of_the_cluster_has_at_most_the_role_given_in_the_cluster_and_can_be_revoked(one: Side) -> None:
    one.with_token("POST", "/people", OPERATOR, json={"name": "vish", "role": "user"})
    assert one.ask("GET", "/login", "vish", "facility managers").json["role"] == "user"
    assert one.ask("GET", "/login", "vish", "others").json["role"] == "guest"
    assert one.with_token("DELETE", "/people/vish", OPERATOR).status_code == 200
    for path in ("/replica", "/rooms", "/login"):
        answer = one.ask("GET", path, "vish", "staff")
        assert code(answer) == (403, "forbidden")
        assert "vish has been revoked in this cluster." in answer.json["error"]["message"]


def test_a_manager_of_the_proxy_manages_people_and_the_cluster(one: Side) -> None:
    answer = one.ask("POST", "/people", "boss", "facility managers", json={"name": "vish", "role": "user"})
    assert answer.status_code == 201, answer.json
    assert one.with_token("GET", "/replica", answer.json["token"]).status_code == 200
    listed = one.ask("GET", "/people", "boss", "facility managers").json["people"]
    assert listed == [{"name": "boss", "role": "manager"}, {"name": "vish", "role": "user"}]


def test_users_of_the_proxy_are_no_people_of_the_cluster(one: Side) -> None:
    assert one.reserve("vish", "a").status_code == 201
    assert one.ask("GET", "/replica", "boss", "facility managers").status_code == 200
    assert one.with_token("GET", "/people", OPERATOR).json["people"] == []


def test_a_write_keeps_the_role_with_which_it_was_accepted(sides: tuple[Side, Side]) -> None:
    """While cut off, `two` accepts a manager's cancel. Meanwhile the manager leaves the group of managers; only the
    proxy knows of this. The cancel keeps its effect at every replica, but later requests that need the role are
    refused."""
    one, two = sides
    one.reserve("vish", "a")
    meet(two.store, one.store)
    cancelled = two.ask("DELETE", "/reservations/vish/a?reason=painted", "boss", "facility managers")
    assert cancelled.json["state"] == "cancelled"
    one.reserve("vish", "b")
    assert code(one.ask("DELETE", "/reservations/vish/b?reason=mine", "boss", "staff")) == (403, "not_owner")
    meet(two.store, one.store)
    for side in sides:
        shown = side.ask("GET", "/reservations/vish/a", "vish", "staff").json
        assert (shown["state"], shown["final"]) == ("cancelled", True)
        assert shown["reason"]["message"] == "Cancelled by boss: painted"
    assert one.store.digest() == two.store.digest()


def test_a_revocation_in_the_cluster_counts_where_a_write_is_committed(sides: tuple[Side, Side]) -> None:
    one, two = sides
    one.with_token("POST", "/people", OPERATOR, json={"name": "vish", "role": "user"})
    one.with_token("DELETE", "/people/vish", OPERATOR)
    assert two.reserve("vish", "a").json["state"] == "tentative"  # `two` does not know of the revocation
    meet(two.store, one.store)
    for side in sides:
        assert side.ask("GET", "/reservations/vish/a", "neil", "staff").json["state"] == "rejected"


def test_two_replicas_that_are_cut_off_may_both_meet_a_manager_for_the_first_time(sides: tuple[Side, Side]) -> None:
    one, two = sides
    for side, name in ((one, "a"), (two, "b")):
        assert side.reserve("vish", name).status_code == 201
        path = f"/reservations/vish/{name}?reason=painted"
        assert side.ask("DELETE", path, "boss", "facility managers").status_code == 200
    meet(two.store, one.store)
    for name in ("a", "b"):
        for side in sides:
            assert side.ask("GET", f"/reservations/vish/{name}", "vish", "staff").json["state"] == "cancelled"
    assert one.store.digest() == two.store.digest()


def test_a_page_of_another_site_cannot_use_the_login_of_the_proxy(one: Side) -> None:
    headers = {"Host": "evil.example"}
    assert code(one.ask("GET", "/rooms", "vish", "staff", headers=headers)) == (403, "cross_site")
    headers = {"Host": "127.0.0.1:8001", "Origin": "https://evil.example"}
    answer = one.ask("POST", "/reservations", "vish", "staff", headers=headers, json={})
    assert code(answer) == (403, "cross_site")


@pytest.fixture
def address(one: Side) -> Iterator[Address]:
    with served(one.app, ["127.0.0.1"]) as found:
        yield found


def answered(address: Address, *headers: tuple[str, str]) -> tuple[int, bytes]:
    """Send GET /login with these headers from 127.0.0.1, the address of the proxy. Return (status, body)."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=30)
    connection.putrequest("GET", "/login")
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.read().rstrip()
    connection.close()
    return found


@pytest.mark.process
def test_smuggled_headers_are_refused_or_do_not_count(address: Address) -> None:
    """The client sends headers with the same names as the proxy's headers, or with similar names. The proxy adds its
    own headers, and does not remove the headers of the client."""
    user, groups = ("X-Forwarded-User", "vish"), ("X-Forwarded-Groups", "staff")
    expected = (200, b'{"auth":"proxy","user":"vish","role":"user"}')
    assert answered(address, user, groups) == expected
    for smuggled in (
        ("X-Forwarded-User", "boss"),
        ("x-forwarded-user", "vish"),
        ("X-Forwarded-Groups", "facility managers"),
    ):
        for headers in ((smuggled, user, groups), (user, groups, smuggled)):
            status, said = answered(address, *headers)
            assert status == 400
            assert b"came more than once. The proxy must replace the header that its client sends." in said
    for harmless in (
        ("X_Forwarded_User", "boss"),
        ("X-Forwarded_Groups", "facility managers"),
        ("X_FORWARDED_GROUPS", "x"),
    ):
        assert answered(address, harmless, user, groups) == expected
    assert answered(address, ("X_Forwarded_User", "boss"))[1] == b'{"auth":"tokens","user":null,"role":null}'


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("proxies: [10.0.6.9, 127.0.0.1]\n", "", "config.yaml:4: auth: 'proxy' needs the setting `proxies`: the"),
        ("staff: user", "staff: boss", "config.yaml:7: proxy_login.roles.staff: Input should be 'guest', 'user' or"),
        (
            "  roles:",
            "  user_header: X_User\n  roles:",
            "config.yaml:7: proxy_login.user_header: 'X_User' is not the na",
        ),
        ("  roles:", "  role: {}\n  roles:", "config.yaml:7: proxy_login.role: there is no such setting; the settings"),
    ],
)
def test_a_wrong_configuration_is_refused(before: str, after: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(TEXT.replace(before, after), Path("config.yaml"))
    assert [problem[: len(said)] for problem in caught.value.problems] == [said]
