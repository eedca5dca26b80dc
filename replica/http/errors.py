"""Turns exceptions into HTTP answers: one table of statuses, and one form for all errors.

The form is {"error": {"code", "message", "details"}}: the code is for programs, the message for people, and the details
for both. An unexpected exception is logged with its traceback under an id, and the client gets only the id.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any

import redis
from flask import Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from apps.api.endpoint import BODY_BYTES_MAX
from bayou.errors import (
    Away,
    BadInput,
    Behind,
    Conflict,
    Forbidden,
    Hung,
    Refusal,
    TooLarge,
    TooMany,
    Unauthorized,
    Unknown,
)
from replica.http.json import json_response
from storage.redis.connect import away_of

LOGGER = logging.getLogger("bayou.replica")
RETRY_AFTER_S = 1

STATUS_BY_KIND: dict[type[Refusal], int] = {
    BadInput: 400,
    Unauthorized: 401,
    Forbidden: 403,
    Unknown: 404,
    Conflict: 409,
    Behind: 412,
    TooLarge: 413,
    TooMany: 429,
    Hung: 500,
    Away: 503,
}
RETRIED = {429, 503}


def answer_error(error: Exception, method: str, path: str) -> Response:
    """Return the answer to a request that raised this exception. `method` and `path` describe the request."""
    if isinstance(error, redis.RedisError) and (away := away_of(error)):
        LOGGER.warning("storage away while serving %s %r: %s", method, path, error)
        error = away
    if isinstance(error, MethodNotAllowed):
        allowed = sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"})
        message = f"{path} does not support {method}. Use {' or '.join(allowed)}."
        return _render(405, "method_not_allowed", message, {"allowed": allowed}, {"Allow": ", ".join(allowed)})
    if isinstance(error, HTTPException) and error.code and error.code < 500:
        error = _refusal_of(error, path)
    if isinstance(error, Refusal):
        return _render(STATUS_BY_KIND[type(error)], error.code, error.message, error.details)
    incident = secrets.token_hex(4)
    LOGGER.error("incident %s while serving %s %r", incident, method, path, exc_info=error)
    message = f"This replica failed. Its log has the details under incident {incident}."
    return _render(500, "internal", message, {"incident": incident})


def _refusal_of(error: HTTPException, path: str) -> Refusal:
    """Return the refusal for an error that Flask has found in a request."""
    if error.code == 404:
        return Unknown("not_found", f"There is nothing at {path}. GET / lists all paths.")
    if error.code == 413:
        return TooLarge(
            "too_large",
            f"The body has more than {BODY_BYTES_MAX} bytes. Send a smaller body.",
            bytes_max=BODY_BYTES_MAX,
        )
    return BadInput("bad_input", str(error.description), field="body")


def _render(
    status: int, code: str, message: str, details: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    if status in RETRIED:
        headers = {"Retry-After": str(details.get("retry_after_s", RETRY_AFTER_S))}
    return json_response({"error": {"code": code, "message": message, "details": details}}, status, headers)
