"""REST: one Flask application with flask-restful resources, one error shape, one way of writing JSON.

Applications add their resources through `Application.register`; those of operators are in replica/http/admin.py. It
knows HTTP and the interfaces of replica/http/parts.py, not Redis or gRPC.
"""

from __future__ import annotations

from flask import Flask, Response, request
from flask_restful import Api
from redis import RedisError

from replica.events.counters import Counters
from replica.http import admin, client_session, errors, event_stream, export, openapi, web_pages
from replica.http.auth import Security
from replica.http.cors import CrossSite
from replica.http.json import Json, json_response
from replica.http.parts import Parts


def create_app(parts: Parts, counters: Counters | None = None) -> Flask:
    """The WSGI application of one replica; `counters` are those that the rest of the replica feeds."""
    app = Flask("bayou", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = errors.BODY_BYTES_MAX
    app.json = Json(app)
    app.url_map.strict_slashes = False
    app.register_error_handler(Exception, _answer_error)
    api = _Api(app)
    api.representation("application/json")(json_response)
    # Flask runs what is before a request in this order, and what is after it in the reverse order.
    counters = counters or Counters()
    counters.register(app, api, parts)
    _guard(app, CrossSite(parts.settings, parts.settings.replica(parts.label).rest, lambda: _joined(parts)))
    client_session.register(app)
    Security(parts.settings, parts.store.read, parts.operator_hash).register(app, api)

    web_pages.register(app, parts)
    openapi.register(api, parts)
    admin.register(api, parts)
    event_stream.register(api, parts)
    export.register(api, parts)
    for application in parts.applications:
        application.register(api, parts.service)
    return app


class _Api(Api):  # type: ignore[misc]  # flask_restful has no types
    def handle_error(self, e: Exception) -> Response:
        """The same answer, whoever owns the path."""
        return _answer_error(e)


def _answer_error(error: Exception) -> Response:
    answer = errors.answer(error, request.method, request.path)
    return json_response(answer.body(), answer.status, answer.headers)


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
        headers = response.headers
        origin = request.headers.get("Origin")
        if origin is not None:
            # A preflight asks on behalf of the method that is to come.
            method = request.headers.get("Access-Control-Request-Method", request.method)
            headers.update(cross_site.permission(method, request.path, origin))
        headers["X-Content-Type-Options"] = "nosniff"
        headers.setdefault("Cache-Control", "no-store")
        return response
