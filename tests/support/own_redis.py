"""Helpers for tests without an embedded Redis. They start a Redis as a user does, copy this Redis, and let the copy
answer at the same address."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import redis

from replica.free_addresses import free_addresses
from storage.redis.binary import find_binary
from tests.support.waiting import wait_until


class OwnRedis:
    """A redis-server process. If `master` is given, the process is a replica of that Redis."""

    def __init__(self, folder: Path, master: OwnRedis | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.socket = folder, folder / "s"
        self.port = int(next(free_addresses(1)).rpartition(":")[2])
        replication = ["--replicaof", "127.0.0.1", str(master.port)] if master else []
        options = ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"]
        location = ["--port", str(self.port), "--dir", str(folder), "--unixsocket", str(self.socket)]
        with (folder / "out").open("ab") as output:
            command = [str(find_binary().path), *options, *location, *replication]
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        self.client = redis.Redis(unix_socket_path=str(self.socket), protocol=2)
        wait_until(self.client.ping)

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()

    def has_copied(self, master: OwnRedis) -> bool:
        """Return True if this Redis has received everything that its master holds."""
        return bool(self.client.info("replication")["master_link_status"] == "up" and self._at() == master._at())

    def _at(self) -> int:
        return int(self.client.info("replication")["master_repl_offset"])


class Address:
    """The path of a unix socket that stays the same while different Redis servers answer at it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._link = folder, folder / "redis"
        self._started: list[OwnRedis] = []

    @property
    def url(self) -> str:
        return f"unix://{self._link}"

    def start(self, name: str, master: OwnRedis | None = None) -> OwnRedis:
        """Start a Redis in a folder of this name. Call `serve` to let this Redis answer at the address."""
        self._started.append(OwnRedis(self._folder / name, master))
        return self._started[-1]

    def serve(self, server: OwnRedis) -> None:
        """Point the address at this Redis."""
        fresh = self._folder / "redis.new"
        fresh.symlink_to(server.socket)
        fresh.replace(self._link)

    def close(self) -> None:
        for server in self._started:
            server.kill()


@contextlib.contextmanager
def address(folder: Path) -> Iterator[Address]:
    """Yield an address in `folder`. At the end, kill all Redis servers that were started with `Address.start`."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Address(folder)
    try:
        yield found
    finally:
        found.close()
