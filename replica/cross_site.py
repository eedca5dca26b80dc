"""Which web pages a browser may let talk to this replica. There is no authentication, so this is the only guard it has.

- A write with an Origin other than the replica itself is refused: a foreign page cannot reserve on a user's behalf.
- A page of another replica of the cluster may read /replica, /rooms and /events, and cut links: it shows the cluster.
- Where the replica listens on the loopback only, a Host that is a foreign name is refused: a name that was made to
  point at 127.0.0.1 would otherwise make a foreign page the replica's own.

Programs that are no browsers send no Origin, and are not touched by any of it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from bayou.errors import Forbidden
from replica.config import Address, Config

READING = {"GET", "HEAD", "OPTIONS"}
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class CrossSite:
    """The rules for one replica, which listens at `address`."""

    def __init__(self, settings: Config, address: Address) -> None:
        self._loopback_only = address.is_loopback
        self._names = {replica.rest.host.lower() for replica in settings.replicas.values()}
        self._origins = {
            f"http://{name}"
            for replica in settings.replicas.values()
            for name in (str(replica.rest), *_aliases(replica.rest))
        }

    def check(self, method: str, path: str, host: str, origin: str | None) -> None:
        """Raises Forbidden cross_site."""
        name = (urlsplit(f"//{host}").hostname or "").lower()
        if self._loopback_only and not (name == "localhost" or name in self._names or _is_ip(name)):
            raise Forbidden(
                "cross_site",
                f"This replica does not answer to the name {name}; use its address as in the configuration.",
                host=host,
            )
        own = origin is None or urlsplit(origin).netloc.lower() == host.lower()
        if own or method in READING or (origin in self._origins and _shared(method, path)):
            return
        raise Forbidden(
            "cross_site",
            f"A page from {origin} may not change anything here. Use the page that this replica serves.",
            origin=origin,
        )

    def permission(self, method: str, path: str, origin: str | None) -> Mapping[str, str]:
        """The headers by which a browser lets a page of another replica read the answer."""
        if origin not in self._origins or origin is None or not _shared(method, path):
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "GET, PUT",
            "Access-Control-Allow-Headers": "Content-Type, Last-Event-ID",
            "Vary": "Origin",
        }


def _shared(method: str, path: str) -> bool:
    """Whether pages of other replicas have a use for it."""
    if method in READING:
        return path.startswith(("/replica", "/rooms", "/events"))
    return method == "PUT" and path.startswith("/replica/links/")


def _aliases(address: Address) -> list[str]:
    return [f"{name}:{address.port}" for name in LOOPBACK_NAMES] if address.is_loopback else []


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
