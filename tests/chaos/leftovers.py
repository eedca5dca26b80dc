"""Deletes what a killed chaos run has left behind: processes, disks, a folder and namespaces. The next run calls
`sweep`.

The name of a run's folder contains the process id of the run. A process of a replica works in this folder, or has the
folder in its command.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from cluster.waiting import wait_until
from tests.chaos import namespaces

FOLDER = "bayou-chaos-"
ENDED_S_MAX = 10.0
_FOLDER = re.compile(FOLDER + r"(\d+)-\w+")


def folder_prefix() -> str:
    """Return the beginning of the name of this run's folder."""
    return f"{FOLDER}{os.getpid()}-"


def sweep() -> None:
    """Delete what earlier runs have left behind. /proc shows which runs have ended, so do nothing on a machine without
    /proc."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        match = _FOLDER.fullmatch(folder.name)
        if match and Path("/proc/self").exists() and not Path(f"/proc/{match[1]}").exists():
            _delete(folder)
    namespaces.sweep()


def _delete(folder: Path) -> None:
    wait_until(lambda: _kill_processes(folder), ENDED_S_MAX, f"the processes of {folder} have ended")
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        mounted = line.split()[1]
        if mounted.startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", mounted], check=False, capture_output=True, timeout=20)
    shutil.rmtree(folder, ignore_errors=True)


def _kill_processes(folder: Path) -> bool:
    """Kill the processes that work in a folder or have the folder in their command. Return True if there was no such
    process. A process may start another process just before the kill, so the caller repeats the call until the result
    is True."""
    found = False
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes()  # empty if the process has ended
                inside = f"{(entry / 'cwd').readlink()}/".startswith(f"{folder}/")
                if command and (inside or os.fsencode(f"{folder}/") in command):
                    found = True
                    os.kill(int(entry.name), signal.SIGKILL)
    return not found
