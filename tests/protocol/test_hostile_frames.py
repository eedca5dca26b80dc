"""A session answers a peer's invalid frame with ProtocolError or Refuse, and stores no part of the frame."""

from __future__ import annotations

import contextlib
import io
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bayou.anti_entropy import ProtocolError, Session
from bayou.errors import BadInput, Refusal
from bayou.export import Head, Importer, export_volumes
from bayou.frame_validation import ITEMS_MAX, SERVERS_MAX, problem_of, problem_of_writes
from bayou.frames import Ack, Batch, Done, Frame, Hello, Refuse, StateChunk, StateFinish
from bayou.payloads import Item, ListPart, LoggedCommit, Selection, StateEnd, StatePages
from bayou.stamps import STAMP_MAX
from bayou.write import PAGES_MAX, WRITE_BYTES_MAX, Write
from replica.anti_entropy import a_e_pb2 as wire
from replica.anti_entropy.protobuf_codec import decode, encode
from replica.http.export_file import read, write
from storage.members import membership_draft
from tests.support.engine_harness import Cluster, Replica, clock_of, fed
from tests.support.toy import RULES, batch, draft, item, write_of

PEER = "peer~aaaaaa"
EXAMPLES = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

numbers = st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1), st.sampled_from([STAMP_MAX, STAMP_MAX + 1, 2**53]))
texts = st.one_of(
    st.sampled_from(["", PEER, "r0~aaaaaa", "0000000000000001:r0~aaaaaa", "x:y", "[]", "{}", '[[0,"peer~aaaaaa",1]]']),
    st.text(max_size=20),
)
ids = st.one_of(texts, st.builds(lambda stamp: f"{stamp:016d}@{PEER}", numbers))
vectors = st.dictionaries(texts, numbers, max_size=3)
bodies = st.one_of(st.just(b""), st.binary(max_size=50), st.builds(lambda text: text.encode(), texts))
items = st.builds(Item, ids, st.none() | numbers, bodies)
selections = st.builds(Selection, numbers, ids, st.lists(items, max_size=3).map(tuple))
page_rows = st.tuples(texts, texts | numbers.map(str), st.lists(texts, max_size=4))
json_texts = st.one_of(
    st.lists(page_rows, max_size=2),
    st.lists(st.dictionaries(texts, texts, max_size=3), max_size=2),
    st.recursive(texts | st.none() | numbers, st.lists, max_leaves=4),
)
pages = st.builds(
    StatePages, st.integers(0, 3), st.one_of(json_texts.map(json.dumps).map(str.encode), st.binary(max_size=9))
)
commits = st.builds(LoggedCommit, ids, numbers, bodies, texts)
list_parts = st.builds(ListPart, texts, st.lists(texts, max_size=2).map(tuple))
ends = st.builds(StateEnd, numbers, ids, numbers, texts, texts, texts, vectors, commits=numbers, before=ids)
frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Batch, st.integers(0, 2), selections),
    st.builds(
        StateChunk,
        st.integers(0, 2),
        st.integers(0, 2),
        st.booleans(),
        pages,
        st.lists(list_parts, max_size=2).map(tuple),
        st.lists(commits, max_size=2).map(tuple),
    ),
    st.builds(StateFinish, st.integers(0, 2), st.integers(0, 3), ends),
    st.builds(Ack, st.integers(0, 2), st.booleans(), numbers, vectors, st.lists(texts, max_size=2).map(tuple)),
    st.builds(Done),
    st.builds(Refuse, texts, texts),
)


@pytest.fixture(scope="module")
def here() -> Replica:
    found: Replica = Cluster(1).replicas[0]
    found.note("r1", "p", "q")
    found.note("r2", "p")
    return found


def counted(replica: Replica) -> dict[str, Any]:
    """Return the stored state without the data of an incomplete full state. The result has no lists, because an
    incomplete full state may already have added entries to lists."""
    generation = replica.client.hget(replica.key("meta"), "generation").decode()  # type: ignore[union-attr]
    staged = re.compile(rf"(c|changed|log|log-writes|log-outcomes)(?!{generation}\b)[0-9]+|lists?\b")
    kept = {key: found for key, found in replica.dump().items() if not staged.match(key)}
    meta = kept.get("meta")
    if isinstance(meta, dict):
        kept["meta"] = {name: text for name, text in meta.items() if name not in {b"generations", b"staging", b"met"}}
    return kept


