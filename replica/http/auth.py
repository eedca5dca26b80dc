"""Authentication and authorisation: who makes a request, and whether their role permits it.

With `auth: none` everybody may do everything. With `auth: tokens` a request needs a token. With `auth: proxy` a user
can also log in at a trusted proxy. Then the proxy adds the name and the groups of the user to each request, and the
request needs no token (proxy_login.py). There are three ways to send a token:

    Authorization: Bearer TOKEN        programs and the command line
    Authorization: Basic NAME:TOKEN    programs that know only names and passwords, such as calendars
    Cookie: bayou_token=TOKEN          the web pages, after PUT /login has set the cookie

Tokens are looked up in the tentative view. When this replica accepts a change of a person, the change takes effect at
this replica at once. That is so even while the replica cannot reach the other replicas.

The operator's token is in the file data/LABEL/operator.token. The token changes at each start. With this token, the
operator of the machine can create the first manager.

Each endpoint declares the lowest role that may use the endpoint. An endpoint without a role needs no token.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

from flask import Request as FlaskRequest
from flask import Response
from pydantic import Field
from werkzeug.datastructures import Authorization, Headers
from werkzeug.http import dump_cookie, parse_cookie

from apps.api.endpoint import Answer, Endpoint
from apps.api.model import Model
from apps.api.request import Caller, ClientSession
from apps.api.schema import TEXT, nullable, one_of, record
from apps.api.service import Service
from apps.people.drafts import draft_of
from apps.people.pages import OPERATOR, Person, decode_person, person_page
from apps.people.tokens import hash_of, is_hash_of, name_of, new_token
from bayou.application import Snapshot
from bayou.errors import BadInput, Forbidden, Unauthorized
from bayou.names import NAME
from bayou.session_token import Token
from replica.config import Config
from replica.http.proxy_login import RANKS, ProxyLogin
from replica.http.routing import HttpRequest, own_endpoint
from replica.http.web_pages import page, wants_page

TOKEN_FILE = "operator.token"
COOKIE = "bayou_token"
COOKIE_AGE_S = 400 * 86_400  # as long as browsers keep one
USER_HEADER = "Bayou-User"
OPEN = {"auth": "none", "user": None, "role": "user"}

Read = Callable[[list[str]], Snapshot]


class Security:
    """The authentication of one replica. `read` reads pages of the store. `operator_hash` is the hash of the operator's
    token."""

    def __init__(self, settings: Config, read: Read, operator_hash: str | None = None) -> None:
        self.has_roles = settings.has_roles
        self._proxy_login = ProxyLogin(settings.proxy_login, settings.proxies) if settings.auth == "proxy" else None
        self.public_names = {replica.public for replica in settings.replicas.values() if replica.public}
        self._read = read
        self._operator_hash = operator_hash

    def caller(self, endpoint: Endpoint | None, method: str, request: FlaskRequest) -> Caller:
        """Return who makes a request. `endpoint` is None if the request matches no endpoint.

        Raises Unauthorized if a needed token or name is missing, or if the token is not valid. Raises BadInput if the
        name is malformed. Raises Forbidden if the role of the caller is too low, or if the token belongs to another
        name.
        """
        named = request.headers.get(USER_HEADER)
        if not self.has_roles:
            return Caller(_name_of(named) if endpoint and endpoint.is_write else "", "user")
        needed = endpoint.role if endpoint else "user"
        if needed is None or method == "OPTIONS":
            return Caller("", "guest")
        caller = self.user_of_proxy(request) or self.holder(sent_token(request.headers))
        if RANKS[caller.role] < RANKS[needed]:
            raise Forbidden(
                "forbidden",
                f"{caller.name} is a {caller.role}, but this request needs a {needed}. Ask a manager for another role.",
                needs=needed,
            )
        if named not in {None, caller.name}:
            raise Forbidden(
                "forbidden",
                f"This request comes from {caller.name}, but the header {USER_HEADER} names {named}. Omit that header,"
                f" or log in as {named}.",
                needs=named,
            )
        return caller

    def user_of_proxy(self, request: FlaskRequest) -> Caller | None:
        """Return the user that a trusted proxy names in the request. Return None if the request names no user, or if
        the setting `auth` is not `proxy`. The user may also be a person of this cluster. Then the user gets the lower
        role of the two: the role from the proxy, or the role of the person. Raises Unauthorized and BadInput as
        ProxyLogin.user_of does. Raises Forbidden if the person was revoked."""
        user = self._proxy_login.user_of(request) if self._proxy_login else None
        if user is None:
            return None
        person, was_added = self._person(user.name)
        if person is None and was_added:
            raise Forbidden(
                "forbidden",
                f"{user.name} has been revoked in this cluster. A manager can add {user.name} again.",
                needs="guest",
            )
        return user if person is None else Caller(user.name, min(user.role, person.role, key=lambda role: RANKS[role]))

    def add_manager_of_proxy(self, caller: Caller, service: Service) -> None:
        """Add the caller as a person of this cluster, if the caller is a manager who logs in at the proxy and is not a
        person yet.

        The role that the proxy gives is not in the replicated data. A write about people has an effect only if its user
        is the operator, or is a manager in the replicated data. So this method submits a write of the operator that
        adds the caller as a manager. Every replica plays this write before the caller's next writes. Nobody gets the
        token of the new person.
        """
        if self._proxy_login is None or caller.role != "manager" or caller.name == OPERATOR:
            return
        if self._person(caller.name)[0] is None:
            secret = hash_of(new_token(caller.name))
            draft = draft_of(OPERATOR, None, service.now(), "add", caller.name, role=caller.role, hash=secret)
            service.submit(draft, ClientSession(Token()))  # if a peer has added them meanwhile, it changes nothing

    def _person(self, name: str) -> tuple[Person | None, bool]:
        """Return the person who has this name now; None if there is no such person. Also return whether a person ever
        had this name."""
        page = person_page(name)
        fields = self._read([page]).pages[page].tentative
        return decode_person(fields), bool(fields)

    def holder(self, token: str | None) -> Caller:
        """Return the holder of a token. Raises Unauthorized if the token is missing or not valid."""
        if not token:
            login = self._proxy_login
            at_proxy = f"Log in at the proxy, which must send the header {login.user_header}. Or s" if login else "S"
            raise Unauthorized(
                "token_missing",
                f"The request has no token. {at_proxy}end the header Authorization: Bearer TOKEN."
                " A manager can give you a token.",
            )
        name = name_of(token)
        if name == OPERATOR and self._operator_hash and is_hash_of(self._operator_hash, token):
            return Caller(OPERATOR, "manager")
        person = self._person(name)[0] if name else None
        if name is None or person is None or not is_hash_of(person.hash, token):
            raise Unauthorized(
                "token_wrong",
                "This replica does not know the token. The token was revoked or replaced, or is so new that this"
                " replica has not received it yet. Ask a manager for another token, or try again later.",
            )
        return Caller(name, person.role)


class TokenBody(Model):
    example: ClassVar = {"token": "vish.kq3vJ0mPz5Yw1xB7"}

    token: Annotated[str, Field(description="The token that a manager gave.")]


def endpoints(security: Security) -> list[Endpoint]:
    auth, role = one_of("none", "tokens", "proxy"), one_of("user", "manager", "guest")
    caller = record(auth=auth, user=nullable(TEXT), role=nullable(role))
    login, endpoint = Login(security), partial(own_endpoint, path="/login", role=None)
    return [
        endpoint("GET", handler=login.show_login, answers={200: caller}),
        endpoint("PUT", handler=login.log_in, answers={200: caller}),
        endpoint("DELETE", handler=login.log_out, answers={200: record(auth=auth, user={"type": "null"})}),
    ]


class Login:
    """The handlers of /login. They set and delete the cookie that web pages use."""

    def __init__(self, security: Security) -> None:
        self._security = security

    def show_login(self, request: HttpRequest[None, None]) -> Answer | Response:
        """Show who the caller is. A browser gets the web page for logging in."""
        if wants_page(request):
            return page("login.html", ["'self'"])
        if not self._security.has_roles:
            return OPEN
        if user := self._security.user_of_proxy(request.http):
            return {"auth": "proxy", "user": user.name, "role": user.role}
        token = sent_token(request.http.headers)
        return _shown(self._security.holder(token)) if token else {"auth": "tokens", "user": None, "role": None}

    def log_in(self, request: HttpRequest[None, TokenBody]) -> tuple[Answer, int, dict[str, str]]:
        """Log in on the web pages: set the cookie that keeps the user's token."""
        if not self._security.has_roles:
            return OPEN, 200, {}
        token = request.body.token
        return _shown(self._security.holder(token)), 200, self._cookie(request, token, COOKIE_AGE_S)

    def log_out(self, request: HttpRequest[None, None]) -> tuple[Answer, int, dict[str, str]]:
        """Log out on the web pages: delete the cookie that keeps the user's token."""
        auth = "tokens" if self._security.has_roles else "none"
        return {"auth": auth, "user": None}, 200, self._cookie(request, "", 0)

    def _cookie(self, request: HttpRequest[Any, Any], token: str, age_s: int) -> dict[str, str]:
        """Return the header that sets the cookie. Scripts cannot read the cookie. Browsers do not send the cookie with
        requests from other sites. If this request came to the public name of a replica, browsers send the cookie over
        TLS only."""
        secure = request.http.host.partition(":")[0] in self._security.public_names
        return {"Set-Cookie": dump_cookie(COOKIE, token, age_s, httponly=True, samesite="Strict", secure=secure)}


