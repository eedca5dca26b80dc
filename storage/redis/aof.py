"""The append-only file of the embedded Redis: checks that the file is complete, and cuts off an incomplete end.

If a script changes several keys, Redis appends the changes to the file as one transaction, MULTI … EXEC. A crash may
cut off the EXEC. Redis' own repair (`aof-load-truncated yes`) then keeps the MULTI, and the next load loses everything
that was appended after the MULTI. So this module checks the file before each start of Redis.

`redis-check-aof` (the redis-server program under another name) says how many bytes are valid. This module decides
whether the other bytes are a torn end: an unfinished command or transaction at the end of the file. The module cuts off
only a torn end, and leaves any other damage to the operator. It does not check files that have not changed since Redis
last stopped normally, because a check takes half as long as a load. This module handles files only, not servers.

Redis 6.2 uses the single file `appendonly.aof`. Redis 7 and Valkey use the folder `appendonlydir/`, with a manifest, a
base file and incremental files. Valkey cannot read a base file of Redis 7.4 or later. Redis cannot read a base file of
Valkey 9 or later.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from bayou.errors import Away, Conflict
from storage.identity_file import flush_folder

SINGLE = "appendonly.aof"
FOLDER = "appendonlydir"
MANIFEST = f"{SINGLE}.manifest"
ENDED = "appendonly.ended"  # the state of the files when Redis last ended in order
SNAPSHOT_OF_VALKEY = b"VALKEY"  # since Valkey 9
SNAPSHOT_OF_BOTH_MAX = 11  # the last snapshot format (Redis 7.2) that Redis and Valkey share
CHECK_TIMEOUT_S = 600


def repair(folder: Path, server: Path, before: Callable[[], None]) -> str | None:
    """Check the append-only file in `folder`, and cut off a torn end. Returns a warning if something was cut off.
    Otherwise returns None.

    `server` is the redis-server program. `before` is called before anything is changed.

    Raises Away if the check cannot run. Raises Conflict `aof_damaged`, and changes nothing, if a cut could lose
    acknowledged writes. Also raises Conflict `aof_damaged` if redis-check-aof cannot make the cut.
    """
    if _is_unchanged(folder):
        return None
    files = _files(folder)
    damaged = [(file, good) for file in files if (good := good_bytes(file, server)) is not None]
    if not damaged:
        return None
    file, good = damaged[0]
    # Only the file that Redis was writing can have a torn end. Damage in any other file is loss.
    if len(damaged) > 1 or file != files[-1] or good < 0 or not _torn(file, good):
        raise _beyond_repair(file, good)
    dropped = file.stat().st_size - good
    before()
    _cut(file, good, server)
    return (
        f"{file} ended in the middle of a transaction, after a crash or a power cut. Its last {dropped} bytes were "
        "dropped, and the replica continues under a new id."
    )


def note_end(folder: Path) -> None:
    """Record the state of the files. Call this after Redis has exited with status 0."""
    with contextlib.suppress(OSError):  # without the note, the next start checks the files
        (folder / ENDED).write_text(json.dumps(_file_states(folder)), encoding="utf-8")


def _is_unchanged(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / ENDED).read_text(encoding="utf-8")) == _file_states(folder))
    except (OSError, ValueError):
        return False


def _file_states(folder: Path) -> dict[str, list[int]]:
    """Map each file to its inode, size and times. If a file is written or replaced, at least one of these values
    changes, because no program can set a ctime back."""
    found = {}
    for file in [*_files(folder), *folder.glob(f"{FOLDER}/{MANIFEST}")]:
        status = file.stat()
        found[str(file.relative_to(folder))] = [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    return found


def written_by(folder: Path) -> tuple[str, str]:
    """Return the (family, version) of the servers that can open the data. The family is "Redis" or "Valkey", or "" if
    both can open the data. The version is the oldest one that can open the data, or "" if any version can."""
    if not _has_manifest(folder):
        return "", ""
    for file in _files(folder):
        head = _head(file)
        if head.startswith(SNAPSHOT_OF_VALKEY):
            return "Valkey", "9.0.0"
        if head.startswith(b"REDIS") and head[5:].isdigit() and int(head[5:]) > SNAPSHOT_OF_BOTH_MAX:
            return "Redis", "7.4.0"
    return "", "7.0.0"


def _has_manifest(folder: Path) -> bool:
    """Return whether the data is in the layout of Redis 7. An older Redis does not see that data, and would start
    empty."""
    return (folder / FOLDER / MANIFEST).exists()


def _head(file: Path) -> bytes:
    """Return the first bytes of a file. A snapshot begins with the name of the program that wrote it, REDIS or VALKEY,
    and the number of its format."""
    with file.open("rb") as opened:
        return opened.read(9)


def _files(folder: Path) -> list[Path]:
    """Return the files that hold data, in the order of loading. Empty files are left out, because they cannot be
    torn."""
    if not _has_manifest(folder):
        named = [folder / SINGLE]
    else:
        manifest = folder / FOLDER / MANIFEST
        named = []
        for line in manifest.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            words = shlex.split(line, comments=True)
            members = dict(zip(words[::2], words[1::2], strict=False))
            if members.get("type") in {"b", "i"}:
                named.append(folder / FOLDER / members["file"])
        # Redis 7 writes the manifest first and then moves a file of 6.2 into the folder. Until then it is outside.
        named = [folder / SINGLE if file.name == SINGLE and not file.exists() else file for file in named]
    return [file for file in named if file.exists() and file.stat().st_size > 0]


def _run_check(server: Path, *command: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    """Run the redis-server program under the name of another tool, such as redis-check-aof. `command` is this name and
    the arguments. `answer` is sent to the standard input."""
    try:
        return subprocess.run(
            command,
            executable=server,
            input=answer,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            env=os.environ | {"LC_ALL": "C"},
            timeout=CHECK_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as reason:
        message = f"{server} could not check the append-only file: {reason}. Check that this program can run."
        raise Away("storage_away", message) from None


def good_bytes(file: Path, server: Path) -> int | None:
    """Return None if the whole file is valid. Otherwise return the number of valid bytes at the beginning of the file,
    or -1 if this number is not known."""
    # The redis-check-aof of Valkey 9 cannot read the snapshots of Valkey 9.
    is_valkeys = _head(file).startswith(SNAPSHOT_OF_VALKEY)
    result = _run_check(server, "redis-check-rdb" if is_valkeys else "redis-check-aof", str(file))
    if result.returncode == 0:
        return None
    if is_valkeys:
        return -1
    found = re.search(r"ok_up_to=(\d+)", result.stdout)
    return int(found[1]) if found else -1


def _cut(file: Path, good: int, server: Path) -> None:
    result = _run_check(server, "redis-check-aof", "--fix", str(file), answer="y\n")
    if result.returncode != 0 or file.stat().st_size != good:
        last = (result.stdout + result.stderr).strip()[-300:]
        message = f"redis-check-aof could not repair {file}: {last}\nPut back a good copy and start with --restored."
        raise Conflict("aof_damaged", message, file=str(file))
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
    flush_folder(file.parent)


class _WrongByte(Exception):
    """The file is damaged: the byte at `position` breaks the format."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def _torn(file: Path, good: int) -> bool:
    """Return whether the bytes from the position `good` to the end of the file are an unfinished command or
    transaction.

    Zeros may follow the unfinished command or transaction, because some file systems leave zeros there. The result is
    False if complete transactions follow the damage.
    """
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        position, in_transaction = good, False
        try:
            while position < len(content):
                name, position = _command(content, position)
                if name == b"exec" or (name == b"multi" and in_transaction):
                    return False
                in_transaction = in_transaction or name == b"multi"
        except EOFError:
            return True
        except _WrongByte as wrong:
            # Zeros up to the end are blocks that were never written.
            return not content[wrong.position :].strip(b"\0")
        return True


