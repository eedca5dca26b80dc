"""GET /openapi.json: the whole REST interface as an OpenAPI 3.1 document, made from the declared endpoints.

This module adds what all endpoints have in common: the form of errors, and the headers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic_core import to_json

from apps.api.endpoint import Content, Endpoint, Tables
from apps.api.model import Model
from apps.api.request import Request
from apps.api.schema import TEXT, Schema, record
from replica.http.routing import own_endpoint

COMMON_ERRORS: Mapping[int, tuple[str, ...]] = {
    400: ("bad_input", "bad_token"),  # the headers of a session are read wherever they are sent
    401: ("token_missing", "token_wrong", "proxy_unknown"),  # with `auth: tokens` or `proxy`
    403: ("cross_site", "forbidden"),
    404: ("not_found",),
    405: ("method_not_allowed",),
    413: ("too_large",),
    429: ("too_many_requests",),
    500: ("internal",),
    503: ("storage_away", "busy"),  # where another large question is being answered
}
SESSION_ERRORS = {412: ("session_ahead", "session_foreign"), 413: ("session_too_large",), 429: ("too_many_waiting",)}
WRITE_ERRORS = {
    400: ("clock",),
    401: ("user_missing",),
    409: ("retired", "not_joined", "not_active", "clock_behind"),
    413: ("too_many_pages",),
    500: ("play_hung",),
}

REQUEST_HEADERS = {
    # name: (description, example)
    "Bayou-User": (
        "The name of the user. With `auth: tokens` or `proxy`, leave this header out: the login gives the name.",
        "vish",
    ),
    "Bayou-Session": ("The session token of the last answer. An empty value begins a client session.", ""),
    "Bayou-Guarantees": (
        "The session guarantees for this request: RYW, MR, WFR or MW. Default: all four if the request has the header"
        " Bayou-Session, else none.",
        "RYW,MR",
    ),
    "Bayou-Wait": (
        "The longest time that the replica waits for writes that the client session has seen, in milliseconds.",
        "2000",
    ),
}
SESSION_ANSWERED = "The session token for the next request, if this request had a session token or wrote something."


def endpoint(tables: Tables) -> Endpoint:
    """Return the endpoint GET /openapi.json, which describes the endpoints of `tables`. The caller must add it to
    `tables`, so that the document also describes GET /openapi.json."""

    @cache
    def made() -> Content:
        body = to_json(document(tables))
        return Content(body, "application/json", hashlib.sha256(body).hexdigest())

    def show_openapi(_request: Request[None, None]) -> Content:
        """Show the OpenAPI document of all endpoints."""
        return made()

    return own_endpoint("GET", "/openapi.json", show_openapi, role=None)


def document(tables: Tables) -> dict[str, Any]:
    """Return the whole OpenAPI document."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for owner, endpoints in tables.items():
        for found in endpoints:
            described = {"tags": [owner], **_described(found, schemas)}
            paths.setdefault(found.path.replace("{+", "{"), {})[found.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bayou",
            "version": "1",
            "description": "A meeting-room scheduler; times are ISO 8601 with an offset.",
        },
        "tags": [{"name": owner} for owner in tables],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": {
                name: _parameter("header", name, text, required=name == "Bayou-User") | {"example": example}
                for name, (text, example) in REQUEST_HEADERS.items()
            },
            "headers": {"Bayou-Session": {"description": SESSION_ANSWERED, "schema": TEXT}},
        },
    }


def errors_of(found: Endpoint) -> dict[int, list[str]]:
    """Map HTTP statuses to the error codes with which an endpoint may refuse a request."""
    codes: dict[int, list[str]] = {}
    tables = [COMMON_ERRORS, found.errors]
    tables += [SESSION_ERRORS] if found.in_session else []
    tables += [WRITE_ERRORS] if found.is_write else []
    for table in tables:
        for status, more in table.items():
            codes.setdefault(status, []).extend(code for code in more if code not in codes.get(status, ()))
    return dict(sorted(codes.items()))


def _described(found: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    answers = {
        str(status): {
            "description": "Done.",
            **(_content(schema) if schema is not None else {}),
            **({"headers": {"Bayou-Session": _reference("headers", "Bayou-Session")}} if found.in_session else {}),
        }
        for status, schema in found.answers.items()
    }
    refusals = {
        str(status): {"description": ", ".join(codes), **_content(_error(codes))}
        for status, codes in errors_of(found).items()
    }
    body = {}
    if found.body is not None:
        content = _content(_schema_of(found.body, schemas), found.body.example)
        body = {"requestBody": {"required": found.body_is_required, **content}}
    return {
        "operationId": found.handler.__name__,
        "summary": found.summary,
        "parameters": _parameters(found, schemas),
        **body,
        "responses": answers | refusals,
    }


def _parameters(found: Endpoint, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    names = re.findall(r"{\+?(\w+)}", found.path)
    parameters = [_parameter("path", name, found.parameters.get(name, ""), required=True) for name in names]
    query = _schema_of(found.query, schemas) if found.query else {}
    for name, schema in query.get("properties", {}).items():
        described = {key: value for key, value in schema.items() if key not in {"title", "description"}}
        is_required = name in query.get("required", ())
        parameters.append(
            _parameter("query", name, schema.get("description", ""), required=is_required, schema=described)
        )
    headers = ["Bayou-User"] if found.is_write else []
    headers += ["Bayou-Session", "Bayou-Guarantees", "Bayou-Wait"] if found.in_session else []
    return parameters + [_reference("parameters", name) for name in headers]


def _parameter(where: str, name: str, description: str, *, required: bool, schema: Schema = TEXT) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "description": description, "schema": schema}


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _content(schema: Schema, example: Any = None) -> dict[str, Any]:
    described = {"schema": schema} if example is None else {"schema": schema, "example": example}
    return {"content": {"application/json": described}}


def _error(codes: Sequence[str]) -> Schema:
    return record(error=record(code={"enum": list(codes)}, message=TEXT, details={"type": "object"}))


def _schema_of(model: type[Model], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a model. Add the definitions that the schema uses to `schemas`. All endpoints share
    `schemas`."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    return schema
