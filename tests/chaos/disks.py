"""Disks that a test can fill: a tmpfs of variable size for the folder of each replica. Mounting a tmpfs requires
root."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ATTEMPTS_MAX = 20
ROOMY = "1g"  # a tmpfs uses only the memory of its content


class Disks:
    """The disks of a run, which a test can fill and enlarge. `real` is False if mounting them failed."""

    def __init__(self, *, real: bool) -> None:
        self.real = real

    def full(self, folder: Path, room_bytes: int) -> None:
        """Shrink the disk of a folder, so that about `room_bytes` more bytes fit."""
        for attempt in range(ATTEMPTS_MAX):
            # A write after disk_usage() may need more than this size; then mount refuses the size.
            with contextlib.suppress(subprocess.CalledProcessError):
                used = shutil.disk_usage(folder).used
                _mount("-o", f"remount,size={used + room_bytes * (attempt + 1)}", str(folder))
                return

    def roomy(self, folder: Path) -> None:
        """Restore the disk of a folder to its original size."""
        _mount("-o", f"remount,size={ROOMY}", str(folder))


@contextlib.contextmanager
def disks(folders: Sequence[Path]) -> Iterator[Disks]:
    """Create these folders, mount a disk at each, and yield the disks. Unmount them at the end.

    Where mounting is impossible, yield Disks with `real` set to False.
    """
    with contextlib.ExitStack() as mounted:
        real = sys.platform == "linux" and os.geteuid() == 0
        for folder in folders if real else ():
            folder.mkdir(parents=True)
            try:
                _mount("-t", "tmpfs", "-o", f"size={ROOMY}", "tmpfs", str(folder))
            except (OSError, subprocess.CalledProcessError):
                real = False
                break
            mounted.callback(subprocess.run, ["umount", "-l", str(folder)], check=False, timeout=20)
        yield Disks(real=real)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True, timeout=20)
