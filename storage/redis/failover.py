"""A Redis that may be served by another process tomorrow: a master that Sentinel or a Redis Cluster names.

All keys of a namespace are in one slot, so in both cases one process holds it. Sentinel or the cluster is asked which
one at the start, and again every second. Connections to another one are given up; whether the new one holds all that
the old one held is decided as after a restart (storage/identity_file.py). It knows addresses, and no keys but the one
whose slot it asks for.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException
from redis.sentinel import Sentinel

from bayou.errors import Away, BadInput
from storage.redis.embedded import CLIENT_OPTIONS, no_retry
from storage.redis.sources import Addressed

SCHEMES = ("redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel")
PORTS = {"cluster": 6379, "sentinel": 26379}
POLL_S = 1.0
ASK_OPTIONS: dict[str, Any] = {"socket_timeout": 2.0, "socket_connect_timeout": 2.0, "protocol": 2}
FORMS = "redis+cluster://HOST:PORT,HOST:PORT or redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB"

Place = tuple[str, int]
_Node, _Cluster, _Sentinel = cast(Any, ClusterNode), cast(Any, RedisCluster), cast(Any, Sentinel)  # not typed through


@dataclass(frozen=True, slots=True)
class Followable:
    """What a URL of this kind says: whom to ask, and with which options to connect to whom they name."""

    kind: str  # cluster | sentinel
    nodes: tuple[Place, ...]
    service: str
    options: dict[str, Any]
    tls: bool


def read_url(url: str) -> Followable:
    """ValueError, with the forms that there are, for one that is none."""
    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    access, _, hosts = parts.netloc.rpartition("@")
    nodes = tuple(_node(host, PORTS.get(kind, 0)) for host in hosts.split(","))
    path = [unquote(part) for part in parts.path.strip("/").split("/") if part]
    sentinel = kind == "sentinel"
    right = not path if not sentinel else len(path) in {1, 2} and (path[1:] or ["0"])[0].isdigit()
    if parts.scheme not in SCHEMES or not right or parts.query or parts.fragment:
        raise ValueError(f"write it like {FORMS}")
    user, _, password = access.partition(":")
    options: dict[str, Any] = {"username": unquote(user) or None, "password": unquote(password) or None}
    if sentinel:
        options["db"] = int((path[1:] or ["0"])[0])
    return Followable(kind, nodes, path[0] if sentinel else "", options, scheme == "rediss")


def _node(text: str, port_default: int) -> Place:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.port == 0:
        raise ValueError(f"{text!r} is no HOST:PORT; write it like {FORMS}")
    return parts.hostname, parts.port or port_default


class Followed(Addressed):
    """Whoever holds the slot of `key`, or is the master of the service, now."""

    def __init__(self, url: str, key: str) -> None:
        try:
            self._asked = read_url(url)
        except ValueError as reason:
            raise BadInput("bad_input", f"redis: {reason}.", field="redis") from None
        self._key = key
        self._place: Place | None = None
        self._cluster: Any = None
        super().__init__(url)

    def start(
        self, noted_version: str, before_start: Callable[[str], None], before_repair: Callable[[], None]
    ) -> list[str]:
        self._place = self._ask()
        return super().start(noted_version, before_start, before_repair)

    def client(self, **options: Any) -> redis.Redis:
        kind = _FollowingTls if self._asked.tls else _Following
        given = CLIENT_OPTIONS | self._asked.options | {"retry": no_retry()} | options
        pool = redis.ConnectionPool(connection_class=kind, place=lambda: self._place, **given)
        return redis.Redis.from_pool(pool)

    def await_change(self, suspect: threading.Event) -> None:
        while not suspect.wait(POLL_S):
            with contextlib.suppress(Away):
                if self._ask() != self._place:
                    return

    def stop(self) -> None:
        if self._cluster is not None:
            self._cluster.close()

    def _ask(self) -> Place:
        """Who serves now; Away when nobody says so."""
        try:
            return self._ask_cluster() if self._asked.kind == "cluster" else self._ask_sentinel()
        except (redis.RedisError, RedisClusterException, OSError) as reason:
            self._cluster = None
            raise Away("storage_away", f"{self._name}: nobody says who serves: {reason}.") from None

    def _ask_cluster(self) -> Place:
        if self._cluster is None:
            nodes = [_Node(host, port) for host, port in self._asked.nodes]
            asked = {"ssl": True} if self._asked.tls else {}
            options = ASK_OPTIONS | self._asked.options | asked
            self._cluster = _Cluster(startup_nodes=nodes, require_full_coverage=False, retry=no_retry(), **options)
        else:
            self._cluster.nodes_manager.initialize()
        node = self._cluster.get_node_from_key(self._key)
        if node is None:
            raise redis.ConnectionError("no node serves the slot")
        return node.host, int(node.port)

    def _ask_sentinel(self) -> Place:
        sentinel = _Sentinel(self._asked.nodes, sentinel_kwargs=ASK_OPTIONS | {"retry": no_retry()})
        try:
            host, port = sentinel.discover_master(self._asked.service)
        finally:
            for client in sentinel.sentinels:
                client.close()
        return str(host), int(port)


class _FollowingMixin:
    """A connection to whoever `place` names when it is made; one to anybody else is not used any more."""

    def __init__(self, *, place: Callable[[], Place | None], **options: Any) -> None:
        self._where = place
        super().__init__(**options)

    def connect_check_health(self: Any, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        if not self._sock:
            place = self._where()
            if place is None:
                raise redis.ConnectionError("nobody has said who serves")
            self.host, self.port = place
        super().connect_check_health(check_health, retry_socket_connect)  # type: ignore[misc]

    def send_packed_command(self: Any, command: Any, check_health: bool = True) -> None:
        if self._sock and (self.host, self.port) != self._where():
            self.disconnect()
        super().send_packed_command(command, check_health)  # type: ignore[misc]


class _Following(_FollowingMixin, redis.Connection):
    pass


class _FollowingTls(_FollowingMixin, redis.SSLConnection):
    pass
