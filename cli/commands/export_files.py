"""The files of an export of anti-entropy: each volume is a file of its own, FILE, FILE.2, FILE.3 …

This module knows only how a volume is framed: a first line, then records, each after its length and a checksum. To
replace an earlier export it must know which files belong to it. Their names are not enough, because somebody may keep
the exports of three days as FILE, FILE.2 and FILE.3. So it reads the first and the last record of each file (an
ExportFrame of a_e.proto): a volume continues the one before it if it begins where that one ends.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

MAGIC = b"bayou volume 1\n"
LENGTH_BYTES = 4
PREFIX_BYTES = LENGTH_BYTES + 4  # the length and the checksum before each record
HEAD, END = 1, 3  # fields of an ExportFrame
HELLO, NEEDED_CSN, NEEDED_VECTOR = 1, 2, 3  # fields of its head
HELD_CSN, HELD_VECTOR = 1, 2  # fields of its end


class VolumeWriter:
    """Splits the stream of an export into files. Use it in a `with` block: it removes files that were not finished.

    `removed` lists the files of an earlier export with more volumes, which `finish` removed. Every method may raise
    OSError.
    """

    def __init__(self, path: Path) -> None:
        self.removed: list[Path] = []
        self._path = path
        self._file: BinaryIO | None = None
        self._parts: list[Path] = []
        self._pending = b""  # bytes that do not yet say what they begin
        self._left = 0  # bytes of the current record that are still to come

    def __enter__(self) -> VolumeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        for part in self._parts:
            part.unlink(missing_ok=True)

    def write(self, data: bytes) -> int:
        pending, at = self._pending + data, 0
        while True:
            at += self._put(pending[at : at + self._left])
            if self._left:
                break
            if pending.startswith(MAGIC, at):
                self._next()
                self._left = len(MAGIC)
            elif len(pending) - at < len(MAGIC):  # also shorter than a record
                break
            else:
                self._left = PREFIX_BYTES + int.from_bytes(pending[at : at + LENGTH_BYTES], "big")
        self._pending = pending[at:]
        return len(data)

    def finish(self) -> list[Path]:
        """Give the files their names once everything is written, in place of the files of an earlier export. Returns
        their paths.

        Raises FileExistsError, and changes nothing, if a later volume's name is taken by a file of something else.
        """
        self._left = len(self._pending)
        self._put(self._pending)
        self._close()
        earlier = volumes_of_one_export(self._path)
        targets = [volume_path(self._path, number) for number in range(1, len(self._parts) + 1)]
        for target in targets[1:]:
            if target.exists() and target not in earlier:
                reason = f"it is not part of the export in {self._path.name}; move it, or export to another name"
                raise FileExistsError(errno.EEXIST, reason, str(target))
        self.removed = earlier[len(targets) :]
        # The last one first, and before the new files come: if interrupted, the beginning of the earlier export stays.
        for left in reversed(self.removed):
            left.unlink()
        return [part.replace(target) for part, target in zip(self._parts, targets, strict=True)]

    def _put(self, data: bytes) -> int:
        if data:
            if self._file is None:
                self._next()
            assert self._file is not None
            self._file.write(data)
            self._left -= len(data)
        return len(data)

    def _next(self) -> None:
        self._close()
        part = self._path.with_name(f"{self._path.name}.{len(self._parts) + 1}.part")
        self._parts.append(part)
        self._file = part.open("wb")

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def volume_path(path: Path, number: int) -> Path:
    """The path of volume `number` of the export `path`. The first is 1."""
    return path if number == 1 else path.with_name(f"{path.name}.{number}")


def volumes_of_one_export(path: Path) -> list[Path]:
    """The files of the export whose first volume is `path`; none if that is not a volume. Raises OSError."""
    found: list[Path] = []
    last: _Volume | None = None
    while volume := _read(following := volume_path(path, len(found) + 1)):
        if last and (volume.hello != last.hello or volume.needed != last.held or last.held == last.needed):
            break
        found.append(following)
        last = volume
    return found


@dataclass(frozen=True, slots=True)
class _Volume:
    hello: dict[int, list[Any]]  # of the moment of the export
    needed: tuple[Any, Any]  # what a receiver must hold before it
    held: tuple[Any, Any]  # what a receiver holds after it


def _read(path: Path) -> _Volume | None:
    """What a volume says of its place in an export; None for a file that is not a complete volume."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return None
        first, last = _first_and_last(file, path.stat().st_size)
    try:
        head, end = _fields(_fields(first)[HEAD][0]), _fields(_fields(last)[END][0])
        return _Volume(
            _fields(head[HELLO][0]),
            (head.get(NEEDED_CSN), head.get(NEEDED_VECTOR)),
            (end.get(HELD_CSN), end.get(HELD_VECTOR)),
        )
    except (DecodeError, KeyError, TypeError):
        return None


def _first_and_last(file: BinaryIO, size: int) -> tuple[bytes, bytes]:
    """The payloads of the first and the last record; empty ones if the last record does not end where the file ends."""
    first: bytes | None = None
    while len(prefix := file.read(PREFIX_BYTES)) == PREFIX_BYTES:
        length = int.from_bytes(prefix[:LENGTH_BYTES], "big")
        end = file.tell() + length
        if end > size:
            break
        if end == size:
            last = file.read(length)
            return last if first is None else first, last
        if first is None:
            first = file.read(length)
        file.seek(end)
    return b"", b""


def _fields(message: bytes) -> dict[int, list[Any]]:
    """The fields of a message: number -> values. They are sorted, because the entries of a map come in no order."""
    found: dict[int, list[Any]] = {}
    fields = UnknownFieldSet(Empty.FromString(message))
    for field in (fields[index] for index in range(len(fields))):
        found.setdefault(field.field_number, []).append(field.data)
    return {number: sorted(values) for number, values in found.items()}
