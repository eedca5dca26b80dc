"""How an operation of the REST face is described: what it takes, what it answers, and how it may refuse.

Each table of operations stands beside its resources; replica/http/openapi.py makes one document of them all. Schemas
are JSON Schema (2020-12). It knows no HTTP library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bayou import names

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
NAME: Schema = {"type": "string", "pattern": f"^{names.NAME.pattern}$"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
STAMP: Schema = {"type": "string", "pattern": "^[0-9]{16}$"}
VECTOR: Schema = {"type": "object", "additionalProperties": STAMP}
ANYTHING: Schema = {}


@dataclass(frozen=True, slots=True)
class Operation:
    """`path` as in `/rooms/{room}/calendar`; `answers` by status, None for what is not JSON; `query` and `body` are
    schemas of objects; `errors` are the codes by status beside those that every operation has."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, Schema | None]
    query: Schema = field(default_factory=dict)
    body: Schema | None = None
    body_is_needed: bool = True
    errors: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    writes_as: bool = False  # for the user of the header Bayou-User
    in_session: bool = False  # takes and gives the header Bayou-Session


def record(optional: Mapping[str, Schema] | None = None, /, **members: Schema) -> Schema:
    """An object with these members and no others."""
    return {
        "type": "object",
        "properties": {**members, **(optional or {})},
        "required": list(members),
        "additionalProperties": False,
    }


def listed(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def maybe(schema: Schema) -> Schema:
    """It, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}
