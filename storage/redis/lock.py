"""The lock of a data folder. Only one process at a time works in the folder: a replica, or a tool that changes its
data.

The kernel releases the lock whenever the process ends, even after a crash. So no lock is left behind. This module knows
only files.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayou.errors import Conflict

LOCK_FILE = "lock"


class FolderLock:
    """The lock on a file, which is held until `release`."""

    def __init__(self, file: Path, descriptor: int) -> None:
        self._file = file
        self._descriptor: int | None = descriptor

    def is_there(self) -> bool:
        """Return whether the locked file is still in its folder. If the file is not there, the folder was deleted or
        replaced."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(self._file.stat(), os.fstat(self._descriptor))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def release(self) -> None:
        """Release the lock. A second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_folder(folder: Path, reason: str) -> FolderLock:
    """Lock `folder`. If the folder does not exist, create it for its owner alone.

    Raises Conflict `already_running` if another process holds the lock. `reason` says what this process does, for
    example `serves replica one`. If another process then tries to lock the folder, its error shows this reason.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    file = folder / LOCK_FILE
    descriptor = lock_file(file)
    if descriptor is None:
        raise Conflict(
            "already_running",
            f"{folder} is already in use ({_holder(file)}). Stop that process first.",
            folder=str(folder),
        )
    write_record(descriptor, {"pid": os.getpid(), "reason": reason})
    return FolderLock(file, descriptor)


def lock_file(file: Path) -> int | None:
    """Lock `file`. If the file does not exist, create it. Returns a file descriptor. The lock stays until this
    descriptor is closed. Returns None if another process holds the lock."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def write_record(descriptor: int, record: Mapping[str, Any]) -> None:
    """Replace the content of a locked file with a record, as JSON. The record describes the process that holds the
    lock.

    The record is written in one call: a reader may see the record of an earlier process, but never a mixture of two
    records.
    """
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(record).encode(), 0)


def _holder(file: Path) -> str:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        holder = json.loads(file.read_bytes())
        return f"process {holder['pid']}, which {holder['reason']}"
    return "process unknown"
