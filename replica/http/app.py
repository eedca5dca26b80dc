"""The WSGI application of one replica: Flask with the declared endpoints, one shape of errors, one way of writing JSON.

Each request passes these steps in order. The origin of the web page that makes the request is checked (cors.py). The
headers of the client session are read (client_session.py). The caller is identified and authorised (auth.py). The
number of the caller's requests is checked (rate_limit.py). Then the endpoint's handler runs (routing.py).
"""

from __future__ import annotations

import time

from flask import Flask, Response, g, request
from flask_restful import Api
from redis import RedisError

from apps.api.endpoint import BODY_BYTES_MAX, Endpoint, Tables
from apps.api.request import ClientSession
from bayou.errors import Refusal
from replica.config import RequestSettings
from replica.events.counters import Counters
from replica.http import admin, auth, diagram, errors, event_stream, export, metrics, openapi, web_pages
from replica.http.client_session import TOKEN_HEADER, read_session, token_to_send
from replica.http.cors import READING, CrossSite
from replica.http.parts import Parts
from replica.http.rate_limit import USER, RateLimit
from replica.http.routing import Routes
from replica.http.wsgi import ADMIT, CLIENT

UNLIMITED = RequestSettings(user_per_s=0, address_per_s=0)


def create_app(parts: Parts, counters: Counters | None = None, rates: RateLimit | None = None) -> Flask:
    """Return the WSGI application of one replica. `counters` counts the answers of the application. Without `counters`,
    the application makes new counters. `rates` limits the requests. Without `rates`, requests are not limited."""
    app = Flask("bayou", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # flask-restful fails where an error meets the redirect that this would make
    app.register_error_handler(Exception, _answer_error)
    api = _Api(app)
    counters = counters or Counters()
    security = auth.Security(parts.settings, parts.store.read, parts.operator_hash)
    tables = tables_of(parts, counters, security)
    routes = Routes(api, [endpoint for table in tables.values() for endpoint in table])
    cross_site = CrossSite(parts.settings, parts.settings.replica(parts.label).rest, lambda: _joined(parts))
    _add_hooks(app, parts, routes, cross_site, security, counters, RateLimit(UNLIMITED) if rates is None else rates)
    return app


def tables_of(parts: Parts, counters: Counters, security: auth.Security) -> Tables:
    """Return the endpoints of each owner. An owner is the name of an application, or `replica` for the replica's own
    endpoints."""
    tables = {found.name: list(found.endpoints(parts.service)) for found in parts.applications}
    own = tables["replica"] = []
    own += admin.endpoints(parts)
    own += export.endpoints(parts)
    own += [diagram.endpoint(parts), event_stream.endpoint(parts)]
    own += [metrics.endpoint(counters, parts), openapi.endpoint(tables)]
    own += auth.endpoints(security)
    own += web_pages.endpoints(parts, tables)
    return tables


def _add_hooks(
    app: Flask,
    parts: Parts,
    routes: Routes,
    cross_site: CrossSite,
    security: auth.Security,
    counters: Counters,
    rates: RateLimit,
) -> None:
    @app.before_request
    def admit() -> Response | None:
        g.began_s, g.processor_s = time.monotonic(), time.thread_time()
        g.client = request.environ.get(CLIENT, "")
        method, headers = request.method, request.headers
        endpoint = g.endpoint = routes.endpoint_of(request, method)
        try:
            cross_site.check(endpoint, method, request.host, headers.get("Origin"))
            g.session = read_session(headers, only_reads=method in READING)
            g.caller = security.caller(endpoint, method, request)
        except Refusal:
            rates.check(g.client)
            raise
        if security.has_roles and g.caller.name:
            g.client = f"{USER}{g.caller.name}"
        if endpoint is None or endpoint.is_refused_when_busy:
            rates.check(g.client)
        g.session.client = g.client
        if endpoint is None:
            return None
        if endpoint.is_write:
            security.add_manager_of_proxy(g.caller, parts.service)
        request.max_content_length = endpoint.body_bytes_max
        if ADMIT not in request.environ:
            return None
        request.environ[ADMIT](endpoint.body_bytes_max)  # the body is read now, and the request comes again with it
        g.is_counted = False
        return Response()

    @app.after_request
    def complete(response: Response) -> Response:
        headers, method = response.headers, request.method
        session: ClientSession | None = g.get("session")
        token = token_to_send(session, response.status_code) if session else None
        if token is not None:
            headers.add(TOKEN_HEADER, token)
        origin = request.headers.get("Origin")
        if origin is not None:
            # A preflight asks on behalf of the method that is to come.
            wanted = request.headers.get("Access-Control-Request-Method", method)
            headers.update(cross_site.permission(routes.endpoint_of(request, wanted), origin))
        if response.status_code != 429:
            rates.charge(g.client, time.thread_time() - g.processor_s)
        headers.add("X-Content-Type-Options", "nosniff")
        headers.setdefault("Cache-Control", "no-store")
        endpoint: Endpoint | None = g.endpoint
        if g.get("is_counted", True) and (endpoint is None or not endpoint.is_endless):
            counters.note_answer(method, response.status_code, time.monotonic() - g.began_s)
        return response


class _Api(Api):  # type: ignore[misc]  # flask_restful has no types
    def handle_error(self, e: Exception) -> Response:
        """Return the answer to an error, in the form that all errors have. Without this method, flask-restful would
        bypass the error handler of the Flask application."""
        return _answer_error(e)


def _answer_error(error: Exception) -> Response:
    return errors.answer_error(error, request.method, request.path)


def _joined(parts: Parts) -> list[str]:
    """Return the REST addresses of the created servers. Return an empty list while the storage cannot be reached."""
    try:
        return [member.rest for member in parts.store.members()]
    except RedisError:
        return []
