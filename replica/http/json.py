"""Makes JSON answers. They are compact, in UTF-8, and end with a newline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response
from pydantic_core import to_json


def json_response(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    try:
        body = to_json(data)
    except ValueError:  # nested deeper than it follows, as a peer's write may be
        body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body + b"\n", status, headers, content_type="application/json")
