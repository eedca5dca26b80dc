"""Which files are the volumes of one export: FILE, FILE.2, FILE.3 …, each beginning where the one before it ends.

Names alone do not tell: somebody may keep exports of three days as FILE, FILE.2 and FILE.3. So this reads the first and
the last record of each (a MediaFrame in a_e.proto).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

MAGIC = b"bayou volume 1\n"
LENGTH_BYTES, CHECKSUM_BYTES = 4, 4  # of what stands before each record
HEAD, END = 1, 3  # fields of a MediaFrame
HELLO, NEEDED_CSN, NEEDED_VECTOR = 1, 2, 3  # fields of its head
HELD_CSN, HELD_VECTOR = 1, 2  # fields of its end


@dataclass(frozen=True, slots=True)
class _Volume:
    hello: dict[int, list[Any]]  # of the moment of its export
    needed: tuple[Any, Any]
    held: tuple[Any, Any]


def volume_path(path: Path, number: int) -> Path:
    """Where volume `number` of the export `path` stands; the first is 1."""
    return path if number == 1 else path.with_name(f"{path.name}.{number}")


def by_number(files: Sequence[str]) -> list[str]:
    """The files as given, but FILE.2 before FILE.10, which a shell that is given FILE* puts the other way round."""

    def place(file: str) -> tuple[int, int]:
        first, _, number = file.rpartition(".")
        if first in files and number.isascii() and number.isdigit():
            return files.index(first), int(number)
        return files.index(file), 1

    return sorted(files, key=place)


def volumes_of_one_export(path: Path) -> list[Path]:
    """The files of the export whose first volume is `path`; none if that is no volume. Raises OSError."""
    found: list[Path] = []
    last: _Volume | None = None
    while volume := _read(following := volume_path(path, len(found) + 1)):
        if last and (volume.hello != last.hello or volume.needed != last.held or last.held == last.needed):
            break
        found.append(following)
        last = volume
    return found


def _read(path: Path) -> _Volume | None:
    """None for what is no whole volume."""
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
    """The payloads of the first and of the last record; empty ones where the records do not end where the file does."""
    first: bytes | None = None
    while len(prefix := file.read(LENGTH_BYTES + CHECKSUM_BYTES)) == LENGTH_BYTES + CHECKSUM_BYTES:
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
    """Field number -> its values. They are sorted: the entries of a map come in no order."""
    found: dict[int, list[Any]] = {}
    fields = UnknownFieldSet(Empty.FromString(message))
    for field in (fields[index] for index in range(len(fields))):
        found.setdefault(field.field_number, []).append(field.data)
    return {number: sorted(values) for number, values in found.items()}
