"""Who asks, and whether they may: tokens and roles at the door of the REST interface.

With `auth: none` nobody is asked. With `auth: tokens` a request carries a token in one of three ways:

    Authorization: Bearer TOKEN        programs and the command line
    Authorization: Basic NAME:TOKEN    programs that know only names and passwords, such as calendars
    Cookie: bayou_token=TOKEN          the pages, once PUT /login has set it

A token is looked up in the tentative view, so that whoever was added here, or revoked, is so at once, cut off or not.
The operator's token lies in data/LABEL/operator.token, new at each start: whoever can read that file has the machine,
and may make the first manager with it. Knows HTTP, the pages of people and one table of what each role may do.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, request
from flask_restful import Resource
from werkzeug.datastructures import Authorization, Headers
from werkzeug.http import dump_cookie, parse_cookie

from apps.people.pages import OPERATOR, decode_person, person_page
from apps.people.tokens import hash_of, is_hash_of, name_of, new_token
from bayou.application import Snapshot
from bayou.errors import BadInput, Forbidden, Unauthorized
from replica.config import Config
from replica.http.caller import Asking
from replica.http.web_pages import page, wants_page

TOKEN_FILE = "operator.token"
COOKIE = "bayou_token"
COOKIE_AGE_S = 400 * 86_400  # as long as browsers keep one
READING = {"GET", "HEAD", "OPTIONS"}
RANKS = {"guest": 1, "user": 2, "manager": 3}

# The first row that fits says which role it takes at least; None: no token is asked for. GET stands for all of READING.
_RULES: tuple[tuple[str, str, str | None], ...] = (
    ("OPTIONS", r".*", None),
    ("GET", r"/|/cluster|/static/.*|/openapi\.json|/metrics", None),
    ("*", r"/login", None),
    ("GET", r"/rooms|/rooms/free|/(rooms|users)/[^/]+/freebusy\.ics", "guest"),
    ("*", r"/people(/.*)?", "manager"),
    ("GET", r"/replica/export", "manager"),
    ("GET", r".*", "user"),
    ("*", r"/replica/.*", "manager"),
    ("*", r".*", "user"),
)
RULES = [(method, re.compile(path), role) for method, path, role in _RULES]


NOBODY = Asking(None, "user")
Read = Callable[[list[str]], Snapshot]


class Security:
    """For one replica. `read` reads pages; `operator_hash` is that of the operator's token."""

    def __init__(self, settings: Config, read: Read, operator_hash: str | None = None) -> None:
        self.asks_for_tokens = settings.auth == "tokens"
        self.public_names = {replica.public for replica in settings.replicas.values() if replica.public}
        self._read = read
        self._operator_hash = operator_hash

    def register(self, app: Flask, api: Any) -> None:
        """Judge each request, and add /login."""
        api.add_resource(Login, "/login", resource_class_kwargs={"security": self})

        @app.before_request
        def admit() -> None:
            g.asking = self.admitted(request.method, request.path, request.headers)

    def admitted(self, method: str, path: str, headers: Headers) -> Asking:
        """Who asks; raises Unauthorized token_missing or token_wrong, Forbidden forbidden."""
        if not self.asks_for_tokens:
            return NOBODY
        needed = needed_role(method, path)
        if needed is None:
            return Asking(None, "guest")
        asking = self.holder(sent_token(headers))
        if RANKS[asking.role] < RANKS[needed]:
            raise Forbidden(
                "forbidden",
                f"{asking.name} is a {asking.role}, and this takes a {needed}. A manager can give another role.",
                needs=needed,
            )
        named = headers.get("Bayou-User")
        if named not in {None, asking.name}:
            raise Forbidden(
                "forbidden", f"The token is that of {asking.name}, and Bayou-User names {named}.", needs=named
            )
        return asking

    def holder(self, token: str | None) -> Asking:
        """Whose token it is; raises Unauthorized."""
        if not token:
            raise Unauthorized("token_missing", "Say who you are: Authorization: Bearer TOKEN. A manager gives tokens.")
        name = name_of(token)
        if name == OPERATOR and self._operator_hash and is_hash_of(self._operator_hash, token):
            return Asking(OPERATOR, "manager")
        own = person_page(name or "")
        person = decode_person(self._read([own]).pages[own].tentative) if name else None
        if name is None or person is None or not is_hash_of(person.hash, token):
            raise Unauthorized(
                "token_wrong",
                "This replica does not know the token. It was revoked or replaced, or it is so new that it has not come"
                " this far yet; a manager can give another.",
            )
        return Asking(name, person.role)


class Login(Resource):  # type: ignore[misc]  # flask_restful has no types
    """Who one is, for programs and pages; and the cookie of pages."""

    def __init__(self, security: Security) -> None:
        self._security = security

    def get(self) -> dict[str, Any] | Response:
        """For a browser the page, whose script asks again, for JSON."""
        return page("login.html", ["'self'"]) if wants_page() else self._known()

    def _known(self) -> dict[str, Any]:
        if not self._security.asks_for_tokens:
            return {"auth": "none", "user": None, "role": "user"}
        token = sent_token(request.headers)
        asking = self._security.holder(token) if token else Asking(None, "guest")
        return {"auth": "tokens", "user": asking.name, "role": asking.role if asking.name else None}

    def put(self) -> tuple[dict[str, Any], int, dict[str, str]]:
        members = request.get_json()
        token = members.get("token") if isinstance(members, dict) else None
        if not isinstance(token, str) or set(members) != {"token"}:
            raise BadInput("bad_input", 'token: send {"token": "…"}.', field="token")
        if not self._security.asks_for_tokens:
            return self._known(), 200, {}
        asking = self._security.holder(token)
        return {"auth": "tokens", "user": asking.name, "role": asking.role}, 200, self._cookie(token, COOKIE_AGE_S)

    def delete(self) -> tuple[dict[str, Any], int, dict[str, str]]:
        auth = "tokens" if self._security.asks_for_tokens else "none"
        return {"auth": auth, "user": None}, 200, self._cookie("", 0)

    def _cookie(self, token: str, age_s: int) -> dict[str, str]:
        """Out of reach of scripts and of other sites; of a replica behind a proxy with TLS, never sent without it."""
        secure = request.host.partition(":")[0] in self._security.public_names
        return {"Set-Cookie": dump_cookie(COOKIE, token, age_s, httponly=True, samesite="Strict", secure=secure)}


def needed_role(method: str, path: str) -> str | None:
    """The least role for a request; None where no token is asked for."""
    known_as = "GET" if method == "HEAD" else method
    trimmed = path.rstrip("/") or "/"
    return next(role for verb, paths, role in RULES if verb in {"*", known_as} and paths.fullmatch(trimmed))


def sent_token(headers: Headers) -> str | None:
    """The token of a request; of a pair of name and password, the password."""
    sent = Authorization.from_header(headers.get("Authorization"))
    if sent is None:
        return parse_cookie(headers.get("Cookie")).get(COOKIE)
    return sent.password if sent.type == "basic" else sent.token


def new_operator_token(folder: Path) -> str:
    """Put a new token into the replica's folder, readable by its owner alone; returns its hash."""
    token = new_token(OPERATOR)
    path = folder / TOKEN_FILE
    fresh = folder / f"{TOKEN_FILE}.{secrets.token_hex(4)}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{token}\n")
    fresh.replace(path)
    return hash_of(token)
