"""The web pages: the calendar for people, the cluster for a class, and the files that they are made of.

Each file of web/ is sent as it is. What a page must know of this cluster before it can ask anybody stands at /cluster
for who asks for JSON. It knows the configuration and the routes, nothing of the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flask
from flask import Flask, Response, request
from werkzeug.exceptions import NotFound

from replica.config import Config

WEB = Path(__file__).parent.parent / "web"

# Not asked of the machine, whose own table may say that a script is text/plain: a browser would then refuse to run it.
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


def register(app: Flask, settings: Config, label: str) -> None:
    """Add `/`, `/cluster` and `/static/…`."""
    pages = _Pages(app, settings, label)
    app.add_url_rule("/", "calendar_page", pages.calendar)
    app.add_url_rule("/cluster", "cluster_page", pages.cluster)
    app.add_url_rule("/static/<path:name>", "static", pages.static)


class _Pages:
    def __init__(self, app: Flask, settings: Config, label: str) -> None:
        self._app = app
        self._settings = settings
        self._label = label
        peers = " ".join(base for other, base in self._addresses().items() if other != label)
        self._policies = {"calendar.html": _policy("'self'"), "cluster.html": _policy(f"'self' {peers}".rstrip())}

    def calendar(self) -> Response:
        """The calendar; a program that comes by is told what there is instead."""
        return self._page("calendar.html") if _wants_page() else _data(self._index())

    def cluster(self) -> Response:
        """The cluster's page; its script asks again, for JSON."""
        return self._page("cluster.html") if _wants_page() else _data(self._members())

    def static(self, name: str) -> Response:
        """A file that pages are made of; anything else is not found, whatever lies there."""
        if Path(name).suffix not in TYPES:
            raise NotFound
        return _sent(f"static/{name}")

    def _page(self, name: str) -> Response:
        response = _sent(name)
        response.headers["Content-Security-Policy"] = self._policies[name]
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Vary"] = "Accept"
        return response

    def _index(self) -> dict[str, Any]:
        paths: dict[str, list[str]] = {}
        for rule in self._app.url_map.iter_rules():
            methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
            path = rule.rule.replace("<string:", "<").replace("<path:", "<")
            paths.setdefault(path, []).extend(methods)
        return {"bayou": self._label, "paths": dict(sorted(paths.items()))}

    def _members(self) -> dict[str, Any]:
        return {
            "label": self._label,
            "cluster": self._settings.cluster,
            "timezone": self._settings.timezone,
            "users": list(self._settings.users),
            "replicas": [{"label": label, "address": base} for label, base in self._addresses().items()],
        }

    def _addresses(self) -> Mapping[str, str]:
        return {label: f"http://{replica.rest}" for label, replica in self._settings.replicas.items()}


def _wants_page() -> bool:
    """Browsers name text/html first; curl and programs take anything, and are served JSON."""
    accepted = request.accept_mimetypes
    return accepted.quality("text/html") > accepted.quality("application/json")


def _data(members: dict[str, Any]) -> Response:
    response = Response(flask.json.dumps(members) + "\n", content_type="application/json")
    response.headers["Vary"] = "Accept"
    return response


def _sent(name: str) -> Response:
    """A file of web/. A browser keeps it, and asks each time whether it changed: a page must fit its replica."""
    response = flask.send_from_directory(WEB, name, mimetype=TYPES[Path(name).suffix])
    response.headers["Cache-Control"] = "no-cache"
    return response


def _policy(reached: str) -> str:
    """What a page may load and reach: its own files, and these replicas."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src {reached}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
