"""People, tokens and roles. A request without permission is refused when the request arrives, or when the write of the
request is played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.people.tokens import hash_of, name_of, new_token
from replica.config import parse
from replica.http.auth import TOKEN_FILE, new_operator_token
from replica.http.proxy_login import RANKS
from storage.store import Store
from tests.support import sides_harness
from tests.support.sides_harness import meet, new_stores
from tests.support.worker_redis import worker_redis

CONFIGURED = parse(
    """
cluster: building-6
primary: one
auth: tokens
rooms: ["6.12"]
replicas:
  one: {rest: 127.0.0.1:8001, anti_entropy: 127.0.0.1:9001}
  two: {rest: 127.0.0.1:8002, anti_entropy: 127.0.0.1:9002}
""",
    Path("config.yaml"),
)
OPERATOR = new_token("operator")
SLOT = {"start": "2099-12-01T09:00Z", "end": "2099-12-01T10:00Z"}
DAY = "from=2099-12-01T00:00Z&to=2099-12-02T00:00Z"


class Side(sides_harness.Side):
    """A replica that accepts the operator's token."""

    def __init__(self, store: Store, auth: str = "tokens") -> None:
        super().__init__(store, CONFIGURED.model_copy(update={"auth": auth}), operator_hash=hash_of(OPERATOR))

    def ask(self, method: str, path: str, token: str | None = None, **given: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.app.test_client().open(path, method=method, headers=headers | given.pop("headers", {}), **given)

    def add(self, name: str, role: str, by: str = OPERATOR) -> str:
        answer = self.ask("POST", "/people", by, json={"name": name, "role": role})
        assert answer.status_code == 201, answer.json
        return str(answer.json["token"])

    def reserve(self, token: str, request: str, slot: Any = None) -> Any:
        body = {"room": "6.12", "slots": [slot or SLOT], "purpose": "tea", "request": request}
        return self.ask("POST", "/reservations", token, json=body)


@pytest.fixture
def sides() -> tuple[Side, Side]:
    """Two replicas that have had a session. The replica `one` is the primary."""
    one, two = new_stores(CONFIGURED, 14, "one", "two")
    return Side(one), Side(two)


@pytest.fixture
def one(sides: tuple[Side, Side]) -> Side:
    return sides[0]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]["code"]


def test_a_token_names_its_holder() -> None:
    token = new_token("a.b+c@d-e")
    assert name_of(token) == "a.b+c@d-e"
    assert name_of("vish") is None
    assert name_of("x" * 200 + "." + "y" * 20) is None


ROLES = [  # method, path, the least role
    ("GET", "/", None),
    ("HEAD", "/static/base.css", None),
    ("GET", "/metrics", None),
    ("PUT", "/login", None),
    ("OPTIONS", "/replica/links/two", None),
    ("GET", "/rooms/", "guest"),
    ("GET", "/rooms/free", "guest"),
    ("GET", "/rooms/6.12/freebusy.ics", "guest"),
    ("GET", "/users/vish/freebusy.ics", "guest"),
    ("GET", "/rooms/6.12/calendar", "user"),
    ("GET", "/rooms/6.12/calendar.ics", "user"),
    ("GET", "/users/vish/reservations", "user"),
    ("GET", "/events", "user"),
    ("GET", "/replica", "user"),
    ("GET", "/replica/log", "user"),
    ("POST", "/reservations", "user"),
    ("DELETE", "/reservations/vish/a", "user"),
    ("PUT", "/playlist/song", "user"),
    ("GET", "/replica/export", "manager"),
    ("POST", "/replica/import", "manager"),
    ("PUT", "/replica/links/two", "manager"),
    ("POST", "/replica/truncate", "manager"),
    ("GET", "/people", "manager"),
    ("POST", "/people/vish/token", "manager"),
]


def test_the_least_role_of_each_request(one: Side) -> None:
    tokens = {role: one.add(role, role) for role in RANKS}
    for method, path, least in ROLES:
        with one.ask(method, path) as answer:
            assert (answer.status_code == 401) == (least is not None), f"{method} {path} by nobody"
        for role, rank in RANKS.items():
            with one.ask(method, path, tokens[role]) as answer:
                refused = answer.status_code == 403 and answer.json["error"]["details"].get("needs") == least
            assert refused == (least is not None and rank < RANKS[least]), f"{method} {path} by a {role}"


def test_each_role_is_admitted_or_refused(one: Side) -> None:
    tokens = {role: one.add(role[0], role) for role in ("guest", "user", "manager")}
    ranks = ["guest", "user", "manager"]
    for path, least in (("/rooms", "guest"), (f"/rooms/6.12/calendar?{DAY}", "user"), ("/people", "manager")):
        for role, token in tokens.items():
            answer = one.ask("GET", path, token)
            if ranks.index(role) >= ranks.index(least):
                assert answer.status_code == 200
            else:
                assert code(answer) == (403, "forbidden")
                assert least in answer.json["error"]["message"]
        assert code(one.ask("GET", path)) == (401, "token_missing")
        assert code(one.ask("GET", path, new_token("u"))) == (401, "token_wrong")
        assert code(one.ask("GET", path, "nonsense")) == (401, "token_wrong")


