"""A private redis-server on a socket in a temporary folder. It keeps its data only in memory, and ends when the process
that started it ends."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from redis import Redis, RedisError

from cluster.waiting import wait_until
from storage.redis.binary import find_binary

ANSWER_TIMEOUT_S = 20.0
UNTIL_INPUT_ENDS = '"$@" & read -r _; kill -9 $!'  # the input ends also when this process is killed


@contextlib.contextmanager
def private_redis() -> Iterator[Redis]:
    """Yield a client of a new redis-server. Raise Away if no redis-server can be started."""
    binary = find_binary().path
    # In /tmp, because the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="bayou-redis-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        socket = Path(folder) / "redis.sock"
        command = [str(binary), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--save", ""]
        process = subprocess.Popen(
            ["/bin/sh", "-c", UNTIL_INPUT_ENDS, "sh", *command, "--dir", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        client = Redis(unix_socket_path=str(socket), protocol=2)
        try:
            wait_until(lambda: _answers(client), ANSWER_TIMEOUT_S, "the private Redis answers")
            yield client
        finally:
            client.close()
            process.communicate()


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
