"""Which web pages a browser may let talk to this replica. Without tokens this is the only guard it has.

- A write with an Origin other than the replica itself is refused: a foreign page cannot reserve on a user's behalf.
- A page of another replica of the cluster may read /replica, /rooms and /events, and cut links: it shows the cluster.
- Where the replica listens on the loopback only, a Host that is a foreign name is refused: a name that was made to
  point at 127.0.0.1 would otherwise make a foreign page the replica's own.

Programs that are no browsers send no Origin, and are not touched by any of it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from apps.api.endpoint import Endpoint
from bayou.errors import Forbidden
from replica.config import Address, Config, read_address

READING = {"GET", "HEAD", "OPTIONS"}
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class CrossSite:
    """The rules for one replica, which listens at `address`. `joined` gives the REST addresses of the created servers:
    the configuration does not name them."""

    def __init__(self, settings: Config, address: Address, joined: Callable[[], Iterable[str]]) -> None:
        self._loopback_only = address.is_loopback
        self._joined = joined
        self._names = {replica.rest.host.lower() for replica in settings.replicas.values()}
        self._origins = {origin for replica in settings.replicas.values() for origin in _origins(replica.rest)}
        public = {replica.public for replica in settings.replicas.values() if replica.public}
        self._names |= public
        self._origins |= {f"https://{name}" for name in public}

    def check(self, endpoint: Endpoint | None, method: str, host: str, origin: str | None) -> None:
        """Raises Forbidden cross_site."""
        name = (urlsplit(f"//{host}").hostname or "").lower()
        if self._loopback_only and not (name == "localhost" or name in self._names or _is_ip(name)):
            raise Forbidden(
                "cross_site",
                f"This replica does not answer to the name {name}; use its address as in the configuration.",
                host=host,
            )
        own = origin is None or urlsplit(origin).netloc.lower() == host.lower()
        if own or method in READING or (_is_shared(endpoint) and self._is_of_the_cluster(origin)):
            return
        raise Forbidden(
            "cross_site",
            f"A page from {origin} may not change anything here. Use the page that this replica serves.",
            origin=origin,
        )

    def permission(self, endpoint: Endpoint | None, origin: str) -> Mapping[str, str]:
        """The headers by which a browser lets a page of another replica read the answer."""
        if not _is_shared(endpoint) or not self._is_of_the_cluster(origin):
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "GET, PUT",
            "Access-Control-Allow-Headers": "Content-Type, Last-Event-ID",
            "Vary": "Origin",
        }

    def _is_of_the_cluster(self, origin: str | None) -> bool:
        return origin in self._origins or any(origin in _origins(read_address(rest)) for rest in self._joined())


def _is_shared(endpoint: Endpoint | None) -> bool:
    return endpoint is not None and endpoint.for_cluster_pages


def _origins(address: Address) -> set[str]:
    """What a browser calls the pages of a replica that listens there."""
    aliases = [f"{name}:{address.port}" for name in LOOPBACK_NAMES] if address.is_loopback else []
    return {f"http://{name}" for name in (str(address), *aliases)}


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
