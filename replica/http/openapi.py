"""GET /openapi.json: the whole REST face as an OpenAPI 3.1 document, made of the tables of operations.

It knows the tables, and what is common to all operations: one shape of errors, and who asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask_restful import Resource

from apps.api.endpoint import TEXT, Operation, Schema
from replica.http.operations import OPERATIONS
from replica.http.parts import Parts

COMMON: Mapping[int, tuple[str, ...]] = {
    400: ("bad_input", "bad_token"),  # the headers of a session are read wherever they are sent
    401: ("token_missing", "token_wrong"),  # with `auth: tokens`
    403: ("cross_site", "forbidden"),
    404: ("not_found",),
    405: ("method_not_allowed",),
    413: ("too_large",),
    500: ("internal",),
    503: ("storage_away",),
}
IN_SESSION = {412: ("session_ahead",), 413: ("session_too_large",), 429: ("too_many_waiting",)}
WRITING = {400: ("clock",), 401: ("user_missing",), 409: ("retired",), 413: ("too_many_pages",)}
HEADERS = {
    "writes_as": ("Bayou-User",),
    "in_session": ("Bayou-Session", "Bayou-Guarantees", "Bayou-Wait"),
}


def register(api: Any, parts: Parts) -> None:
    """Add the resource to a flask_restful.Api."""
    tables = [OPERATIONS, *(application.operations for application in parts.applications)]
    operations = [operation for table in tables for operation in table]
    api.add_resource(OpenApi, "/openapi.json", resource_class_kwargs={"operations": operations})


class OpenApi(Resource):  # type: ignore[misc]  # flask_restful has no types
    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations

    def get(self) -> dict[str, Any]:
        return document(self._operations)  # made anew, for it takes a MiB, and few ask


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole description."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bayou",
            "version": "1",
            "description": "A meeting-room scheduler; times are ISO 8601 with offset.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def errors_of(operation: Operation) -> dict[int, list[str]]:
    """Every code with which it may refuse, by status."""
    found: dict[int, list[str]] = {}
    tables = [COMMON, operation.errors]
    tables += [IN_SESSION] if operation.in_session else []
    tables += [WRITING] if operation.writes_as else []
    for table in tables:
        for status, codes in table.items():
            found.setdefault(status, []).extend(code for code in codes if code not in found.get(status, ()))
    return dict(sorted(found.items()))


def _described(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    inside = re.findall(r"{(\w+)}", operation.path)
    query = _hoisted(operation.query, schemas)
    parameters = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in inside]
    parameters += [
        {"name": name, "in": "query", "required": name in query.get("required", ()), "schema": schema}
        for name, schema in query.get("properties", {}).items()
    ]
    parameters += [
        {"name": header, "in": "header", "required": header == "Bayou-User", "schema": TEXT}
        for flag, headers in HEADERS.items()
        if getattr(operation, flag)
        for header in headers
    ]
    answers = {
        str(status): {"description": "Done."} | (_content(_hoisted(schema, schemas)) if schema is not None else {})
        for status, schema in operation.answers.items()
    }
    refusals = {
        str(status): {"description": ", ".join(codes)} | _content(_error(codes))
        for status, codes in errors_of(operation).items()
    }
    body = {}
    if operation.body is not None:
        content = _content(_hoisted(operation.body, schemas))
        body = {"requestBody": {"required": operation.body_is_needed, **content}}
    return {"summary": operation.summary, "parameters": parameters, **body, "responses": answers | refusals}


def _content(schema: Schema) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _error(codes: Sequence[str]) -> Schema:
    members = {"code": {"enum": list(codes)}, "message": TEXT, "details": {"type": "object"}}
    inner = {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
    return {"type": "object", "properties": {"error": inner}, "required": ["error"], "additionalProperties": False}


def _hoisted(schema: Schema, schemas: dict[str, Any]) -> dict[str, Any]:
    """A schema without its definitions, which go where all operations find them."""
    schemas.update(schema.get("$defs", {}))
    return {name: found for name, found in schema.items() if name != "$defs"}
