"""The identity file keeps the server id of a replica outside Redis. This module reads and writes the file, and decides
whether the replica may keep its id.

A server id is never used twice. If a replica may have lost the last writes that it made under an id, it must not use
that id again: two different writes could then get the same stamp. So the file records what the next start needs to
decide whether the state is complete. This module does not know Redis.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from bayou.errors import Conflict

FILE_NAME = "identity.json"
FORMER_NAME = "birth.json"  # before version 0.2.0
PLACE_NAME = "place"  # a copy of this file has another time of its last change
MACHINE_ID = Path("/etc/machine-id")
NONCE_CHARACTERS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityFile:
    """The content of the identity file.

    redis_run_id   the run id of the Redis with which `id` was confirmed. If the next start finds the same run id, Redis
                   kept running.
    redis_version  the version of the Redis that used the data last
    clean          whether the replica stopped normally
    mark           after a normal stop, a text that describes what the namespace held
    repaired       whether the end of the append-only file was cut off since `id` was confirmed. This is recorded before
                   the cut, because a crash may come between the cut and the decision about the id.
    place          the text of `place_of` when `id` was confirmed; empty if the text was not recorded
    next           an id that is reserved for the installation of a full state. It is recorded before the
                   installation, so that it is known even if the replica crashes directly after the installation.
    left           whether the server has retired and another replica holds all its writes

    Only a server that joins a running cluster uses these fields:

    rest, anti_entropy  the addresses at which the server listens
    request             the request id of the write that creates the server
    through             the anti-entropy address of the replica that lets the server join

    `id` is empty until that replica has answered. `founded_at` is empty until the first session with that replica has
    succeeded.
    """

    id: str
    label: str
    cluster: str
    founded_at: str
    redis_run_id: str = ""
    redis_version: str = ""
    clean: bool = False
    mark: str = ""
    repaired: bool = False
    place: str = ""
    next: str = ""
    rest: str = ""
    anti_entropy: str = ""
    request: str = ""
    through: str = ""
    left: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Says whether the replica may keep its id. `id` is the id under which the replica may write, or None if the
    replica needs a new id. `reason` is a sentence for the operator. With `may_be_copy`, the replica may keep the id
    only if no peer holds later writes of that id."""

    id: str | None
    reason: str
    may_be_copy: bool = False


def mint(label: str, randomness: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Return a new server id, `LABEL~NONCE`. `randomness(n)` returns n random bytes."""
    return f"{label}~{base64.b32encode(randomness(5))[:NONCE_CHARACTERS].decode().lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What `decide` needs to know when the replica starts, or when Redis was restarted or replaced.

    namespace_id  the id in Redis; None if the namespace is empty
    run_id        the run id of the Redis that runs now
    mark          a text that describes what the namespace holds now, made like `IdentityFile.mark`
    durable       whether Redis is embedded, with `appendfsync always`
    restored      whether the operator says that the data is an older copy
    is_here       whether the folder is the one in which the id was confirmed; False for a copy of the folder
    is_whole      whether the namespace holds all that this process acknowledged; None at the start of a process
    """

    namespace_id: str | None
    run_id: str
    mark: str
    durable: bool
    restored: bool = False
    is_here: bool = True
    is_whole: bool | None = None


def decide(known: IdentityFile | None, found: Findings) -> Decision:  # noqa: PLR0911, PLR0912 - a table, rule by rule
    """Decide whether the replica may continue to write under its id. `known` is None if there is no identity file. Each
    `if` below is a rule. The first rule that applies gives the decision."""
    server = found.namespace_id
    if known is None and server is None:
        return Decision(None, "This replica starts for the first time.")
    if known is None:
        return Decision(
            None, f"The identity file is missing, so nothing shows whether the data of {server} is complete."
        )
    if server is None:
        return Decision(None, f"The namespace is empty, so the writes of {known.id} are missing.")
    if server not in {known.id, known.next}:
        return Decision(None, f"The identity file names {known.id}, but the namespace belongs to {server}.")
    if found.restored:
        return Decision(None, f"The data was restored from a copy: writes of {known.id} may be missing.")
    if found.is_whole:
        return Decision(server, "The namespace holds everything that this replica has acknowledged.")
    if found.is_whole is False:
        return Decision(None, f"Redis was restarted or replaced, and lacks writes of {known.id}.")
    if known.repaired:
        return Decision(None, f"The append-only file was repaired: the last writes of {known.id} may be missing.")
    if found.run_id and found.run_id == known.redis_run_id:
        return Decision(server, "Redis has kept running since the id was confirmed.")
    is_unchanged = known.clean and found.mark == known.mark
    if not found.durable and not is_unchanged:
        return Decision(None, f"Redis was restarted or replaced: the last writes of {known.id} may be missing.")
    if not found.is_here:
        return Decision(server, f"The data folder of {known.id} is a copy, or was moved.", may_be_copy=True)
    if is_unchanged:
        return Decision(server, "The replica stopped normally, and the namespace has not changed since.")
    if known.clean:
        return Decision(server, f"The data of {known.id} has changed since the replica stopped.", may_be_copy=True)
    return Decision(server, "The embedded Redis keeps every acknowledged write, and needed no repair.")


def load(folder: Path) -> IdentityFile | None:
    """Return the identity file of `folder`, or None if the file does not exist. If older versions left a file
    FORMER_NAME, that file is renamed first.

    Raises Conflict `identity_damaged` if the file cannot be read.
    """
    path, former = folder / FILE_NAME, folder / FORMER_NAME
    if former.exists() and not path.exists():
        former.replace(path)
        flush_folder(folder)
    try:
        found = IdentityFile(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as reason:
        raise _damaged(path, str(reason)) from None
    for field in fields(IdentityFile):
        # Annotations are text here; the two types that occur have the names of their annotations.
        if type(getattr(found, field.name)).__name__ != field.type:
            raise _damaged(path, f"{field.name} must be of type {field.type}")
    return found


def save(folder: Path, identity: IdentityFile) -> None:
    """Atomically replace the identity file of `folder`. After a power cut, the folder holds either the old file or the
    new file."""
    path, fresh = folder / FILE_NAME, folder / f"{FILE_NAME}.new"
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(asdict(identity), file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    flush_folder(folder)


def place_of(folder: Path) -> str:
    """Return a text that identifies a folder on this machine. The text is empty if `renew_place` was never called for
    the folder. A renamed folder keeps its text. A copy of a folder has another text."""
    try:
        changed_ns = (folder / PLACE_NAME).stat().st_ctime_ns
    except FileNotFoundError:
        return ""
    machine = MACHINE_ID.read_text(encoding="utf-8").strip() if MACHINE_ID.exists() else ""
    return f"{changed_ns} {machine}"


def renew_place(folder: Path) -> str:
    """Replace the content of the file `place` of a folder, and return the new text of `place_of`. The text contains the
    time at which the file was changed last. No program can set this time, so a copy of the file has another text."""
    with (folder / PLACE_NAME).open("w", encoding="utf-8") as file:
        file.write(secrets.token_hex(8))  # so that a copy over this folder replaces the file
        file.flush()
        os.fsync(file.fileno())
    return place_of(folder)


def flush_folder(folder: Path) -> None:
    """Write the folder itself to the disk, so that renames and new files in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(path: Path, reason: str) -> Conflict:
    return Conflict(
        "identity_damaged",
        f"The identity file {path} cannot be read ({reason}). Replace this file with a good copy. Or delete this file:"
        " the replica then takes a new id.",
        file=str(path),
    )
