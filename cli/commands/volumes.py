"""Volumes of anti-entropy by file, as they come from a replica in one stream, each into a file of its own.

Of a volume this knows only how it is framed: a first line, then records, each behind its length and a checksum.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import BinaryIO

from cli.commands.volume_sets import CHECKSUM_BYTES, LENGTH_BYTES, MAGIC, volume_path, volumes_of_one_export


class Volumes:
    """Written to like a file; a context. FILE gets the first volume, FILE.2, FILE.3 … the others, each once all are
    whole. Raises OSError.

    removed      what was left behind the last one, of an earlier export that had more.
    """

    def __init__(self, path: Path) -> None:
        self.removed: list[Path] = []
        self._path = path
        self._file: BinaryIO | None = None
        self._parts: list[Path] = []
        self._pending = b""  # what does not yet say what it begins
        self._left = 0  # bytes of the present record that are still to come

    def __enter__(self) -> Volumes:
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
            elif len(pending) - at < len(MAGIC):  # a record is longer, too
                break
            else:
                self._left = LENGTH_BYTES + CHECKSUM_BYTES + int.from_bytes(pending[at : at + LENGTH_BYTES], "big")
        self._pending = pending[at:]
        return len(data)

    def keep(self) -> list[Path]:
        """All has come: the files, under their names, instead of those of an earlier export.

        Raises FileExistsError, with nothing changed, where something else has the name of one behind the first.
        """
        self._left = len(self._pending)
        self._put(self._pending)
        self._close()
        earlier = volumes_of_one_export(self._path)
        targets = [volume_path(self._path, number) for number in range(1, len(self._parts) + 1)]
        for target in targets[1:]:
            if target.exists() and target not in earlier:
                reason = f"it is no part of the export in {self._path.name}; move it, or export to another name"
                raise FileExistsError(errno.EEXIST, reason, str(target))
        self.removed = earlier[len(targets) :]
        # From the end on, and before the new ones come: cut short, this leaves the beginning of the earlier export.
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
