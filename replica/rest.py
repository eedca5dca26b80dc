"""REST: one Flask application with flask-restful resources, one error shape, one way of writing JSON.

Applications add their resources through `Application.register`; those of operators are in replica/resources_*.py. It
knows HTTP and the interfaces of replica/parts.py, not Redis or gRPC.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import flask
from flask import Flask, Response, request
from flask.json.provider import DefaultJSONProvider
from flask_restful import Api
from redis import RedisError

from replica import errors, guarantees, openapi, pages, resources_events, resources_media, resources_replica
from replica.counters import Counters
from replica.cross_site import CrossSite
from replica.parts import Parts
from replica.security import Security


def create_app(parts: Parts, counters: Counters | None = None) -> Flask:
    """The WSGI application of one replica; `counters` are those that the rest of the replica feeds."""
    app = PlainFlask("bayou", static_folder=None)
    app.json = Json(app)
    app.config["MAX_CONTENT_LENGTH"] = errors.BODY_BYTES_MAX
    app.url_map.strict_slashes = False
    app.register_error_handler(Exception, _answer_error)
    guarantees.register(app)
    _guard(app, CrossSite(parts.settings, parts.settings.replica(parts.label).rest, lambda: _joined(parts)))
    security = Security(parts.settings, parts.store.read, parts.operator_hash)

    pages.register(app, parts)
    counters = counters or Counters()
    api = PlainApi(app)
    api.representation("application/json")(_json)
    counters.register(app, api, parts)
    security.register(app, api)
    openapi.register(api, parts)
    resources_replica.register(api, parts)
    resources_events.register(api, parts)
    resources_media.register(api, parts)
    for application in parts.applications:
        application.register(api, parts.service)
    return app


_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # made once; json.dumps makes one a call


class PlainFlask(Flask):
    """No view or hook is a coroutine here, so that none of them need be asked at each request."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


class PlainApi(Api):  # type: ignore[misc]  # flask_restful has no types
    """Errors go to Flask's handlers, whoever owns the path: so there is one shape."""

    def error_router(self, original_handler: Callable[[Exception], Any], e: Exception) -> Any:
        return original_handler(e)


class Json(DefaultJSONProvider):
    """Compact UTF-8 out; in, only what can be stored and sent on: no NaN, no bottomless nesting, no half characters."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return json.dumps(obj, ensure_ascii=False, separators=(",", ":"), **kwargs) if kwargs else _ENCODE(obj)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            loaded = json.loads(s, parse_constant=_no_constant, **kwargs)
            if (b"\\u" if isinstance(s, bytes) else "\\u") in s:  # type: ignore[operator]
                json.dumps(loaded, ensure_ascii=False).encode()
        except RecursionError:
            raise ValueError("nested too deeply") from None
        return loaded


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _json(data: Any, code: int, headers: dict[str, str] | None = None) -> Response:
    response = Response(flask.json.dumps(data) + "\n", code, content_type="application/json")
    response.headers.extend(headers or {})
    return response


def _answer_error(error: Exception) -> Response:
    answer = errors.answer(error, request.method, request.path)
    return _json(answer.body(), answer.status, answer.headers)


def _joined(parts: Parts) -> list[str]:
    """The REST addresses of the created servers; none while the storage is away, for a page gets no answer then."""
    try:
        return [member.rest for member in parts.store.members_of_cluster()]
    except RedisError:
        return []


def _guard(app: Flask, cross_site: CrossSite) -> None:
    @app.before_request
    def refuse_foreign_pages() -> None:
        cross_site.check(request.method, request.path, request.host, request.headers.get("Origin"))

    @app.after_request
    def permit_own_pages(response: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin is not None:
            # A preflight asks on behalf of the method that is to come.
            method = request.headers.get("Access-Control-Request-Method", request.method)
            response.headers.update(cross_site.permission(method, request.path, origin))
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", "no-store")
        return response
