"""The kinds of Redis that a replica may use. Source is the interface of every kind. AddressedSource and MemorySource
are kinds for which this program starts no process.

This module knows how each Redis is reached, started and stopped. It does not know whose data the Redis holds.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bayou.errors import Away, Conflict
from storage.redis.binary import VERSION_MIN, release, version_of

# RESP2 for every connection, so that replies have one shape with every server. No retries: the store knows what is safe
# to run twice.
CLIENT_OPTIONS: dict[str, Any] = {
    "protocol": 2,
    "driver_info": None,
    "socket_connect_timeout": 5.0,
    "socket_timeout": 10.0,
}


def no_retry() -> Retry:
    """Return the retry policy of a client that tries once."""
    return Retry(NoBackoff(), 0)


def shown_url(url: str) -> str:
    """Return a URL as messages show it: without user name, password and options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class StartHooks:
    """A version and two callbacks that the embedded Redis needs when it starts.

    noted_version  the newest version of Redis that has used the data
    before_start   called with the version of the Redis that starts, before that Redis reads the data
    before_repair  called before this program repairs the data
    """

    noted_version: str
    before_start: Callable[[str], None]
    before_repair: Callable[[], None]


class Source(ABC):
    """The interface to a Redis of any kind: how to start it, reach it and stop it.

    name      the name of this Redis in messages
    durable   true if no acknowledged write is lost when the process of the Redis is killed
    sections  the sections of INFO that `identity_in` reads
    """

    name: str
    durable = False
    sections: tuple[str, ...]

    @abstractmethod
    def start(self, hooks: StartHooks) -> list[str]:
        """Make the Redis ready for use. An embedded Redis is started if it does not run yet. If the operator runs the
        Redis, its version and its settings are checked. Returns warnings for the operator."""

    @abstractmethod
    def client(self, **options: Any) -> redis.Redis:
        """Return a new client. `options` override the default options."""

    def identify(self) -> tuple[str, str]:
        """Return (identity, version) of the process that answers now; see `identity_in`. Raises Away if no process
        answers."""
        client = self.client()
        with self._reaching():
            info: dict[str, Any] = {}
            for section in self.sections:
                info |= client.info(section)
        client.close()
        text = "\n".join(f"{key}:{value}" for key, value in info.items())
        return identity_in(text), version_of(info)

    def await_change(self, suspect: threading.Event) -> None:
        """Wait for a sign that the process of the Redis has ended, or that another process has taken over.

        To end the wait early, set `suspect` and call `stop`. Some kinds of Redis react only to `suspect`, the others
        only to `stop`.
        """
        suspect.wait()

    def stop(self) -> None:
        """Stop the embedded Redis; it cannot be started again. Does nothing for other kinds of Redis."""
        return

    def kill(self) -> bool:
        """Kill the process of the embedded Redis. For other kinds of Redis, does nothing and returns False."""
        return False

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Raise Away instead of an error of Redis or of the connection in the `with` block."""
        try:
            yield
        except (redis.RedisError, OSError) as reason:
            raise Away(
                "storage_away", f"{self.name} cannot be used: {reason}. Check that Redis is running and allows INFO."
            ) from None


class AddressedSource(Source):
    """A Redis that the operator runs, at a redis://, rediss:// or unix:// URL."""

    sections = ("server", "replication")

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = shown_url(url)

    def start(self, hooks: StartHooks) -> list[str]:
        del hooks
        client = self.client()
        with self._reaching():
            info = client.info()
            fsync = _setting(client, "appendfsync")
        client.close()
        version, policy = version_of(info), info.get("maxmemory_policy")
        if release(version) < VERSION_MIN:
            raise Conflict("redis_too_old", f"{self.name} is Redis {version}. Use Redis 6.2 or later.", version=version)
        if policy not in {None, "noeviction"}:
            raise Conflict(
                "redis_evicts",
                f"{self.name} may drop data when memory is short (maxmemory-policy {policy}). Set"
                " maxmemory-policy to noeviction.",
                policy=policy,
            )
        warnings = []
        if policy is None:
            warnings.append(
                f"{self.name} does not report its setting maxmemory-policy. Check that the value is noeviction."
            )
        if "aof_enabled" not in info:
            warnings.append(
                f"{self.name} does not report its setting appendonly. Check that the value is yes. Otherwise a crash"
                " loses acknowledged writes."
            )
        elif not info["aof_enabled"]:
            warnings.append(
                f"{self.name} has appendonly off: a crash loses acknowledged writes. Set appendonly to yes."
            )
        elif fsync is None:
            warnings.append(
                f"{self.name} does not report its setting appendfsync. Check that the value is `always`. Otherwise a"
                " power cut loses acknowledged writes."
            )
        elif fsync != "always":
            warnings.append(
                f"{self.name} has appendfsync {fsync}: a power cut loses the acknowledged writes of the last seconds."
                " Set appendfsync to always."
            )
        return warnings

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis.from_url(self._url, retry=no_retry(), **CLIENT_OPTIONS | options)


class MemorySource(Source):
    """A Redis in the memory of this process (fakeredis). It is for unit tests, and for machines without
    redis-server."""

    sections = ()

    def __init__(self) -> None:
        # Loaded only where it is used: it takes memory and time.
        import fakeredis  # noqa: PLC0415

        self._make = fakeredis.FakeRedis
        self._server = fakeredis.FakeServer()
        self._run_id = secrets.token_hex(20)

    def start(self, hooks: StartHooks) -> list[str]:
        del hooks
        return ["The storage is in memory: everything is lost when this process ends."]

    def identify(self) -> tuple[str, str]:
        return self._run_id, "7.0.0"

    def client(self, **options: Any) -> redis.Redis:
        del options
        client: redis.Redis = self._make(server=self._server, protocol=2)
        return client


def _setting(client: redis.Redis, name: str) -> str | None:
    """Return the value of a setting of Redis; None if this client may not read the setting."""
    try:
        found: Any = client.config_get(name)
    except redis.ResponseError:
        return None
    return str(found[name]) if name in found else None


def identity_in(info: str) -> str:
    """Return the identity of a Redis: the id of its process, and the id of its data's history if `info` has this id.
    `info` is a text from INFO.

    The id of the process is not enough. A Redis may become a replica of another Redis, and be promoted again. The
    process is then the same as before, but the data may differ.
    """
    return "-".join(re.findall(r"^(?:run_id|master_replid):(\w+)", info, re.MULTILINE))