def test_a_token_is_read_from_each_header(one: Side) -> None:
    token = one.add("vish", "user")
    assert one.ask("GET", "/rooms", headers={"Bayou-User": "vish"}, auth=("vish", token)).status_code == 200
    client = one.app.test_client()
    assert client.get("/login").json == {"auth": "tokens", "user": None, "role": None}
    assert code(client.put("/login", json={"token": "nonsense"})) == (401, "token_wrong")
    answer = client.put("/login", json={"token": token})
    assert answer.status_code == 200, answer.json
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "SameSite=Strict" in answer.headers["Set-Cookie"]
    assert client.get("/login").json == {"auth": "tokens", "user": "vish", "role": "user"}
    assert client.get("/replica").status_code == 200
    client.delete("/login")
    assert code(client.get("/replica")) == (401, "token_missing")


def test_nobody_writes_under_another_name(one: Side) -> None:
    token = one.add("vish", "user")
    before = one.store.digest()
    answer = one.ask("POST", "/reservations", token, headers={"Bayou-User": "neil"}, json={})
    assert code(answer) == (403, "forbidden")
    assert "vish" in answer.json["error"]["message"]
    assert one.store.digest() == before
    assert one.reserve(token, "a").json["id"] == "vish/a"


def test_only_the_hash_of_a_token_is_stored(one: Side) -> None:
    token = one.add("vish", "user")
    secret = token.rpartition(".")[2].encode()
    client = worker_redis(14)
    for key in client.scan_iter("*"):
        assert secret not in (client.dump(key) or b"")
    assert any(hash_of(token).encode() in value for value in client.hgetall("bayou:{one}:c0:person:vish").values())


def test_people_are_added_listed_given_roles_and_tokens_and_revoked(one: Side) -> None:
    boss = one.add("boss", "manager")
    first = one.add("vish", "guest", boss)
    assert code(one.ask("POST", "/people", boss, json={"name": "vish", "role": "user"})) == (409, "person_exists")
    assert one.ask("PATCH", "/people/vish", boss, json={"role": "user"}).json == {"name": "vish", "role": "user"}
    second = one.ask("POST", "/people/vish/token", boss).json["token"]
    assert code(one.ask("GET", "/rooms", first)) == (401, "token_wrong")
    assert one.ask("GET", "/rooms", second).status_code == 200
    listed = one.ask("GET", "/people", boss).json["people"]
    assert listed == [{"name": "boss", "role": "manager"}, {"name": "vish", "role": "user"}]
    assert one.ask("DELETE", "/people/vish", boss).json == {"name": "vish", "role": None}
    assert code(one.ask("GET", "/rooms", second)) == (401, "token_wrong")
    assert code(one.ask("DELETE", "/people/vish", boss)) == (404, "person_unknown")
    assert one.add("vish", "user", boss) not in {first, second}


def test_the_list_comes_in_parts_that_continue_after_a_revoked_name(one: Side) -> None:
    for name in ("d", "a", "c", "b"):
        one.add(name, "user")
    one.ask("DELETE", "/people/b", OPERATOR)
    pages: list[list[str]] = []
    path = "/people?limit=2"
    while len(pages) < 5:
        answer = one.ask("GET", path, OPERATOR).json
        pages.append([person["name"] for person in answer["people"]])
        if answer["next"] is None:
            break
        path = f"/people?limit=2&after={answer['next']}"
    assert pages == [["a"], ["c", "d"]]
    assert one.ask("GET", "/people?after=zebra", OPERATOR).json == {"people": [], "next": None}


@pytest.mark.parametrize(
    ("query", "field"), [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=٣", "limit"), ("page=2", "page")]
)
def test_an_invalid_query_of_the_list_is_refused(one: Side, query: str, field: str) -> None:
    answer = one.ask("GET", f"/people?{query}", OPERATOR)
    assert (code(answer), answer.json["error"]["details"]["field"]) == ((400, "bad_input"), field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a/b", "role": "user"}, "name"),
        ({"name": "operator", "role": "user"}, "name"),
        ({"name": "vish", "role": "king"}, "role"),
        ({"name": "vish"}, "role"),
        ({"name": "vish", "role": "user", "x": 1}, "x"),
        ([], "body"),
    ],
)
def test_an_invalid_body_changes_nothing(one: Side, body: Any, field: str) -> None:
    answer = one.ask("POST", "/people", OPERATOR, json=body)
    assert (code(answer), answer.json["error"]["details"]["field"]) == ((400, "bad_input"), field)
    assert one.store.list_entries("people") == []


