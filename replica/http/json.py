"""JSON in and out: compact UTF-8 out; in, only what can be stored and sent on."""

from __future__ import annotations

import json
from typing import Any

from flask import Response
from flask.json.provider import DefaultJSONProvider
from pydantic_core import to_json


class Json(DefaultJSONProvider):
    """Takes no NaN, no bottomless nesting and no half of a surrogate pair."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return json.dumps(obj, ensure_ascii=False, separators=(",", ":"), **kwargs)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            loaded = json.loads(s, parse_constant=_no_constant, **kwargs)
            if (b"\\u" if isinstance(s, bytes) else "\\u") in s:  # type: ignore[operator]
                json.dumps(loaded, ensure_ascii=False).encode()
        except RecursionError:
            raise ValueError("nested too deeply") from None
        return loaded


def json_response(data: Any, code: int, headers: dict[str, str] | None = None) -> Response:
    """An answer of a resource."""
    try:
        body = to_json(data)
    except ValueError:  # nested deeper than it follows, as a peer's write may be
        body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body + b"\n", code, headers, content_type="application/json")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
