"""Connects the declared endpoints to Flask. Each path gets a resource of flask-restful.

The resource reads and checks the request of Flask, and calls the handler of the endpoint with an HttpRequest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import flask
from flask import Response, g
from flask_restful import Api, Resource
from werkzeug.routing import BaseConverter

from apps.api.endpoint import Content, Endpoint
from apps.api.model import Model, read_body, read_members
from apps.api.request import BodyT, QueryT, Request
from replica.http.json import json_response

# Of the replica itself: outside of any client session.
own_endpoint = partial(Endpoint, in_session=False)


@dataclass(frozen=True, slots=True)
class HttpRequest(Request[QueryT, BodyT]):
    """The request that the replica's own handlers get. `http` is Flask's request, which has the headers and the stream
    of the body."""

    http: flask.Request


class Routes:
    """Adds the endpoints to an Api, and finds the endpoint of a request.

    `g.caller` and `g.session` must be set before a handler is called.
    """

    def __init__(self, api: Api, endpoints: Iterable[Endpoint]) -> None:
        self._by_name: dict[str, dict[str, Endpoint]] = {}
        by_path: dict[str, list[Endpoint]] = {}
        for endpoint in endpoints:
            by_path.setdefault(endpoint.path, []).append(endpoint)
        api.app.url_map.converters["rest"] = _RestConverter
        for path, found in by_path.items():
            name = found[0].handler.__name__
            self._by_name[name] = {endpoint.method: endpoint for endpoint in found}
            resource = type(name, (Resource,), {endpoint.method.lower(): _method(endpoint) for endpoint in found})
            api.add_resource(resource, _rule(path), endpoint=name)

    def endpoint_of(self, request: flask.Request, method: str) -> Endpoint | None:
        """Return the endpoint at the path of a request; None if the path has no endpoint with this method."""
        if request.url_rule is None:
            return None
        return self._by_name[request.url_rule.endpoint].get("GET" if method == "HEAD" else method)


class _RestConverter(BaseConverter):
    """Matches the rest of a path. The rest may contain slashes, also at its beginning and end."""

    regex = ".+"
    part_isolating = False


def _rule(path: str) -> str:
    """Return a path such as `/rooms/{room}` in the syntax of Flask."""
    return re.sub(r"{(\+?)(\w+)}", lambda found: f"<{'rest' if found[1] else 'string'}:{found[2]}>", path)


def _method(endpoint: Endpoint) -> Callable[..., Any]:
    """Return the function that a resource calls for one HTTP method."""
    query_model, body_model = endpoint.query, endpoint.body

    def method(_resource: Resource, **path: str) -> Response:
        http = flask.request
        query = read_members(query_model, http.args.to_dict()) if query_model else None
        body = _body(body_model, http, is_required=endpoint.body_is_required) if body_model else None
        return _response(endpoint.handler(HttpRequest(g.caller, g.session, query, body, http), **path), http)

    return method


def _body(model: type[Model], http: flask.Request, *, is_required: bool) -> Model:
    sent = http.get_data()
    return read_body(model, sent) if sent or is_required else read_members(model, {})


def _response(answer: Any, http: flask.Request) -> Response:
    """Turn the result of a handler into a response of Flask. Without this function, flask-restful would choose a
    format by the header Accept, but an endpoint answers in one format only."""
    if isinstance(answer, Response):
        return answer
    if isinstance(answer, Content):
        return _content(answer, http)
    return json_response(*answer) if isinstance(answer, tuple) else json_response(answer)


def _content(content: Content, http: flask.Request) -> Response:
    """Return the response with this content. If the client has the content already, return 304 without a body."""
    response = Response(content.body, content_type=content.media_type)
    response.set_etag(content.tag, weak=content.is_weak)
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(http)
    return response
