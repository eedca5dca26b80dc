"""The bytes of an export. Each frame has a checksum, so that damage is found before the frame is used.

A volume is the line MAGIC, followed by records. A record has a length (4 bytes, big-endian), the CRC-32 of the payload
(4 bytes), and the payload (an ExportFrame of a_e.proto). A volume is complete if its last record is an End.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from google.protobuf.message import DecodeError

from bayou.anti_entropy import ProtocolError
from bayou.errors import BadInput
from bayou.export import End, ExportFrame, Head
from bayou.frames import Batch, Hello, StateChunk, StateFinish
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.protobuf_codec import decode, encode

MAGIC = b"bayou volume 1\n"
RECORD_BYTES_MAX = 4 * 1024 * 1024
_PREFIX = struct.Struct(">II")


def write(frames: Iterable[ExportFrame]) -> Iterator[bytes]:
    """Yield the bytes of the volumes, one volume after another. Each volume begins with MAGIC."""
    for frame in frames:
        payload = _encode(frame).SerializeToString()
        if isinstance(frame, Head):
            yield MAGIC
        yield _PREFIX.pack(len(payload), zlib.crc32(payload)) + payload


def read(file: BinaryIO) -> Iterator[ExportFrame]:
    """Yield the frames of a file of one or more volumes. Raises BadInput at the first damage, after it has yielded the
    frames before the damage."""
    inside = False
    while True:
        if not inside:
            magic = file.read(len(MAGIC))
            if not magic:
                return
            if magic != MAGIC:
                raise _damaged("it does not begin like a volume")
        frame = _record(file)
        if isinstance(frame, Head) == inside:
            raise _damaged("its records are out of order")
        yield frame
        inside = not isinstance(frame, End)


def _record(file: BinaryIO) -> ExportFrame:
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        raise _damaged("its end is missing")
    length, checksum = _PREFIX.unpack(prefix)
    if length > RECORD_BYTES_MAX:
        raise _damaged("a record is too long")
    payload = file.read(length)
    if len(payload) < length:
        raise _damaged("its end is missing")
    if zlib.crc32(payload) != checksum:
        raise _damaged("a checksum is wrong")
    try:
        return _decode(wire.ExportFrame.FromString(payload))
    except (DecodeError, ProtocolError):
        raise _damaged("a record cannot be read") from None


def _damaged(reason: str) -> BadInput:
    return BadInput(
        "export_damaged",
        f"The file is damaged: {reason}. The writes before the damage were imported. Export the file again.",
        field="file",
    )


def _encode(frame: ExportFrame) -> wire.ExportFrame:
    match frame:
        case Head(hello, csn, vector, full_state):
            head = wire.ExportHead(hello=encode(hello).hello, csn=csn, vector=vector, full_state=full_state)
            return wire.ExportFrame(head=head)
        case End(csn, vector):
            return wire.ExportFrame(end=wire.ExportEnd(csn=csn, vector=vector))
        case _:
            return wire.ExportFrame(frame=encode(frame))


def _decode(message: wire.ExportFrame) -> ExportFrame:
    match message.WhichOneof("kind"):
        case "head":
            hello = decode(wire.Frame(hello=message.head.hello))
            assert isinstance(hello, Hello)
            return Head(hello, message.head.csn, dict(message.head.vector), message.head.full_state)
        case "end":
            return End(message.end.csn, dict(message.end.vector))
        case "frame":
            frame = decode(message.frame)
            if isinstance(frame, Batch | StateChunk | StateFinish):
                return frame
    raise ProtocolError("a record of an unknown kind")