def hello_like(here: Replica) -> Hello:
    (hello,) = Session(here, RULES, initiator=False, clock_us=clock_of(here)).start()
    assert isinstance(hello, Hello)
    return replace(hello, server=PEER, label="peer")


def hellos(here: Replica) -> st.SearchStrategy[Hello]:
    """Return a hypothesis strategy that makes hellos of a peer. Some fields of these hellos have arbitrary values."""
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "str": texts,
        "int": numbers,
        "bool": st.booleans(),
        "bool | None": st.none() | st.booleans(),
        "Vector": vectors,
        "Mapping[str, str]": st.dictionaries(texts, texts, max_size=2),
        "tuple[str, ...]": st.lists(texts, max_size=2).map(tuple),
    }
    changes = st.fixed_dictionaries({}, optional={field.name: kinds[str(field.type)] for field in fields(Hello)})
    return changes.map(lambda changed: replace(hello_like(here), **changed))


@pytest.mark.slow
@EXAMPLES
@given(st.data(), st.booleans())
def test_a_session_survives_any_hello(here: Replica, data: st.DataObject, initiator: bool) -> None:
    before = counted(here)
    fed(here, [data.draw(hellos(here)), Done()], initiator=initiator)
    assert counted(here) == before


@EXAMPLES
@given(sent=st.lists(frames, max_size=4), initiator=st.booleans())
@example(
    sent=[StateFinish(0, 0, StateEnd(9, f"{9:016d}@{PEER}", 9, PEER, PEER, f'[[0,"{PEER}",1]]', {}))], initiator=True
)
@pytest.mark.slow
@example(sent=[StateChunk(0, 0, True, StatePages(), (ListPart("l", ()),))], initiator=True)
@example(sent=[Refuse("\x1b[2J", "\x1b]0;mine\x07")], initiator=False)
def test_a_session_survives_any_frames_after_a_hello(here: Replica, sent: list[Frame], initiator: bool) -> None:
    before = counted(here)
    session = fed(here, [hello_like(here), *sent], initiator=initiator)
    assert counted(here) == before
    if session.report.error is not None:
        assert "\x1b" not in session.report.error.message


@EXAMPLES
@given(st.binary(max_size=200))
def test_any_message_is_a_frame_or_a_protocol_error(garbage: bytes) -> None:
    with contextlib.suppress(DecodeError, ProtocolError):
        decode(wire.Frame.FromString(garbage))


@EXAMPLES
@given(frames)
def test_a_valid_frame_survives_encoding(frame: Frame) -> None:
    if problem_of(frame) is None:
        assert decode(wire.Frame.FromString(encode(frame).SerializeToString())) == frame


@EXAMPLES
@given(st.one_of(st.binary(max_size=100), st.text(max_size=100).map(str.encode)), st.integers(0, 400))
def test_a_write_is_decoded_whole_or_not_at_all(garbage: bytes, at: int) -> None:
    good = write_of(draft("note", "r", ["p"]), 1, 0, PEER).encode()
    for body in (garbage, good[:at] + garbage + good[at + 1 :]):
        try:
            found = Write.decode(body)
        except ValueError:
            continue
        assert found.encode() == body


def rows(*found: tuple[str, str, list[str]]) -> StatePages:
    return StatePages(len(found), json.dumps(found).encode())


