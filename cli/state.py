"""The files that the client keeps for each user: the chosen replica, the client session, the token, the prompt's
history.

The files are in $XDG_STATE_HOME/bayou. If XDG_STATE_HOME is not set, the files are in ~/.local/state/bayou.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def state_file(user: str, suffix: str, environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "bayou" / f"{user}{suffix}"


def read_json_file(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Return an empty object if the file is missing or unreadable."""
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def replace_file(path: Path, text: str) -> None:
    """Replace a file atomically. Only the owner can read the file. Raise OSError if the file cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
    beside.replace(path)


def token_of(user: str, environment: Mapping[str, str]) -> str | None:
    """Return the token from BAYOU_TOKEN, else the token that `login` stored, else None.

    A token with characters that an HTTP header cannot carry is ignored.
    """
    token = environment.get("BAYOU_TOKEN", "").strip()
    if not token:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            token = state_file(user, ".token", environment).read_text("utf-8").strip()
    return token if token and token.isascii() and token.isprintable() else None
