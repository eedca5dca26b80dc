"""docs/protocol.md shows one session in bytes. Our code sends the same bytes, and the document explains the bytes
correctly.

`python -m tests.docs.test_protocol` prints the rows of the table of checks, and the frames of the session. Both are
printed as docs/protocol.md shows them.
"""

from __future__ import annotations

import re
import textwrap
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from apps.records import APPLICATION
from bayou.anti_entropy import PROTOCOL, Session
from bayou.errors import PeerRefusalCode
from bayou.write import Draft
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.grpc_channel import SERVICE
from replica.anti_entropy.protobuf_codec import encode
from storage.store import Store
from tests.conformance.checks import CHECKS
from tests.conformance.minimal import writes as suite
from tests.conformance.writes import CONTENT, HASH
from tests.support.worker_redis import worker_redis

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
FRAME = re.compile(
    r"^\*\*(\d+)\. `(one|two)` → [^\n]*\n\n```text\n(.*?)^```\n\n```hex\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
BODY = re.compile(r"^```json body\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
APPLICATIONS = {"records/1": "0123456789abcdef"}
FIRST_US = 1_796_112_000_000_000  # 2026-12-01 08:00 UTC
HEX_DIGITS = 96  # of a line
DATABASE = 11


def define(relation: str, request: str) -> Draft:
    return Draft(
        app="records/1",
        op="define",
        check="name_is_free",
        merge="keep_beside",
        args={"content": CONTENT, "hash": HASH, "name": relation},
        pages=(f"relation:{relation}",),
        user="vish",
        request=request,
        accepted_at="2026-12-01T08:00:00+00:00",
    )


def session_frames() -> list[tuple[str, wire.Frame]]:
    """Run a session with our code, and return each of its frames as (sender, frame). The replica `one` is the primary
    and the initiator. The replica `two` has met nobody yet."""
    client = worker_redis(DATABASE)
    client.flushdb()
    stores = {label: Store(client, label, [APPLICATION]) for label in ("one", "two")}
    for label, store in stores.items():
        server = f"{label}~aaaaaa"
        store.begin(server=server, cluster="example-000000000000", first_primary=label == "one")
    stores["one"].accept(define("notes", "r1"), FIRST_US)
    stores["two"].accept(define("tasks", "r2"), FIRST_US + 1_000_000)
    ends = {
        label: Session(store, APPLICATIONS, initiator=label == "one", clock_us=lambda: FIRST_US + 2_000_000)
        for label, store in stores.items()
    }
    frames: list[tuple[str, wire.Frame]] = []
    waiting = deque([("one", frame) for frame in ends["one"].start()])
    while waiting:
        sender, frame = waiting.popleft()
        frames.append((sender, encode(frame)))
        receiver = "two" if sender == "one" else "one"
        if receiver == "two" and len(frames) == 1:
            waiting.extend(("two", answer) for answer in ends["two"].start())
        waiting.extend((receiver, answer) for answer in ends[receiver].receive(frame))
    assert all(end.finished and end.report.error is None for end in ends.values())
    return frames


def shown(frame: wire.Frame) -> tuple[str, str]:
    """Return the fields of a frame, and its bytes in hexadecimal, as docs/protocol.md shows them. The fields have
    the length of a body instead of the body."""
    fields = text_format.MessageToString(frame)
    for item in frame.batch.items:
        line = text_format.MessageToString(wire.Item(body=item.body))
        if item.body:
            fields = fields.replace(line.strip(), f"body: ({len(item.body)} bytes)")
    data = frame.SerializeToString(deterministic=True).hex()
    return fields, "\n".join(textwrap.wrap(data, HEX_DIGITS)) + "\n"


def written_session() -> Iterator[str]:
    """Yield the frames of the session, each as docs/protocol.md shows it."""
    for number, (sender, frame) in enumerate(session_frames(), 1):
        fields, data = shown(frame)
        receiver = "two" if sender == "one" else "one"
        kind = (frame.WhichOneof("kind") or "").title()
        yield f"**{number}. `{sender}` → `{receiver}`: {kind}**\n\n```text\n{fields}```\n\n```hex\n{data}```\n"


def written_checks() -> str:
    """Return the rows of the table of checks, as docs/protocol.md shows them."""
    return "".join(f"| `{check.__name__}` | {number} | {check.__doc__} |\n" for number, check in CHECKS)


def test_the_session_is_that_of_our_code() -> None:
    frames, documented = session_frames(), FRAME.findall(DOCUMENT)
    assert [(int(number), sender) for number, sender, _, _ in documented] == [
        (number, sender) for number, (sender, _) in enumerate(frames, 1)
    ]
    for (_, frame), (_, _, fields, data) in zip(frames, documented, strict=True):
        assert wire.Frame.FromString(bytes.fromhex(data)) == frame
        assert (fields, data) == shown(frame)


def test_the_write_is_in_its_session() -> None:
    (body,) = BODY.findall(DOCUMENT)
    items = [item for _, frame in session_frames() for item in frame.batch.items]
    assert body.encode() in {item.body for item in items}


def test_the_page_names_every_frame_field_and_refusal_code() -> None:
    """docs/protocol.md names the version, the service, each kind of frame with its fields, and each code of a refusal.
    The document has each section that a check names."""
    assert f"describes version {PROTOCOL}." in DOCUMENT
    assert PROTOCOL == suite.PROTOCOL
    assert f"`{SERVICE}`" in DOCUMENT
    kinds: list[Any] = [
        wire.Hello,
        wire.Batch,
        wire.Item,
        wire.Ack,
        wire.Done,
        wire.Refuse,
        wire.StateChunk,
        wire.StateFinish,
    ]
    for kind in [
        *kinds,
        wire.ListPart,
        wire.LoggedCommit,
        wire.Question,
        wire.Answer,
        wire.Holds,
        wire.Sync,
        wire.Seal,
    ]:
        assert f"`{kind.DESCRIPTOR.name}`" in DOCUMENT
        for field in kind.DESCRIPTOR.fields:
            assert f"`{field.name}`" in DOCUMENT, f"{kind.DESCRIPTOR.name}.{field.name} is missing"
    for code in PeerRefusalCode:
        assert f"`{code}`" in DOCUMENT
    sections = set(re.findall(r"^##+ ([0-9.]+?)\.? ", DOCUMENT, re.MULTILINE))
    assert {number for number, _ in CHECKS} <= sections


def test_each_check_is_listed() -> None:
    assert written_checks() in DOCUMENT


if __name__ == "__main__":
    print(written_checks(), *written_session(), sep="\n")
