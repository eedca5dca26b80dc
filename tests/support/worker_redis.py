"""The private Redis of a test worker: one process for all tests that want a real Redis and may empty its databases."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from functools import cache

import redis

from cluster.drivers.private_redis import private_redis


@cache
def worker_redis(database: int = 0) -> redis.Redis:
    """A client of one of the 16 databases; the tests of a worker run one after another and empty what they use."""
    return redis.Redis(unix_socket_path=_socket(), db=database)


@cache
def _socket() -> str:
    """Start the Redis; it ends with this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    return str(stack.enter_context(private_redis()).connection_pool.connection_kwargs["path"])
