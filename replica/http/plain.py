"""Flask and flask-restful, plainly: one way of doing things where they look for several at each request.

No view is a coroutine; there are no blueprints, cookie sessions or signals; the host has no say in where a path leads;
and an answer has one form. What is done before and after each view is given the request, instead of looking it up.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response
from flask.globals import request_ctx
from flask.json.provider import DefaultJSONProvider
from flask_restful import Api
from pydantic_core import to_json
from werkzeug.datastructures import Headers
from werkzeug.routing import MapAdapter

if TYPE_CHECKING:
    from replica.http.caller import Asking
    from replica.http.client_session import Present

NO_CONTENT = 204


class PlainRequest(Request):
    """A request and what is found out before its view runs; None where it was refused before that."""

    began_s: float | None = None
    session: Present | None = None
    asking: Asking | None = None


Before = Callable[[PlainRequest], object]
After = Callable[[PlainRequest, Response], object]


class PlainFlask(Flask):
    """`before` may refuse a request, in their order; `after` complete the answer, whatever it is."""

    request_class = PlainRequest

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
        self.json = Json(self)
        self.url_map.strict_slashes = False
        self.before: list[Before] = []
        self.after: list[After] = []

    def full_dispatch_request(self) -> Response:
        request = present_request()
        try:
            for prepare in self.before:
                prepare(request)
            answered = self.dispatch_request()
        except Exception as error:
            answered = self.handle_user_exception(error)
        response = self.make_response(answered)
        for complete in self.after:
            complete(request, response)
        return response

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """There is one host, whatever it is called; an ill-formed one is refused by `request.host`."""
        if request is None:
            return None
        query = request.query_string.decode("latin-1")
        return MapAdapter(self.url_map, request.host, "", "", request.scheme, request.path, request.method, query)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def do_teardown_request(self, exc: object = None) -> None:
        """Nothing is to be done once a request is over, and nobody is to be told."""

    def do_teardown_appcontext(self, exc: object = None) -> None:
        """The same."""


class PlainApi(Api):  # type: ignore[misc]  # flask_restful has no types
    """Errors go to Flask's handlers, whoever owns the path: so there is one shape."""

    def error_router(self, original_handler: Callable[[Exception], Any], e: Exception) -> Any:
        return original_handler(e)

    def make_response(self, data: Any, code: int, headers: dict[str, str] | None = None) -> Response:
        return json_response(data, code, headers)


class Json(DefaultJSONProvider):
    """Compact UTF-8 out; in, only what can be stored and sent on: no NaN, no bottomless nesting, no half characters."""

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


class JsonResponse(Response):
    """One whose headers are as they go out: it says its length, and leads nowhere."""

    def get_wsgi_headers(self, environ: dict[str, Any]) -> Headers:  # noqa: ARG002
        return self.headers


def present_request() -> PlainRequest:
    """The one that is being answered; past the proxy, whose attributes take longer to reach."""
    request: PlainRequest = request_ctx._get_current_object().request  # type: ignore[attr-defined]
    return request


def json_response(data: Any, code: int, headers: dict[str, str] | None = None) -> Response:
    kind = Response if headers or code == NO_CONTENT else JsonResponse
    try:
        body = to_json(data)
    except ValueError:  # nested deeper than it follows, as a peer's write may be
        body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return kind(body + b"\n", code, headers, content_type="application/json")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
