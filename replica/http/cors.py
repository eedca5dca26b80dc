"""The rules for requests that web pages send to this replica from a user's browser. Without tokens, only these rules
protect the replica from foreign web pages.

- A write from a page of another origin is refused. Otherwise a foreign page could make reservations in a user's name.
- A page of another replica of the cluster may use the endpoints that are declared `for_cluster_pages`, because the
  cluster page shows all replicas and cuts links of all replicas. Such a page may use an endpoint with the method POST,
  such as a commit, only with `auth: none`.
- The header Host must have `localhost`, an IP address, or a host name from the configuration. Otherwise the owner of a
  foreign page could point the host name of the page at the address of the replica (DNS rebinding). Then a browser would
  treat the foreign page as the replica's own page.

The rule for the header Host applies to all replicas with `auth: none` or `auth: proxy`. With `auth: tokens`, the rule
applies only to a replica that listens on the loopback address. The other replicas do not need the rule, because a
browser sends the cookie with the token only to the host name that set the cookie.

Only browsers send the header Origin, so the first two rules do not apply to other programs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import SplitResult, urlsplit

from apps.api.endpoint import Endpoint
from bayou.errors import Forbidden
from replica.config import Address, Config, read_address

READING = {"GET", "HEAD", "OPTIONS"}
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class CrossSite:
    """The rules of one replica that listens at `address`. `joined` returns the REST addresses of the created servers.
    The configuration does not have these addresses."""

    def __init__(self, settings: Config, address: Address, joined: Callable[[], Iterable[str]]) -> None:
        self._is_named = address.is_loopback or settings.auth != "tokens"
        self._joined = joined
        self._has_roles = settings.has_roles
        self._names = {replica.rest.host.lower() for replica in settings.replicas.values()}
        self._origins = {origin for replica in settings.replicas.values() for origin in _origins(replica.rest)}
        public = {replica.public for replica in settings.replicas.values() if replica.public}
        self._names |= public
        self._origins |= {f"https://{name}" for name in public}

    def check(self, endpoint: Endpoint | None, method: str, host: str, origin: str | None) -> None:
        """Raise Forbidden `cross_site` if the request breaks one of the rules."""
        name = (_parts(f"//{host}").hostname or "").lower()
        if self._is_named and not (name == "localhost" or name in self._names or _is_ip(name)):
            raise Forbidden(
                "cross_site",
                f"This replica does not accept the host name {name}. Use the IP address or the host name of the"
                " replica. The host name is in the configuration: in the setting `public` if the replica is behind a"
                " proxy, and otherwise in the setting `rest`.",
                host=host,
            )
        own = origin is None or _parts(origin).netloc.lower() == host.lower()
        if own or method in READING or (self._is_shared(endpoint) and self._is_of_the_cluster(origin)):
            return
        raise Forbidden(
            "cross_site",
            f"A web page from {origin} cannot change anything on this replica. Use the replica's own web page.",
            origin=origin,
        )

    def permission(self, endpoint: Endpoint | None, origin: str) -> Mapping[str, str]:
        """Return the headers that let a page of another replica read the answer in a browser. Return no headers if the
        page may not read the answer."""
        if not self._is_shared(endpoint) or not self._is_of_the_cluster(origin):
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "GET, POST, PUT",
            "Access-Control-Allow-Headers": "Bayou-User, Content-Type, Last-Event-ID",
            "Vary": "Origin",
        }

    def _is_shared(self, endpoint: Endpoint | None) -> bool:
        if endpoint is None or not endpoint.for_cluster_pages:
            return False
        return endpoint.method != "POST" or not self._has_roles

    def _is_of_the_cluster(self, origin: str | None) -> bool:
        return origin in self._origins or any(origin in _origins(read_address(rest)) for rest in self._joined())


def _origins(address: Address) -> set[str]:
    """Return the origins of the web pages of a replica that listens at this address."""
    aliases = [f"{name}:{address.port}" for name in LOOPBACK_NAMES] if address.is_loopback else []
    return {f"http://{name}" for name in (str(address), *aliases)}


def _parts(url: str) -> SplitResult:
    """Return the parts of a URL. All parts are empty if the text is not a URL."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
