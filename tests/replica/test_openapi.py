"""GET /openapi.json describes every endpoint, and every answer to any request matches the description."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps import APPLICATIONS
from apps.api.endpoint import Endpoint
from apps.rooms.settings import RoomSettings
from bayou import errors
from bayou.errors import Conflict
from bayou.session_token import Token
from replica.clock import utc_now
from replica.events.counters import Counters
from replica.events.describe import Describer
from replica.events.feed import EventFeed
from replica.http.app import create_app, tables_of
from replica.http.auth import Security
from replica.http.errors import STATUS_BY_KIND
from replica.http.openapi import errors_of
from replica.http.parts import Parts
from replica.http.service import ReplicaService
from storage.store import Store
from tests.support.replica_harness import SETTINGS, FakePeers
from tests.support.worker_redis import worker_redis

ROOT = Path(__file__).parent.parent.parent
# Codes that no client sees: they end the start of a replica, or travel to a peer.
_NOT_OVER_REST = """
already_running aof_damaged identity_damaged foreign_redis foreign_socket redis_older redis_too_old redis_evicts
address_taken address_unusable join_pending no_first_session not_invited chain_too_long other_release
"""
NOT_OVER_REST = frozenset(re.findall(r"\w+", _NOT_OVER_REST))


class Unmoved:
    """A fake membership that changes nothing: its commands refuse or do nothing."""

    def retire(self, _: str | None) -> None:
        raise Conflict("is_primary", "No other replica can become the primary.")

    def promote(self, _: str | None) -> None:
        raise Conflict("no_primary", "The cluster has no primary.")

    def force(self) -> None:
        raise Conflict("is_primary", "This replica is the primary already.")

    def forget(self, _: str, *, confirmed: bool) -> str:  # noqa: ARG002
        raise Conflict("not_confirmed", "The writes of the replica may still be needed.")

    def activate(self, _: str) -> str:
        raise Conflict("not_everywhere", "Not every replica can play this version.")

    def invite(self, _: str) -> tuple[str, datetime]:
        raise Conflict("label_taken", "Another replica has this label.")

    def __getattr__(self, name: str) -> Any:
        """Return a method that does nothing, for each name that this class does not define."""
        return lambda *_: None


@pytest.fixture(scope="module")
def parts() -> Iterator[Parts]:
    """The parts of a replica on a real store, with peers and a membership that do nothing."""
    client = worker_redis(15)
    client.flushdb()
    store = Store(client, "one", APPLICATIONS)
    store.begin(server="one~aaaaaa", cluster=SETTINGS.cluster_id, first_primary=True)
    configured = SETTINGS.model_copy(update={"rooms": (RoomSettings(name="6.12"), RoomSettings(name="7.01"))})
    peers = FakePeers()
    feed = EventFeed(store, client, lambda: client, Describer(APPLICATIONS), "one", lambda _: None)
    service = ReplicaService(configured, store, peers, utc_now)
    membership = cast(Any, Unmoved())
    yield Parts("one", configured, service, store, peers, feed, APPLICATIONS, membership)
    client.flushdb()


@pytest.fixture(scope="module")
def app(parts: Parts) -> Flask:
    """The real Flask application on these parts."""
    return create_app(parts)


@pytest.fixture(scope="module")
def endpoints(parts: Parts) -> list[Endpoint]:
    """All endpoints of the replica."""
    tables = tables_of(parts, Counters(), Security(parts.settings, parts.store.read))
    return [endpoint for table in tables.values() for endpoint in table]


@pytest.fixture(scope="module")
def described(app: Flask) -> Any:
    return app.test_client().get("/openapi.json").get_json()


def test_every_endpoint_is_described(described: Any, endpoints: list[Endpoint]) -> None:
    assert described["openapi"].startswith("3.1")
    found = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert found == {(endpoint.method, endpoint.path.replace("{+", "{")) for endpoint in endpoints}


def test_every_reference_resolves(described: Any) -> None:
    references = set(re.findall(r'"\$ref": "#/components/(\w+)/([\w-]+)"', json.dumps(described)))
    assert {"schemas", "parameters", "headers"} == {kind for kind, _ in references}
    for kind, name in references:
        assert name in described["components"][kind]


def test_every_operation_has_its_own_id_a_summary_and_a_tag(described: Any) -> None:
    operations = [operation for methods in described["paths"].values() for operation in methods.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    assert all(operation["summary"].endswith(".") for operation in operations)
    tags = {tag["name"] for tag in described["tags"]}
    assert {"replica", *(application.name for application in APPLICATIONS)} == tags
    assert all(set(operation["tags"]) <= tags and operation["tags"] for operation in operations)


def test_every_parameter_is_described_and_every_body_has_an_example(described: Any, endpoints: list[Endpoint]) -> None:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            for parameter in operation["parameters"]:
                assert "$ref" in parameter or parameter["description"], f"{method} {path} {parameter}"
    assert all(parameter["description"] for parameter in described["components"]["parameters"].values())
    for endpoint in endpoints:
        if endpoint.body is not None:
            assert endpoint.body.example is not None
            endpoint.body.model_validate(endpoint.body.example)


def raised() -> Iterator[tuple[str, str]]:
    """Yield (name of the exception, error code) for each refusal with a literal error code in the source files."""
    kinds = {kind.__name__ for kind in STATUS_BY_KIND}
    for folder in ("bayou", "storage", "replica", "apps"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                    if name in kinds and isinstance(node.args[0].value, str):
                        yield name, node.args[0].value


def test_every_code_that_can_occur_is_listed_under_its_status(endpoints: list[Endpoint]) -> None:
    listed = {
        (status, code) for endpoint in endpoints for status, codes in errors_of(endpoint).items() for code in codes
    }
    for kind, code in raised():
        status = STATUS_BY_KIND[getattr(errors, kind)]
        told_to_peers = (kind, code) in {("Conflict", "bad_input"), ("Away", "busy")}
        assert (status, code) in listed or code in NOT_OVER_REST or told_to_peers, f"{kind} {code}"


# Requests made from the description

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=30),
    st.sampled_from(["", "\x00", "é" * 70, "..", "2026-12-01T09:00:00", "9999-12-31T23:59:59Z", "1969-01-01T00:00Z"]),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)
HEADERS = {
    "Bayou-User": ["vish", "neil", "", "a b", "é", "x" * 65],
    "Bayou-Session": ["", "x", "eJw", "=" * 9000],
    "Bayou-Guarantees": ["RYW,MR", "", "all", "wfr"],
    "Bayou-Wait": ["0", "x", "-1", "99999999"],
    "Origin": ["http://evil.example", "null", "http://127.0.0.1:8001"],
    "Content-Type": ["application/json", "text/plain", "application/octet-stream"],
    "Last-Event-ID": ["x", "1-1", "99999999999999999999-1"],
}
TIMES = st.datetimes(datetime(2026, 12, 1), datetime(2026, 12, 20)).map(
    lambda moment: moment.replace(minute=0, second=0, microsecond=0, tzinfo=UTC).isoformat()
)


def made(schema: Mapping[str, Any], known: Mapping[str, Any]) -> st.SearchStrategy[Any]:  # noqa: PLR0911, PLR0912 - a line a keyword
    """Return a Hypothesis strategy for values that a schema allows. `known` maps names to the schemas that `$ref` may
    refer to."""
    if "$ref" in schema:
        return made(known[schema["$ref"].rpartition("/")[2]], known)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return st.one_of(*(made(one, known) for one in schema[several]))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object":
            members = {name: made(found, known) for name, found in schema.get("properties", {}).items()}
            needed = {name: members.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(needed, optional=members)
        case "array":
            limits = {"min_size": schema.get("minItems", 0), "max_size": min(schema.get("maxItems", 3), 3)}
            return st.lists(made(schema["items"], known), **limits)
        case "string" if schema.get("format") == "date-time":
            return TIMES
        case "string" if "pattern" in schema:
            return st.sampled_from(["r1", "r2"]) | st.from_regex(schema["pattern"], fullmatch=True)
        case "string":
            return st.sampled_from(["6.12", "7.01", "vish"]) | st.text(max_size=schema.get("maxLength", 30))
        case "integer":
            return st.integers(schema.get("minimum", -5), schema.get("maximum", 2000))
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return JUNK


def spoilt(data: st.DataObject, value: Any) -> Any:
    """Return the value, sometimes with random changes in it."""
    turn = data.draw(st.integers(0, 9))
    if turn == 0:
        return data.draw(JUNK)
    if isinstance(value, dict):
        found = {name: spoilt(data, member) for name, member in value.items()}
        if turn == 1:
            found[data.draw(st.text(max_size=5))] = data.draw(JUNK)
        if turn == 2 and found:
            del found[data.draw(st.sampled_from(sorted(found)))]
        return found
    if isinstance(value, list):
        return [spoilt(data, member) for member in value]
    return value


def misfits(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """Return one message for each place where a value does not fit a schema. The check covers only the parts of JSON
    Schema that endpoints use."""
    if "anyOf" in schema:
        return [] if any(not misfits(value, one) for one in schema["anyOf"]) else [f"{value!r} fits none"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{value!r} is none of {schema['enum']}"]
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "number": (int, float),
        "integer": int,
    }
    kind = schema.get("type")
    if kind == "null":
        return [] if value is None else [f"{value!r} is not null"]
    if kind and (not isinstance(value, kinds[kind]) or (kind == "integer" and isinstance(value, bool))):
        return [f"{value!r} is no {kind}"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return [f"{value!r} is not {schema['pattern']}"]
    if schema.get("format") == "date-time":
        assert datetime.fromisoformat(value).tzinfo
    if kind == "array":
        return [problem for one in value for problem in misfits(one, schema["items"])]
    if kind == "object":
        members, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        problems = [f"{name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, member in value.items():
            if name not in members and others is False:
                problems.append(f"{name} is not described")
            problems += misfits(member, members.get(name, others if isinstance(others, dict) else {}))
        return problems
    return []


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@pytest.mark.slow
@given(data=st.data())
def test_every_answer_to_any_request_is_described(
    app: Flask, described: Any, endpoints: list[Endpoint], data: st.DataObject
) -> None:
    endpoint = data.draw(st.sampled_from(endpoints))
    known = described["components"]["schemas"]
    names = st.sampled_from(["vish", "r1", "r2", "6.12", "7.01", "two", "four"]) | st.text(min_size=1, max_size=20)
    path = re.sub(r"{\+?\w+}", lambda _: quote(data.draw(names), safe=""), endpoint.path)
    query = {}
    if endpoint.query is not None:
        query = spoilt(data, data.draw(made(endpoint.query.model_json_schema(), known)))
    headers = {
        name: data.draw(st.sampled_from(found)).encode().decode("latin-1")
        for name, found in HEADERS.items()
        if data.draw(st.integers(0, 5)) == 0
    }
    if endpoint.is_write and data.draw(st.integers(0, 9)):
        headers["Bayou-User"] = data.draw(st.sampled_from(["vish", "neil"]))
    body = None
    if endpoint.body is not None:
        sent = spoilt(data, data.draw(made(endpoint.body.model_json_schema(), known)))
        body = json.dumps(sent).encode() if data.draw(st.integers(0, 9)) else data.draw(st.binary(max_size=40))
        headers.setdefault("Content-Type", "application/json")
    elif endpoint.path == "/replica/import":
        body = data.draw(st.binary(max_size=60).map(lambda tail: b"bayou volume 1\n" + tail) | st.binary(max_size=20))
    if isinstance(query, dict) and query:
        pairs = {name: text if isinstance(text, str) else json.dumps(text) for name, text in query.items()}
        path += "?" + urlencode(pairs, errors="replace")

    with app.test_client() as client:
        answer = client.open(path, method=endpoint.method, headers=headers, data=body, buffered=False)
        told = f"{endpoint.method} {path} {headers} {body!r}: {answer.status_code}"
        if endpoint.is_endless and answer.status_code == 200:
            answer.close()
            return
        text = answer.get_data().decode(errors="replace")
        assert answer.status_code < 500, f"{told} {text!r}"
        if answer.status_code in endpoint.answers:
            schema = endpoint.answers[answer.status_code]
            assert schema is None or misfits(answer.get_json(), schema) == [], told
            return
        if answer.status_code in {301, 308} and "{+" not in endpoint.path:
            return  # a path with two slashes
        error = answer.get_json()["error"]
        assert set(error) == {"code", "message", "details"}
        assert error["code"] in errors_of(endpoint).get(answer.status_code, []), f"{told} {error}"
        assert "Traceback" not in text


def test_a_session_covers_the_write_of_a_repeated_request(app: Flask) -> None:
    """A repeated request writes nothing, but the session token in its answer must name the write of the first
    request."""
    headers = {"Bayou-User": "vish", "Bayou-Session": ""}
    client = app.test_client()
    assert client.put("/playlist/lost", json={"url": "u", "request": "lost"}, headers=headers).status_code == 200
    again = client.put("/playlist/lost", json={"url": "u", "request": "lost"}, headers=headers)
    held = client.get("/replica").get_json()["vectors"]["V"]
    assert Token.decode(again.headers["Bayou-Session"]).write == {server: int(stamp) for server, stamp in held.items()}
