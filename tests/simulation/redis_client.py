"""A minimal Redis client. It has only the commands that the store needs, and is ten times as fast as redis-py.

The Redis server is real. tests/simulation/nodes.py adds the faults.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from redis import ConnectionError as Lost
from redis import ResponseError


class Wire:
    """A connection to one Redis over its socket."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(path)
        self._file = self._socket.makefile("rb", 1 << 16)
        self._texts: dict[str, str] = {}

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def call(self, *words: Any) -> Any:
        self._socket.sendall(_packed(words))
        reply = self._reply()
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    def _reply(self) -> Any:
        line = self._file.readline()
        if not line:
            raise Lost("The connection to Redis ended")
        return self._parsed(line)

    def _parsed(self, line: bytes) -> Any:
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else self._list(int(rest))
        if kind == b":":
            return int(rest)
        return rest if kind == b"+" else ResponseError(rest.decode())

    def _list(self, count: int) -> list[Any]:
        """Read the entries of a list. Most entries are texts. This function reads a text itself, because a call of
        `_parsed` for each text would be slow."""
        found, readline, read = [], self._file.readline, self._file.read
        for _ in range(count):
            line = readline()
            is_text = line[:1] == b"$" and line[1:2] != b"-"
            found.append(read(int(line[1:]) + 2)[:-2] if is_text else self._parsed(line))
        return found

    # The commands that a store calls.

    def register_script(self, text: str) -> Script:
        return Script(self, text)

    def hget(self, key: str, field: str) -> Any:
        return self.call("HGET", key, field)

    def hmget(self, key: str, *fields: Any) -> Any:
        names = fields[0] if isinstance(fields[0], list) else fields
        return self.call("HMGET", key, *names)

    def hgetall(self, key: str) -> dict[bytes, bytes]:
        flat = self.call("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def smembers(self, key: str) -> set[bytes]:
        return set(self.call("SMEMBERS", key))

    def sscan_iter(self, key: str, count: int) -> Iterator[bytes]:
        del count
        yield from sorted(self.smembers(key))

    def scan_iter(self, match: str, count: int) -> Iterator[bytes]:
        del count
        yield from sorted(self.call("KEYS", match))

    def sadd(self, key: str, *members: str) -> Any:
        return self.call("SADD", key, *members)

    def hset(self, key: str, field: str, value: str) -> Any:
        return self.call("HSET", key, field, value)

    def zrangebyscore(self, key: str, low: Any, high: Any, start: int = 0, num: int = -1) -> Any:
        return self.call("ZRANGEBYSCORE", key, low, high, "LIMIT", start, num)

    def zadd(self, key: str, members: Mapping[str, int]) -> Any:
        return self.call("ZADD", key, *[word for member, score in members.items() for word in (score, member)])

    def zrem(self, key: str, *members: bytes) -> Any:
        return self.call("ZREM", key, *members)

    def pipeline(self, *, transaction: bool) -> Pipeline:
        assert not transaction
        return Pipeline(self)

    def unlink(self, *keys: Any) -> Any:
        return self.call("UNLINK", *keys)


class Pipeline:
    """Commands that `execute` sends one after another. The class has only the methods of redis.client.Pipeline that a
    store uses."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._calls: list[Callable[[], Any]] = []

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self._calls.clear()

    def sscan(self, key: str, cursor: int, count: int) -> None:
        del cursor, count
        self._calls.append(lambda: (0, sorted(self._wire.smembers(key))))

    def sadd(self, key: str, *members: str) -> None:
        self._calls.append(lambda: self._wire.sadd(key, *members))

    def execute(self) -> list[Any]:
        return [call() for call in self._calls]


class Script:
    """A Lua script on a connection, with the interface of redis.commands.core.Script."""

    def __init__(self, wire: Wire, text: str) -> None:
        self._wire, self._text = wire, text
        self._sha = hashlib.sha1(text.encode()).hexdigest()

    def __call__(self, keys: list[str], args: Any = ()) -> Any:
        try:
            return self._wire.call("EVALSHA", self._sha, len(keys), *keys, *args)
        except ResponseError as error:
            if "NOSCRIPT" not in str(error):
                raise
            self._wire.call("SCRIPT", "LOAD", self._text)
            return self._wire.call("EVALSHA", self._sha, len(keys), *keys, *args)


def _packed(words: Any) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = word if type(word) is bytes else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)
