"""The one table from what went wrong to an HTTP answer, and the one shape of it.

{"error": {"code", "message", "details"}}: a code for programs, a sentence for people, details for both. What no table
foresees is logged with its traceback under an id, and the client is told the id alone.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import redis
from werkzeug.exceptions import HTTPException

from bayou import errors
from storage.redis.connect import away_of

LOGGER = logging.getLogger("bayou.replica")
BODY_BYTES_MAX = 1024 * 1024
RETRY_AFTER_S = 1

STATUS_BY_KIND: dict[type[errors.Refusal], int] = {
    errors.BadInput: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.Unknown: 404,
    errors.Conflict: 409,
    errors.Behind: 412,
    errors.TooLarge: 413,
    errors.TooMany: 429,
    errors.Away: 503,
}
RETRIED = {429, 503}


@dataclass(frozen=True, slots=True)
class Answer:
    """An error on its way to the client."""

    status: int
    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


def answer(error: Exception, method: str, path: str) -> Answer:
    """What the client is told of an exception that came up while serving METHOD PATH."""
    if isinstance(error, errors.Refusal):
        return _of_refusal(error)
    if isinstance(error, HTTPException):
        return _of_http(error, method, path)
    if isinstance(error, redis.RedisError) and (away := away_of(error)):
        LOGGER.warning("storage away while serving %s %s: %s", method, path, error)
        return _of_refusal(away)
    incident = secrets.token_hex(4)
    LOGGER.error("incident %s while serving %s %s", incident, method, path, exc_info=error)
    return Answer(
        500,
        "internal",
        f"Something went wrong in this replica. Its log has the details under incident {incident}.",
        {"incident": incident},
    )


def _of_refusal(refusal: errors.Refusal) -> Answer:
    status = next(STATUS_BY_KIND[kind] for kind in type(refusal).__mro__ if kind in STATUS_BY_KIND)
    return Answer(status, refusal.code, refusal.message, refusal.details, _retry(status, refusal.details))


def _of_http(error: HTTPException, method: str, path: str) -> Answer:
    status = error.code or 500
    if status == 404:
        return Answer(404, "not_found", f"There is nothing at {path}. GET / lists what there is.")
    if status == 405:
        allowed = sorted(set(getattr(error, "valid_methods", None) or ()) - {"HEAD", "OPTIONS"})
        message = f"{path} does not take {method}; it takes {', '.join(allowed)}."
        return Answer(405, "method_not_allowed", message, {"allowed": allowed}, {"Allow": ", ".join(allowed)})
    if status == 413:
        return Answer(
            413, "too_large", f"A body may have at most {BODY_BYTES_MAX} bytes.", {"bytes_max": BODY_BYTES_MAX}
        )
    if status == 400:
        return Answer(400, "bad_input", str(error.description), {"field": "body"})
    return Answer(status, "bad_input" if status < 500 else "internal", str(error.description))


def _retry(status: int, details: Mapping[str, Any]) -> dict[str, str]:
    return {"Retry-After": str(details.get("retry_after_s", RETRY_AFTER_S))} if status in RETRIED else {}
