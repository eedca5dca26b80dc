"""Short names for common parts of JSON Schema (2020-12), for requests and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayou.names import NAME as NAME_PATTERN

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
DATE: Schema = {"type": "string", "format": "date"}
NAME: Schema = {"type": "string", "pattern": f"^{NAME_PATTERN.pattern}$"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
STAMP: Schema = {"type": "string", "pattern": "^[0-9]{16}$"}
VECTOR: Schema = {"type": "object", "additionalProperties": STAMP}
ANYTHING: Schema = {}


def record(optional: Mapping[str, Schema] | None = None, /, **members: Schema) -> Schema:
    """Return the schema of an object. The keys in `members` are required. The keys in `optional` may be missing. Other
    keys are not allowed."""
    return {
        "type": "object",
        "properties": {**members, **(optional or {})},
        "required": list(members),
        "additionalProperties": False,
    }


def array(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


VIEW = one_of("tentative", "committed")