def _shown(caller: Caller) -> Answer:
    return {"auth": "tokens", "user": caller.name, "role": caller.role}


def sent_token(headers: Headers) -> str | None:
    """Return the token of a request; None if there is none. With Basic authentication, the token is the password."""
    sent = Authorization.from_header(headers.get("Authorization"))
    if sent is None:
        return parse_cookie(headers.get("Cookie")).get(COOKIE)
    return sent.password if sent.type == "basic" else sent.token


def _name_of(named: str | None) -> str:
    """Return the user that the header names. Raises Unauthorized without a name, and BadInput for a malformed name."""
    if named is None:
        raise Unauthorized("user_missing", f"The request names no user. Add the header {USER_HEADER}: NAME.")
    if not NAME.fullmatch(named):
        raise BadInput(
            "bad_input",
            f"{USER_HEADER} must be a name: 1 to 64 letters, digits or characters of ._@+- (the names `.` and `..` are"
            " not allowed).",
            field=USER_HEADER,
        )
    return named


def new_operator_token(folder: Path) -> str:
    """Write a new operator's token to a file in the folder of the replica. Only the owner of the file can read the
    token. Returns the hash of the token."""
    token = new_token(OPERATOR)
    path = folder / TOKEN_FILE
    fresh = folder / f"{TOKEN_FILE}.{secrets.token_hex(4)}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{token}\n")
    fresh.replace(path)
    return hash_of(token)
