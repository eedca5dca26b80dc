"""What the tests of storage share: waiting for a state with a bound, and the ends that a process can come to."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import redis

from storage.identity_file import Birth
from storage.redis.connect import Opened, open_storage

Found = TypeVar("Found")

BIRTH = Birth(id="one~aaaaaa", label="one", cluster="building-6", founded_at="2026-03-02T08:00:00+00:00")
SEVERAL = "for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1]) end"


def wait_until(state: Callable[[], Found], timeout_s: float = 20) -> Found:
    """The first true value of `state`; while Redis is away it is not true."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if found := state():
                return found
        except redis.RedisError:
            pass
        threading.Event().wait(0.002)
    raise AssertionError(f"it did not come true within {timeout_s} s")


def newest(folder: Path) -> Path:
    """The file in the folder of a replica that its Redis appends to."""
    numbered = {int(file.name.split(".")[2]): file for file in folder.glob("appendonlydir/*.incr.aof")}
    return numbered[max(numbered)] if numbered else folder / "appendonly.aof"


def empty(folder: Path) -> None:
    """What Redis has written there is gone."""
    if (folder / "appendonlydir").exists():
        shutil.rmtree(folder / "appendonlydir")
    else:
        (folder / "appendonly.aof").unlink()


def opener(data: Path) -> Iterator[Callable[..., Opened]]:
    """The body of a fixture that opens the storage of replica `one`, and closes at the end whatever is still open."""
    all_opened: list[Opened] = []

    def open_it(
        url: str = "embedded", data: Path = data, on_restart: Callable[[redis.Redis], object] = lambda _: None
    ) -> Opened:
        all_opened.append(open_storage(url, data, "one", on_restart))
        return all_opened[-1]

    yield open_it
    for opened in all_opened:
        opened.close(clean=False)


def redis_pid(opened: Opened) -> int:
    return int(opened.client.info("server")["process_id"])


def kill_redis(opened: Opened) -> None:
    """What a crash of the embedded Redis does, and a power cut as far as it can be had."""
    os.kill(redis_pid(opened), signal.SIGKILL)
