"""The lock of a data folder. Only one process at a time works in the folder: a replica, or a tool that changes its
data.

The kernel releases the lock when the process ends, however it ends, so no lock is ever left behind. This module knows
the folder only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path

from bayou.errors import Conflict

LOCK_FILE = "lock"


class FolderLock:
    """A lock that is held until `release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Release the lock; does nothing the second time."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_folder(folder: Path, reason: str) -> FolderLock:
    """Lock `folder`, which is created for its owner alone if it does not exist.

    Raises Conflict `already_running` if another process holds the lock. `reason` says what the holder does, for example
    `serves replica one`; the refusal contains it.
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
            f"{folder} is already in use ({holder}). Stop that process first.",
            folder=str(folder),
        ) from None
    # Written under the lock, in one call: a reader may see the text of an earlier holder, but never half of two.
    text = json.dumps({"pid": os.getpid(), "reason": reason}).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)
    return FolderLock(descriptor)


def _holder(descriptor: int) -> str:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {holder['pid']}, which {holder['reason']}"
    return "process unknown"
