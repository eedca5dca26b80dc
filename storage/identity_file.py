"""The birth file: who this replica is, kept outside Redis, and whether it may write on under that id.

An id is never used twice, and never by a replica that may have lost the tail of what it wrote under it: a stamp would
fork. So the file notes what is needed to tell, at each start, that the state is whole. It knows nothing of Redis
itself.
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

BIRTH_FILE = "birth.json"
NONCE_CHARACTERS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What is known of a replica's id outside its namespace.

    `redis_run_id` and `redis_version` are of the Redis that last held the namespace; a run id that is still the same
    means that Redis never stopped. `clean` says that the replica stopped in order, and `mark` what the namespace held
    then (the replica's own text, compared for equality). `repaired` says that the append-only file lost its damaged end
    since the id was last confirmed: it outlives a crash between the repair and the decision. `next` is an id that the
    namespace may take by itself, in one transaction with a full state; so a crash in between loses nothing.

    A server that joins a running cluster also notes where it listens, the request of its creation and the anti-entropy
    address that it asks (`id` is empty until that one has answered; `founded_at`, until the first session with it is
    done). `left` says that a retired server's writes are all held elsewhere.
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
    next: str = ""
    rest: str = ""
    anti_entropy: str = ""
    request: str = ""
    through: str = ""
    left: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """The id to write on under, or None where a new one must be minted; `reason` is a sentence for the operator."""

    id: str | None
    reason: str


def mint(label: str, randomness: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """`LABEL~NONCE`: a founder's id, new with each call. `randomness(n)` gives n bytes."""
    return f"{label}~{base64.b32encode(randomness(5))[:NONCE_CHARACTERS].decode().lower()}"


def decide_identity(  # noqa: PLR0911 - one line per rule, in order, is the table that the design gives
    birth: Birth | None,
    namespace_id: str | None,
    *,
    run_id: str,
    mark: str,
    repaired: bool,
    durable: bool,
    restored: bool = False,
) -> Identity:
    """Whether the replica may write on under its id.

    `namespace_id` is None for an empty namespace; `run_id` is that of Redis now; `mark` is what the namespace holds
    now, in the words of the mark at a clean stop; `durable` means embedded with `appendfsync always`; `restored` is
    the operator's word that the data is an older copy.
    """
    if birth is None and namespace_id is None:
        return Identity(None, "This replica starts for the first time.")
    if birth is None:
        return Identity(None, f"The birth file is gone, so nothing tells whether the state of {namespace_id} is whole.")
    if namespace_id is None:
        return Identity(None, f"The namespace is empty: what {birth.id} wrote is not here.")
    if namespace_id not in {birth.id, birth.next}:
        return Identity(None, f"The birth file names {birth.id}, but the namespace is that of {namespace_id}.")
    if restored:
        return Identity(None, f"The data was restored from a copy: writes of {birth.id} may be missing.")
    if repaired or birth.repaired:
        return Identity(None, f"The append-only file was repaired: the last writes of {birth.id} may be missing.")
    if run_id and run_id == birth.redis_run_id:
        return Identity(namespace_id, "Redis has run on since the id was confirmed.")
    if birth.clean and mark == birth.mark:
        return Identity(namespace_id, "The replica stopped in order, and the namespace holds what it held then.")
    if durable:
        return Identity(namespace_id, "The embedded Redis keeps every acknowledged write, and loaded without repair.")
    return Identity(None, f"Redis was restarted or replaced: the last writes of {birth.id} may be missing.")


def load(folder: Path) -> Birth | None:
    """The birth file of `folder`, None if there is none; Conflict `birth_damaged` if it cannot be read."""
    path = folder / BIRTH_FILE
    try:
        members = json.loads(path.read_text(encoding="utf-8"))
        birth = Birth(**members)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as reason:
        raise _damaged(path, str(reason)) from None
    for field in fields(Birth):
        # Annotations are text here; the two types there are have the names of their annotations.
        if type(getattr(birth, field.name)).__name__ != field.type:
            raise _damaged(path, f"{field.name} should be of type {field.type}")
    return birth


def save(folder: Path, birth: Birth) -> None:
    """Atomically put `birth` in the place of what was there: after a power cut it is the old one or the new one."""
    path, fresh = folder / BIRTH_FILE, folder / f"{BIRTH_FILE}.new"
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(asdict(birth), file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Make names that were changed in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(path: Path, reason: str) -> Conflict:
    return Conflict(
        "birth_damaged",
        f"{path} cannot be read ({reason}). Put back a good copy, or delete it: the replica then takes a new id.",
        file=str(path),
    )
