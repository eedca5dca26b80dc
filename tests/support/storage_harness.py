"""Helpers for tests of the storage: find, empty and kill the embedded Redis of a replica."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import TypeVar

from storage.identity_file import IdentityFile
from storage.redis.connect import OpenStorage

Found = TypeVar("Found")

IDENTITY = IdentityFile(id="one~aaaaaa", label="one", cluster="building-6", founded_at="2026-03-02T08:00:00+00:00")
SEVERAL = "for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1]) end"


def newest(folder: Path) -> Path:
    """Return the append-only file that the Redis of this folder writes to."""
    numbered = {int(file.name.split(".")[2]): file for file in folder.glob("appendonlydir/*.incr.aof")}
    return numbered[max(numbered)] if numbered else folder / "appendonly.aof"


def empty(folder: Path) -> None:
    """Delete all append-only files in the folder of a replica."""
    if (folder / "appendonlydir").exists():
        shutil.rmtree(folder / "appendonlydir")
    else:
        (folder / "appendonly.aof").unlink()


def redis_pid(opened: OpenStorage) -> int:
    return int(opened.client.info("server")["process_id"])


def kill_redis(opened: OpenStorage) -> None:
    """Kill the embedded Redis with SIGKILL, as a crash does."""
    os.kill(redis_pid(opened), signal.SIGKILL)
