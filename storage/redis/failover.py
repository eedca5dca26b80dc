"""A Redis behind Sentinel or in a Redis Cluster, where another process may take over.

All keys of a namespace are in one slot, so in both cases one Redis process holds the whole namespace. This module asks
Sentinel or the cluster for the address of that process at the start, and again every second. When another process has
taken over, connections to the former process are dropped. The new process may lack the last writes of the former
process, so the replica's id is checked as after a restart (storage/identity_file.py).

This module handles only addresses. It uses a single key, to find the node that holds the slot of the namespace.
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

from bayou.errors import Away
from storage.redis.sources import CLIENT_OPTIONS, AddressedSource, StartHooks, no_retry

SCHEMES = ("redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel")
PORTS = {"cluster": 6379, "sentinel": 26379}
POLL_S = 1.0
ASK_OPTIONS: dict[str, Any] = {"socket_timeout": 2.0, "socket_connect_timeout": 2.0, "protocol": 2}
FORMS = "redis+cluster://HOST:PORT,HOST:PORT or redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB"

Address = tuple[str, int]  # host, port
_Node, _Cluster, _Sentinel = cast(Any, ClusterNode), cast(Any, RedisCluster), cast(Any, Sentinel)  # not typed through


@dataclass(frozen=True, slots=True)
class FailoverUrl:
    """The parts of a URL for Sentinel or a cluster. `nodes` are the addresses of the Sentinels or of the cluster's
    nodes, and `service` is the name of a Sentinel service. `options` are for connections to the Redis that serves the
    namespace."""

    kind: str  # cluster | sentinel
    nodes: tuple[Address, ...]
    service: str
    options: dict[str, Any]
    tls: bool


def read_url(url: str) -> FailoverUrl:
    """Read a URL for Sentinel or a cluster. Raises ValueError, with the allowed forms, if the text is not such a
    URL."""
    parts = urlsplit(url)
    scheme, _, kind = parts.scheme.partition("+")
    access, _, hosts = parts.netloc.rpartition("@")
    nodes = tuple(_node(host, PORTS.get(kind, 0)) for host in hosts.split(","))
    path = [unquote(part) for part in parts.path.strip("/").split("/") if part]
    sentinel = kind == "sentinel"
    right = not path if not sentinel else len(path) in {1, 2} and (path[1:] or ["0"])[0].isdigit()
    if parts.scheme not in SCHEMES or not right or parts.query or parts.fragment:
        raise ValueError(f"a URL for a cluster or Sentinel has the form {FORMS}")
    user, _, password = access.partition(":")
    options: dict[str, Any] = {"username": unquote(user) or None, "password": unquote(password) or None}
    if sentinel:
        options["db"] = int((path[1:] or ["0"])[0])
    return FailoverUrl(kind, nodes, path[0] if sentinel else "", options, scheme == "rediss")


def _node(text: str, port_default: int) -> Address:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.port == 0:
        raise ValueError(f"{text!r} is not HOST:PORT; the URL must have the form {FORMS}")
    return parts.hostname, parts.port or port_default


class FailoverSource(AddressedSource):
    """A source whose Redis process changes with a failover. In a cluster, the process is the node that holds the slot
    of `key`. With Sentinel, the process is the master of the service."""

    def __init__(self, url: str, key: str) -> None:
        self._url_parts = read_url(url)
        self._key = key
        self._address: Address | None = None
        self._cluster: Any = None
        super().__init__(url)

    def start(self, hooks: StartHooks) -> list[str]:
        self._address = self._ask()
        return super().start(hooks)

    def client(self, **options: Any) -> redis.Redis:
        kind = _FollowingTlsConnection if self._url_parts.tls else _FollowingConnection
        given = CLIENT_OPTIONS | self._url_parts.options | {"retry": no_retry()} | options
        pool = redis.ConnectionPool(connection_class=kind, address=lambda: self._address, **given)
        return redis.Redis.from_pool(pool)

    def await_change(self, suspect: threading.Event) -> None:
        while not suspect.wait(POLL_S):
            with contextlib.suppress(Away):
                if self._ask() != self._address:
                    return

    def stop(self) -> None:
        if self._cluster is not None:
            self._cluster.close()

    def _ask(self) -> Address:
        """Return the address of the Redis process that serves the namespace now. Raises Away if neither Sentinel nor
        the cluster names a process."""
        try:
            return self._ask_cluster() if self._url_parts.kind == "cluster" else self._ask_sentinel()
        except (redis.RedisError, RedisClusterException, OSError) as reason:
            self._cluster = None
            raise Away(
                "storage_away",
                f"{self.name} does not say which Redis to use now: {reason}. Check that {self.name} is running.",
            ) from None

    def _ask_cluster(self) -> Address:
        if self._cluster is None:
            nodes = [_Node(host, port) for host, port in self._url_parts.nodes]
            asked = {"ssl": True} if self._url_parts.tls else {}
            options = ASK_OPTIONS | self._url_parts.options | asked
            self._cluster = _Cluster(startup_nodes=nodes, require_full_coverage=False, retry=no_retry(), **options)
        else:
            self._cluster.nodes_manager.initialize()
        node = self._cluster.get_node_from_key(self._key)
        if node is None:
            raise redis.ConnectionError("no node of the cluster has the hash slot")
        return node.host, int(node.port)

    def _ask_sentinel(self) -> Address:
        sentinel = _Sentinel(self._url_parts.nodes, sentinel_kwargs=ASK_OPTIONS | {"retry": no_retry()})
        try:
            host, port = sentinel.discover_master(self._url_parts.service)
        finally:
            for client in sentinel.sentinels:
                client.close()
        return str(host), int(port)


class _FollowingConnection(redis.Connection):
    """A connection that follows a failover. Before each use, the connection calls `address`. If the returned address
    has changed, it connects to the new address."""

    def __init__(self, *, address: Callable[[], Address | None], **options: Any) -> None:
        self._address = address
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def connect(self) -> None:
        """Connect to the process that serves the namespace now. Does nothing if this connection already reaches that
        process. The pool calls this method before each use."""
        address = self._address()
        if address is None:
            raise redis.ConnectionError("this replica does not know which Redis to use now")
        if address != (self.host, self.port):
            self.disconnect()  # type: ignore[no-untyped-call]
            self.host, self.port = address
        super().connect()  # type: ignore[no-untyped-call]


class _FollowingTlsConnection(_FollowingConnection, redis.SSLConnection):
    pass
