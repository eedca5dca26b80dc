"""Login through a trusted proxy (`auth: proxy`): the proxy logs users in, and names them in headers.

Anybody can send these headers, so this replica accepts the headers only from the addresses of the proxies. If a request
with one of these headers comes from another address, the request is refused, because the name may be false. A proxy
must replace the headers that its client sends. If a proxy only adds its own headers, a header comes twice, and the
request is refused too.
"""

from __future__ import annotations

from collections.abc import Collection

from flask import Request

from apps.api.request import Caller
from apps.people.pages import OPERATOR
from bayou.errors import BadInput, Unauthorized
from bayou.names import NAME
from replica.config import ProxyLoginSettings
from replica.http.wsgi import REPEATED

RANKS = {"guest": 1, "user": 2, "manager": 3}


class ProxyLogin:
    """Finds the user who has logged in at a proxy, from the headers of the request. `proxies` are the addresses of the
    proxies. The settings name the headers."""

    def __init__(self, settings: ProxyLoginSettings, proxies: Collection[str]) -> None:
        self.user_header = settings.user_header
        self._settings = settings
        self._proxies = proxies

    def user_of(self, request: Request) -> Caller | None:
        """Return the user that a proxy names, with the highest role of the user's groups. Return None if the request
        names no user.

        Raises Unauthorized if the headers do not come from the address of a proxy. Raises BadInput if a header came
        twice or the name is malformed.
        """
        user_header, groups_header = self.user_header, self._settings.groups_header
        name, groups = request.headers.get(user_header, ""), request.headers.get(groups_header, "")
        if not name and not groups:
            return None
        if request.remote_addr not in self._proxies:
            raise Unauthorized(
                "proxy_unknown",
                f"The headers {user_header} and {groups_header} are accepted only from the addresses in the setting"
                f" `proxies`, but this request comes from {request.remote_addr}. Send the request to the proxy, or send"
                " a token instead of these headers.",
            )
        for header in (user_header, groups_header):
            if f"HTTP_{header.upper().replace('-', '_')}" in request.environ.get(REPEATED, ()):
                raise BadInput(
                    "bad_input",
                    f"The header {header} came more than once. The proxy must replace the header that its client"
                    " sends.",
                    field=header,
                )
        if not name:
            return None
        if not NAME.fullmatch(name) or name == OPERATOR:
            raise BadInput(
                "bad_input",
                f"{user_header} has the name {name[:64]!r}, which cannot be used here: a name has 1 to 64 letters,"
                f" digits and . _ @ + -, and is not {OPERATOR}. Let the proxy send another name for the user.",
                field=user_header,
            )
        roles = [self._settings.roles.get(group.strip()) for group in groups.split(",")]
        found = [role for role in roles if role is not None]
        return Caller(name, max(found, key=RANKS.__getitem__) if found else self._settings.others)
