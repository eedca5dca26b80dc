"""A private Redis process that all tests of a pytest worker share. Any test may empty its databases."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from functools import cache

import redis

from cluster.drivers.private_redis import private_redis


@cache
def worker_redis(database: int = 0) -> redis.Redis:
    """Return a client of one of the 16 databases. A test must empty its database before use."""
    return redis.Redis(unix_socket_path=_socket(), db=database)


@cache
def _socket() -> str:
    """Start the Redis, which ends with this process, and return the path of its socket."""
    stack = ExitStack()
    atexit.register(stack.close)
    return str(stack.enter_context(private_redis()).connection_pool.connection_kwargs["path"])