def _command(content: mmap.mmap, position: int) -> tuple[bytes, int]:
    """Read the command at `position`. Returns its name in lower case and the position after it. Raises EOFError if the
    file ends within the command, and _WrongByte if the command is damaged."""
    count, position = _number(content, position, b"*")
    name = b""
    for index in range(count):
        length, start = _number(content, position, b"$")
        end = start + length
        if end + 2 > len(content):
            # A length that damage made larger swallows whole commands. Our arguments never contain these bytes.
            if content.find(b"\r\n*", start) >= 0:
                raise _WrongByte(start)
            raise EOFError
        if content[end : end + 2] != b"\r\n":
            raise _WrongByte(end)
        if index == 0:
            name = content[start:end].lower()
        position = end + 2
    return name, position


def _number(content: mmap.mmap, position: int, prefix: bytes) -> tuple[int, int]:
    """Read a line `*N` or `$N`, which begins with `prefix`. Returns N and the start of the next line. Raises EOFError
    or _WrongByte as `_command` does."""
    line = re.compile(re.escape(prefix) + rb"(\d{1,10})\r\n").match(content, position)
    if line:
        return int(line[1]), line.end()
    partial = re.compile(rb"(" + re.escape(prefix) + rb"(\d{1,10}\r?)?)?").match(content, position)
    end = partial.end() if partial else position
    if end == len(content):
        raise EOFError
    raise _WrongByte(end)


def _beyond_repair(file: Path, good: int) -> Conflict:
    where = f" after its first {good} bytes" if good >= 0 else ""
    return Conflict(
        "aof_damaged",
        f"{file} is damaged{where}. Cutting off the damaged part could lose acknowledged writes, so nothing was"
        " changed. Put back a good copy and start with --restored. Or move the folder of this replica away: the"
        " replica then starts empty under a new id, and the other replicas send it the writes that they hold.",
        file=str(file),
        good_bytes=max(good, 0),
    )
