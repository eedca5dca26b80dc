"""Writes an anti-entropy export to files. Each volume of the export gets its own file: FILE, FILE.2, FILE.3 …

A volume is a fixed first line, followed by records. A length and a checksum stand before each record. A record is an
ExportFrame of a_e.proto.

A new export replaces the files of an earlier export at the same path. So this module must find out which files belong
to one export. The names are not enough: FILE, FILE.2 and FILE.3 may be three exports of different days. Therefore,
this module reads two records of each file. The first record says which writes a receiver must hold before the import of
the file. The last record says which writes a receiver holds after the import.

Two files belong to one export if both files have the same hello, and the last record of the first file names the same
writes as the first record of the second file.
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
    """Splits the stream of an export into files. Use a writer in a `with` block. At the end of the
    block, unfinished files are removed.

    If an earlier export at the same path had more files, `finish` removes the surplus files, and `removed` lists them.
    Every method may raise OSError.
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
        """Give the written files their final names, and return their paths. Replace the files of an earlier export.

        Raise FileExistsError if a volume after the first would replace a file that is not part of the earlier export.
        In that case, no file changes.
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
    """Return the path of volume `number` of the export at `path`. Numbers start at 1."""
    return path if number == 1 else path.with_name(f"{path.name}.{number}")


def volumes_of_one_export(path: Path) -> list[Path]:
    """Return the files of the export whose first file is `path`. Return an empty list if `path` is not a volume."""
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
    """Read the first and the last record of a volume. Return None if the file is not a complete volume."""
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
    """Return the first and the last record. Return two empty records if the last record is not complete."""
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
    """Return the values of each field of a protobuf message.

    The values are sorted, because two equal maps may have their entries in different orders.
    """
    found: dict[int, list[Any]] = {}
    fields = UnknownFieldSet(Empty.FromString(message))
    for field in (fields[index] for index in range(len(fields))):
        found.setdefault(field.field_number, []).append(field.data)
    return {number: sorted(values) for number, values in found.items()}
