"""REST: one Flask application with flask-restful resources, one error shape, one way of writing JSON.

Applications add their resources through `Application.register`; those of operators are in replica/resources_*.py. It
knows HTTP and the interfaces of replica/http/parts.py, not Redis or gRPC.
"""

from __future__ import annotations

from flask import Response, request
from redis import RedisError

from replica.events.counters import Counters
from replica.http import admin as resources_replica
from replica.http import client_session as guarantees
from replica.http import errors, openapi
from replica.http import event_stream as resources_events
from replica.http import export as resources_media
from replica.http import web_pages as pages
from replica.http.auth import Security
from replica.http.cors import CrossSite
from replica.http.parts import Parts
from replica.http.plain import PlainApi, PlainFlask, PlainRequest, json_response


def create_app(parts: Parts, counters: Counters | None = None) -> PlainFlask:
    """The WSGI application of one replica; `counters` are those that the rest of the replica feeds."""
    app = PlainFlask("bayou")
    app.config["MAX_CONTENT_LENGTH"] = errors.BODY_BYTES_MAX
    app.register_error_handler(Exception, _answer_error)
    guarantees.register(app)
    _guard(app, CrossSite(parts.settings, parts.settings.replica(parts.label).rest, lambda: _joined(parts)))
    security = Security(parts.settings, parts.store.read, parts.operator_hash)

    pages.register(app, parts)
    counters = counters or Counters()
    api = PlainApi(app)
    counters.register(app, api, parts)
    security.register(app, api)
    openapi.register(api, parts)
    resources_replica.register(api, parts)
    resources_events.register(api, parts)
    resources_media.register(api, parts)
    for application in parts.applications:
        application.register(api, parts.service)
    return app


def _answer_error(error: Exception) -> Response:
    answer = errors.answer(error, request.method, request.path)
    return json_response(answer.body(), answer.status, answer.headers)


def _joined(parts: Parts) -> list[str]:
    """The REST addresses of the created servers; none while the storage is away, for a page gets no answer then."""
    try:
        return [member.rest for member in parts.store.members_of_cluster()]
    except RedisError:
        return []


def _guard(app: PlainFlask, cross_site: CrossSite) -> None:
    def refuse_foreign_pages(request: PlainRequest) -> None:
        cross_site.check(request.method, request.path, request.host, request.headers.get("Origin"))

    def permit_own_pages(request: PlainRequest, response: Response) -> None:
        headers = response.headers
        origin = request.headers.get("Origin")
        if origin is not None:
            # A preflight asks on behalf of the method that is to come.
            method = request.headers.get("Access-Control-Request-Method", request.method)
            headers.update(cross_site.permission(method, request.path, origin))
        headers.add("X-Content-Type-Options", "nosniff")
        headers.setdefault("Cache-Control", "no-store")

    app.before.append(refuse_foreign_pages)
    app.after.append(permit_own_pages)
