"""The web pages and their files: the calendar for people, and the cluster page for lessons.

Each file of web/ is sent unchanged. GET /cluster can also answer with the list of replicas as JSON. A web page needs
that list before it can ask other replicas.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import flask
from flask import Response
from werkzeug.exceptions import NotFound

from apps.api.endpoint import Answer, Endpoint, Tables
from bayou.names import split_address
from replica.config import CONTROL_VARIABLE, Address
from replica.http.json import json_response
from replica.http.parts import Parts
from replica.http.routing import HttpRequest, own_endpoint

WEB = Path(__file__).parent.parent.parent / "web"

# Fixed here, since the table of the machine may say that a script is text/plain, and browsers refuse to run that.
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def endpoints(parts: Parts, tables: Tables) -> list[Endpoint]:
    """Return the endpoints of the web pages and of their files. `tables` has all endpoints of the replica. A program
    that requests `/` gets a list of the paths of all these endpoints."""
    pages, endpoint = Pages(parts, tables), partial(own_endpoint, "GET", answers={200: None}, role=None)
    endpoint = partial(endpoint, is_refused_when_busy=False)  # so that a page can say why it shows nothing
    return [
        endpoint("/", pages.show_calendar_page),
        endpoint("/cluster", pages.show_cluster_page),
        endpoint("/static/{+name}", pages.send_file, parameters={"name": "The path of a file."}),
    ]


class Pages:
    """The handlers of the web pages and of their files."""

    def __init__(self, parts: Parts, tables: Tables) -> None:
        self._parts = parts
        self._tables = tables

    def show_calendar_page(self, request: HttpRequest[None, None]) -> Response:
        """Show the web page of the calendar; a program gets the list of paths."""
        return page("calendar.html", ["'self'"]) if wants_page(request) else _data(self._index())

    def show_cluster_page(self, request: HttpRequest[None, None]) -> Response:
        """Show the web page of the cluster; a program gets the list of replicas."""
        if not wants_page(request):
            return _data(self._members())
        peers = [base for label, base in self._addresses().items() if label != self._parts.label]
        return page("cluster.html", ["'self'", *peers, *_control()])

    def send_file(self, _request: HttpRequest[None, None], name: str) -> Response:
        """Send a file that the web pages use."""
        if Path(name).suffix not in TYPES:
            raise NotFound
        return _sent(f"static/{name}")

    def _index(self) -> Answer:
        paths: dict[str, list[str]] = {}
        for endpoint in (found for table in self._tables.values() for found in table):
            path = re.sub(r"{\+?(\w+)}", r"<\1>", endpoint.path)
            paths.setdefault(path, []).append(endpoint.method)
        return {"bayou": self._parts.label, "paths": {path: sorted(paths[path]) for path in sorted(paths)}}

    def _members(self) -> Answer:
        settings = self._parts.settings
        return {
            "label": self._parts.label,
            "cluster": settings.cluster,
            "timezone": settings.timezone,
            "users": list(settings.users),
            "replicas": [{"label": label, "address": base} for label, base in self._addresses().items()],
        }

    def _addresses(self) -> dict[str, str]:
        """Return the URL of each replica by label: first the replicas of the configuration, then the replicas that
        joined."""
        configured = self._parts.settings.replicas
        found = {label: str(replica.rest) for label, replica in configured.items()}
        for member in self._parts.store.members():
            found.setdefault(member.label, member.rest)
        shown = {label: f"http://{address}" for label, address in found.items() if split_address(address)}
        return shown | {label: f"https://{one.public}" for label, one in configured.items() if one.public}


def _control() -> list[str]:
    """Return the origin of the control endpoint, through which the cluster page crashes and restarts replicas. Return
    an empty list if there is no control endpoint on this machine."""
    found = split_address(os.environ.get(CONTROL_VARIABLE, ""))
    return [f"http://{Address(*found)}"] if found and Address(*found).is_loopback else []


def wants_page(request: HttpRequest[Any, Any]) -> bool:
    """Return whether a browser made the request. Browsers prefer text/html. Other programs, such as curl, accept
    anything, and get JSON."""
    accepted = request.http.accept_mimetypes
    return accepted.quality("text/html") > accepted.quality("application/json")


def _data(members: dict[str, Any]) -> Response:
    return json_response(members, 200, {"Vary": "Accept"})


def _sent(name: str) -> Response:
    """Return a file of web/. A browser keeps the file, but asks each time whether it has changed, so that the page
    always matches the replica."""
    response = flask.send_from_directory(WEB, name, mimetype=TYPES[Path(name).suffix])
    response.headers["Cache-Control"] = "no-cache"
    return response


def page(name: str, reached: list[str]) -> Response:
    """Return a web page. The page may load its own files and send requests to the origins in `reached`, and nothing
    else."""
    response = _sent(name)
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src {' '.join(reached)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Accept"
    return response
