"""One process per data folder: the lock that a replica, or a tool that changes its data, holds while it works.

The kernel lets go of it when the process ends, however it ends, so nothing stale is ever left. It knows the folder
only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path

from bayou.errors import Conflict

LOCK_FILE = "lock"


class Held:
    """The lock of one folder, held until `release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let go of it; harmless when done already."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def hold(folder: Path, reason: str) -> Held:
    """Take the lock of `folder` (made, for its owner alone, if there is none), or raise Conflict `already_running`.

    `reason` says to whoever is refused what the holder does, as in `serves replica one`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(descriptor)
        os.close(descriptor)
        raise Conflict(
            "already_running",
            f"{folder} is in use: already running ({holder}). Stop that process first.",
            folder=str(folder),
        ) from None
    # Written after the lock is held: a reader may see the text of an earlier holder for a moment, never half of two.
    text = json.dumps({"pid": os.getpid(), "reason": reason}).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)
    return Held(descriptor)


def _holder(descriptor: int) -> str:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {holder['pid']}, which {holder['reason']}"
    return "process unknown"