def test_without_tokens_there_are_no_roles(one: Side) -> None:
    open_side = Side(one.store, auth="none")
    assert open_side.ask("GET", "/login").json == {"auth": "none", "user": None, "role": "user"}
    headers = {"Bayou-User": "vish"}
    assert open_side.ask("GET", "/replica").status_code == 200
    answer = open_side.ask("POST", "/people", headers=headers, json={"name": "vish", "role": "manager"})
    assert code(answer) == (409, "auth_off")


def test_people_spread_like_other_writes(sides: tuple[Side, Side]) -> None:
    one, two = sides
    token = two.add("vish", "user")
    assert two.ask("GET", "/replica", token).status_code == 200  # at once, though nothing is committed
    assert code(one.ask("GET", "/replica", token)) == (401, "token_wrong")
    meet(two.store, one.store)
    assert one.ask("GET", "/replica", token).status_code == 200


def test_of_two_people_with_one_name_the_first_in_the_order_counts(sides: tuple[Side, Side]) -> None:
    one, two = sides
    at_one, at_two = one.add("vish", "guest"), two.add("vish", "manager")
    meet(two.store, one.store)
    for side in sides:
        assert side.ask("GET", "/login", at_one).json["role"] == "guest"
        assert code(side.ask("GET", "/login", at_two)) == (401, "token_wrong")
    assert one.store.digest() == two.store.digest()


def test_a_manager_who_was_revoked_before_the_write_changes_nothing(sides: tuple[Side, Side]) -> None:
    """While cut off, `two` accepts a write from a manager who has been revoked at the primary. When the replicas meet,
    the write is refused."""
    one, two = sides
    boss = one.add("boss", "manager")
    meet(two.store, one.store)
    assert one.ask("DELETE", "/people/boss", OPERATOR).status_code == 200
    token = two.add("vish", "user", boss)
    assert two.ask("GET", "/rooms", token).status_code == 200
    meet(two.store, one.store)
    for side in sides:
        assert code(side.ask("GET", "/rooms", token)) == (401, "token_wrong")
    entry = one.store.log(None, 100)
    assert entry is not None
    assert entry[-1].outcome == "forbidden revoked"
    assert one.store.digest() == two.store.digest()


def test_a_manager_cancels_the_reservation_of_another_user_with_a_reason(sides: tuple[Side, Side]) -> None:
    one, two = sides
    vish, neil, boss = one.add("vish", "user"), one.add("neil", "user"), one.add("boss", "manager")
    one.reserve(vish, "a")
    path = "/reservations/vish/a"
    assert code(one.ask("DELETE", path + "?reason=no", neil)) == (403, "not_owner")
    refused = one.ask("DELETE", path, boss)
    assert (code(refused), refused.json["error"]["details"]["field"]) == ((400, "bad_input"), "reason")
    move = {"slots": [{"start": "2099-12-01T11:00Z", "end": "2099-12-01T12:00Z"}]}
    assert code(one.ask("PATCH", path, boss, json=move)) == (403, "not_owner")
    assert one.ask("GET", path, vish).json["state"] == "committed"
    assert one.ask("DELETE", path + "?reason=The room is painted.", boss).status_code == 200
    meet(two.store, one.store)
    for side in sides:
        shown = side.ask("GET", path, vish).json
        assert shown["state"] == "cancelled"
        assert shown["reason"]["message"] == "Cancelled by boss: The room is painted."


def test_a_manager_cancels_a_series(one: Side) -> None:
    vish, boss = one.add("vish", "user"), one.add("boss", "manager")
    body = {"room": "6.12", "slots": [SLOT], "request": "s", "rule": "FREQ=DAILY;COUNT=3"}
    assert one.ask("POST", "/reservations", vish, json=body).status_code == 201
    answer = one.ask("DELETE", "/series/vish/s?reason=painted", boss)
    assert {shown["state"] for shown in answer.json["series"]["reservations"]} == {"cancelled"}


def test_a_cancel_by_a_former_manager_is_undone(sides: tuple[Side, Side]) -> None:
    """While cut off, `two` accepts a cancel from a person who is no longer a manager at the primary. When the replicas
    meet, the cancel is undone."""
    one, two = sides
    vish, boss = one.add("vish", "user"), one.add("boss", "manager")
    one.reserve(vish, "a")
    meet(two.store, one.store)
    assert one.ask("PATCH", "/people/boss", OPERATOR, json={"role": "user"}).status_code == 200
    assert two.ask("DELETE", "/reservations/vish/a?reason=mine", boss).json["state"] == "cancelled"
    meet(two.store, one.store)
    for side in sides:
        assert side.ask("GET", "/reservations/vish/a", vish).json["state"] == "committed"
    assert one.store.digest() == two.store.digest()


def test_only_the_owner_can_read_the_operators_token(tmp_path: Path) -> None:
    kept = new_operator_token(tmp_path)
    path = tmp_path / TOKEN_FILE
    token = path.read_text().strip()
    assert (hash_of(token), path.stat().st_mode & 0o777) == (kept, 0o600)
    assert new_operator_token(tmp_path) != kept
    assert [file.name for file in tmp_path.iterdir()] == [TOKEN_FILE]