def too_large() -> Iterator[tuple[Frame, str]]:
    servers = {f"x~a{number}": 1 for number in range(SERVERS_MAX + 1)}
    yield Ack(0, True, 0, servers), "vector has more"
    yield Ack(0, True, 0, {}, tuple(servers)), "retired servers"
    yield Batch(0, batch(*[Item(f"{n:016d}@{PEER}", None, b"x") for n in range(ITEMS_MAX + 1)])), "more than 500"
    yield StateChunk(0, 0, True, rows(*[(f"p{n}", "1", []) for n in range(ITEMS_MAX + 1)]), ()), "more than 500"
    yield StateChunk(0, 0, True, rows(("p" * 2000, "1", [])), ()), "name"
    yield StateChunk(0, 0, True, rows(("p", "1", ["f", "g", "h"])), ()), "without a value"
    yield StateChunk(0, 0, True, rows(("p", str(2**53), [])), ()), "CSN"
    yield StateChunk(0, 0, True, StatePages(), (ListPart("l", tuple(f"m{n}" for n in range(1001))),)), "list"
    yield Refuse("busy", "x" * 2001), "refusal"
    yield Ack(0, True, 0, {"x" * 600 + "~aaaaaa": 1}), "vector"


@pytest.mark.parametrize(
    ("frame", "why"), list(too_large()), ids=lambda case: case if isinstance(case, str) else type(case).__name__
)
def test_a_frame_beyond_a_bound_is_refused_and_nothing_is_stored(here: Replica, frame: Frame, why: str) -> None:
    before = counted(here)
    session = fed(here, [hello_like(here), frame], initiator=True)
    assert session.report.error is not None
    assert why in session.report.error.message
    assert counted(here) == before


@pytest.mark.parametrize("csns", [[2], [1, 3], [2, 1], [None, 1], [1, None, 2], [1, 1], [0]], ids=str)
def test_a_batch_in_another_order_is_refused(here: Replica, csns: list[int | None]) -> None:
    """The commits of a batch must have consecutive CSNs, and tentative writes must follow them.

    A receiver relies on this order: the receiver counts the commits and does not read their CSNs.
    """
    writes = [write_of(draft("note", f"o{number}", ["p"]), number, number - 1, PEER) for number in (1, 2, 3)]
    selection = batch(*(item(found, csn) for found, csn in zip(writes, csns, strict=False)))
    before = counted(here)
    session = fed(here, [hello_like(here), Batch(0, selection)], initiator=True)
    assert session.report.error is not None
    assert "consecutive CSNs" in session.report.error.message
    assert counted(here) == before


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[",
        b"{}",
        b'"abc"',
        b'["abc"]',
        b'[["p","1"]]',
        b'[["p",1,[]]]',
        b'[["p","1",{}]]',
        b'[["p","1","fv"]]',
        b'[["p","1",[],[]]]',
        b'[{"a":"p","b":"1","c":"x"}]',
        b"[null]",
        b'[["p","1",["f",NaN]]]',
        b'[["p","1",["f",null]]]',
        b'[["p","",[]]]',
        b'[["p","-1",[]]]',
        b'[["p","1e3",[]]]',
        b'[["","1",[]]]',
        b'[["p","1",["f","\\ud800"]]]',
        b'[["p","1",["f","\xff"]]]',
        b'\xef\xbb\xbf[["p","1",[]]]',
        '[["p","1",[]]]'.encode("utf-16"),
        b'[["p","1",[]],["q","1",[]]]',
        b"[" * 100_000,
    ],
    ids=lambda text: repr(text[:30]),
)
def test_malformed_pages_are_refused(here: Replica, text: bytes) -> None:
    """Python checks the text of the pages, and Redis reads the same text with another JSON parser. A text is refused if
    the two parsers may read it differently."""
    before = counted(here)
    chunk = StateChunk(0, 0, True, StatePages(1, text), ())
    session = fed(here, [hello_like(here), chunk], initiator=True)
    assert session.report.error is not None
    assert session.report.error.code == "protocol"
    assert counted(here) == before


