"""A small disk for each replica's folder, which can be full: a tmpfs whose size is changed. Only root may have that."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ATTEMPTS_MAX = 20
ROOMY = "1g"  # a tmpfs takes no more memory than is in it


class Disks:
    """`full` and `roomy` change the disk of a folder; `real` tells whether there are any."""

    def __init__(self, *, real: bool) -> None:
        self.real = real

    def full(self, folder: Path, room_bytes: int) -> None:
        """No more than so many bytes, but for what is left of the last page, can be written from now on."""
        for attempt in range(ATTEMPTS_MAX):
            # What is written in between may need more than was left; then the size is refused.
            with contextlib.suppress(subprocess.CalledProcessError):
                used = shutil.disk_usage(folder).used
                _mount("-o", f"remount,size={used + room_bytes * (attempt + 1)}", str(folder))
                return

    def roomy(self, folder: Path) -> None:
        _mount("-o", f"remount,size={ROOMY}", str(folder))


@contextlib.contextmanager
def disks(folders: Sequence[Path]) -> Iterator[Disks]:
    """Disks under these folders, which are made; none where they cannot be had."""
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
