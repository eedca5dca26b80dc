"""A redis-server of one's own for the moment: on a socket in a temporary folder, in memory, gone at the end."""

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
UNTIL_INPUT_ENDS = '"$@" & read -r _; kill -9 $!'  # also where whoever started it is killed


@contextlib.contextmanager
def private_redis() -> Iterator[Redis]:
    """A client of it; raises Away where there is no redis-server to start."""
    binary = find_binary().path
    # Below /tmp, since the path of a socket must stay short.
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