POISON = [
    draft("note", "r", [f"p{number}" for number in range(PAGES_MAX + 1)]),
    draft("note", "r", ["p"], text="x" * (WRITE_BYTES_MAX + 2000)),
    draft("note", "r\x1b[2J", ["p"]),
    draft("note", "r", ["p"], user="a\tb"),
    draft("note", "", ["p"]),
    membership_draft("primary", "r", "now", {"from": "r0~aaaaaa", "to": ["x"], "label": "x"}),
    membership_draft("primary", "r", "now", {"to": PEER, "label": "x"}),
    membership_draft("create", "r", "now", {"label": "x", "rest": "a\tb:1", "anti_entropy": "b:1", "through": "one"}),
    membership_draft("create", "r", "now", {"label": "x", "rest": "a:1", "anti_entropy": "nowhere", "through": "one"}),
    membership_draft("retire", "r", "now", {}),
    membership_draft("abolish", "r", "now", {"label": "x"}),
    replace(membership_draft("retire", "r", "now", {"label": "x"}), pages=("p",)),
]


@pytest.mark.parametrize("wanted", POISON, ids=lambda wanted: f"{wanted.app} {wanted.op}")
def test_a_write_that_cannot_be_played_is_refused_from_a_peer_and_from_a_file(here: Replica, wanted: Any) -> None:
    before = counted(here)
    selection = batch(item(write_of(wanted, here.clock.now_us, 0, PEER)))
    session = fed(here, [hello_like(here), Batch(0, selection)], initiator=True)
    assert session.report.error is not None
    assert session.report.error.code == "malformed"
    with pytest.raises(BadInput, match="The file is damaged"):
        Importer(here, RULES, clock_of(here)).take(Batch(0, selection))
    assert counted(here) == before


def test_membership_writes_of_replicas_are_valid(here: Replica) -> None:
    created = {"label": "four", "rest": "127.0.0.1:1", "anti_entropy": "[::1]:2", "through": "one"}
    for wanted in (
        membership_draft("create", "abc", "now", created),
        membership_draft("retire", "retire-1", "now", {"label": "four"}),
        membership_draft("primary", "primary-1", "now", {"from": PEER, "to": f"{1:016d}:{PEER}", "label": "x"}),
        membership_draft("primary", "primary-1", "now", {"to": PEER, "epoch": 1, "label": "x"}),
    ):
        assert problem_of_writes(Batch(0, batch(item(write_of(wanted, 5, 0, PEER)))), RULES) is None


@pytest.fixture(scope="module")
def volume() -> bytes:
    cluster = Cluster(2)
    cluster.replicas[0].note("r1", "p")
    cluster.replicas[1].note("r2", "q")
    return b"".join(write(export_volumes(cluster.replicas[0], RULES, 0, {}, 1 << 20)))


@EXAMPLES
@given(st.data())
def test_a_damaged_file_is_bad_input_and_nothing_of_the_damaged_part_is_stored(
    here: Replica, volume: bytes, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(volume) - 1))
    damaged = data.draw(
        st.sampled_from(
            [
                volume[:place],
                volume[:place] + bytes([volume[place] ^ 1 << data.draw(st.integers(0, 7))]) + volume[place + 1 :],
                volume[:place] + data.draw(st.binary(max_size=9)) + volume[place:],
            ]
        )
    )
    whole = list(read(io.BytesIO(volume)))
    found = []
    with pytest.raises(BadInput) if damaged not in {b"", volume} else pytest.MonkeyPatch.context():
        for frame in read(io.BytesIO(damaged)):
            found.append(frame)
    assert found == whole[: len(found)]


def test_a_record_with_a_correct_checksum_is_still_checked(here: Replica, volume: bytes) -> None:
    before = counted(here)
    made = list(read(io.BytesIO(volume)))
    finish = StateFinish(0, 0, StateEnd(9, f"{9:016d}@{PEER}", 9, PEER, PEER, f'[[0,"{PEER}",1]]', {}))
    head = made[0]
    assert isinstance(head, Head)
    importer = Importer(here, RULES, clock_of(here))
    importer.take(replace(head, hello=hello_like(here), full_state=True))
    with pytest.raises(Refusal) as refusal:
        importer.take(finish)
    assert refusal.value.code == "export_damaged"
    assert counted(here) == before
    with pytest.raises(BadInput, match="a record is too long"):
        list(read(io.BytesIO(b"bayou volume 1\n" + struct.pack(">II", 2**31, 0))))
