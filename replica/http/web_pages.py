"""The web pages: the calendar for people, the cluster for a class, and the files that they are made of.

Each file of web/ is sent as it is. What a page must know of this cluster before it can ask anybody stands at /cluster
for who asks for JSON. It knows the configuration, the routes, and who has joined.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flask
from flask import Flask, Response, request
from werkzeug.exceptions import NotFound

from bayou.names import split_address
from replica.http.parts import Parts

WEB = Path(__file__).parent.parent.parent / "web"

# Not asked of the machine, whose own table may say that a script is text/plain: a browser would then refuse to run it.
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


def register(app: Flask, parts: Parts) -> None:
    """Add `/`, `/cluster` and `/static/…`."""
    pages = _Pages(app, parts)
    app.add_url_rule("/", "calendar_page", pages.calendar)
    app.add_url_rule("/cluster", "cluster_page", pages.cluster)
    app.add_url_rule("/static/<path:name>", "static", pages.static)


class _Pages:
    def __init__(self, app: Flask, parts: Parts) -> None:
        self._app = app
        self._parts = parts

    def calendar(self) -> Response:
        """The calendar; a program that comes by is told what there is instead."""
        return page("calendar.html", ["'self'"]) if wants_page() else _data(self._index())

    def cluster(self) -> Response:
        """The cluster's page; its script asks again, for JSON."""
        if not wants_page():
            return _data(self._members())
        peers = [base for label, base in self._addresses().items() if label != self._parts.label]
        return page("cluster.html", ["'self'", *peers])

    def static(self, name: str) -> Response:
        """A file that pages are made of; anything else is not found, whatever lies there."""
        if Path(name).suffix not in TYPES:
            raise NotFound
        return _sent(f"static/{name}")

    def _index(self) -> dict[str, Any]:
        paths: dict[str, list[str]] = {}
        for rule in self._app.url_map.iter_rules():
            methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
            path = rule.rule.replace("<string:", "<").replace("<path:", "<")
            paths.setdefault(path, []).extend(methods)
        return {"bayou": self._parts.label, "paths": dict(sorted(paths.items()))}

    def _members(self) -> dict[str, Any]:
        settings = self._parts.settings
        return {
            "label": self._parts.label,
            "cluster": settings.cluster,
            "timezone": settings.timezone,
            "users": list(settings.users),
            "replicas": [{"label": label, "address": base} for label, base in self._addresses().items()],
        }

    def _addresses(self) -> dict[str, str]:
        """Where each replica answers: those of the configuration, then those that joined."""
        configured = self._parts.settings.replicas
        found = {label: str(replica.rest) for label, replica in configured.items()}
        for member in self._parts.store.members_of_cluster():
            found.setdefault(member.label, member.rest)
        shown = {label: f"http://{address}" for label, address in found.items() if split_address(address)}
        return shown | {label: f"https://{one.public}" for label, one in configured.items() if one.public}


def wants_page() -> bool:
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


def page(name: str, reached: list[str]) -> Response:
    """A page that may load its own files, and ask these replicas; nothing else."""
    response = _sent(name)
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src {' '.join(reached)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Accept"
    return response
