"""Stamps, ids, vectors and the encoding of writes. With these, all replicas put writes in the same order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayou.stamps import STAMP_MAX, split_id, stamp_text, write_id
from bayou.state import covers
from bayou.write import Draft, Summary, Write
from storage.scripts import FOLDER
from tests.support.toy import draft, write_of
from tests.support.worker_redis import worker_redis

stamps = st.one_of(st.integers(0, 3), st.integers(0, STAMP_MAX), st.just(STAMP_MAX))
servers = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)
vectors = st.dictionaries(st.sampled_from("abc"), st.integers(1, 3))
texts = st.text(st.characters(codec="utf-8"), max_size=12)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


def writes_with(args: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Write]:
    return st.builds(
        Write,
        app=texts,
        op=texts,
        check=texts,
        merge=texts,
        args=args,
        pages=st.lists(texts, max_size=4, unique=True).map(tuple),
        user=texts,
        request=texts,
        accepted_at=texts,
        stamp=stamps,
        prev=stamps,
        origin=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"\\'), min_size=1),
    )


writes = writes_with(st.dictionaries(texts, values, max_size=4))
writes_of_text = writes_with(st.dictionaries(texts, texts, max_size=4))
PLAIN = write_of(draft("note", "r", ["p"], slots=[[1, 2]]), 7, 3, "one~aaaaaa")

ORDER = """
local ids, reply = {}, {}
for i, id in ipairs(ARGV) do ids[i] = id end
table.sort(ids, Order.before)
for i, id in ipairs(ids) do reply[i] = Order.text(Order.stamp(id)) .. '@' .. Order.origin(id) end
return reply
"""


def by_lua(ids: list[str]) -> list[str]:
    """Return these ids in the order of the Lua engine. The engine also splits each id and joins its parts again."""
    order = (FOLDER / "engine" / "order.lua").read_text()
    reply: Any = worker_redis().eval(f"local Order = (function() {order} end)()\n{ORDER}", 0, *ids)
    return [identifier.decode() for identifier in reply]


@given(st.lists(st.tuples(stamps, servers), unique=True, max_size=20))
def test_ids_compare_bytewise_as_stamp_and_origin_do_and_lua_agrees(pairs: list[tuple[int, str]]) -> None:
    """The order is by stamp, then by server (Terry 1995, section 4.3). The locale of the Redis server does not change
    this order."""
    expected = [write_id(*pair) for pair in sorted(pairs, key=lambda pair: (pair[0], pair[1].encode()))]
    ids = [write_id(*pair) for pair in pairs]
    assert sorted(ids, key=str.encode) == expected
    assert by_lua(ids) == expected


def test_redis_orders_a_sorted_set_in_the_same_way() -> None:
    ids = [write_id(stamp, server) for stamp in (5, STAMP_MAX, STAMP_MAX - 1) for server in ("b", "B", "é", "a~", "a")]
    client = worker_redis()
    client.delete("order")
    client.zadd("order", {identifier: split_id(identifier)[0] for identifier in ids})
    found: Any = client.zrange("order", 0, -1)
    assert [identifier.decode() for identifier in found] == sorted(ids, key=str.encode) == by_lua(ids)


@given(stamps, servers)
def test_an_id_can_be_split(stamp: int, server: str) -> None:
    assert split_id(write_id(stamp, server)) == (stamp, server)
    assert len(stamp_text(stamp)) == 16


@pytest.mark.parametrize(
    "text",
    ["", "@a", "1@a", "0000000000000001", "0000000000000001@", "-000000000000001@a", "٠000000000000001@a", "x" * 20],
)
def test_an_invalid_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a write id"):
        split_id(text)


@given(vectors, vectors, vectors)
def test_covers_is_a_partial_order(a: dict[str, int], b: dict[str, int], c: dict[str, int]) -> None:
    assert covers(a, a)
    if covers(a, b) and covers(b, c):
        assert covers(a, c)
    if covers(a, b) and covers(b, a):
        assert a == b
    both = {server: max(a.get(server, 0), b.get(server, 0)) for server in a | b}
    assert covers(both, a)
    assert covers(both, b)
    assert covers(a, both) == covers(a, b)
    assert covers(a, {})


def test_an_entry_of_0_is_no_entry() -> None:
    assert covers({}, {"a": 0})
    assert not covers({"a": 5}, {"b": 1})


@settings(max_examples=200)
@given(writes)
def test_a_write_has_the_same_bytes_everywhere(write: Write) -> None:
    body = write.encode()
    assert Write.decode(body) == write == Write.of_log(body)
    assert Write.decode(body).encode() == body
    assert list(json.loads(body))[:3] == ["stamp", "prev", "origin"]
    assert list(json.loads(body))[3:] == sorted(list(json.loads(body))[3:])


@given(writes)
def test_a_head_and_the_encoded_body_are_the_canonical_bytes(write: Write) -> None:
    """accept.lua joins the first three fields and an encoded draft, and the result must be the bytes that Python
    makes."""
    rest = Draft(**{name: getattr(write, name) for name in Draft.__slots__}).encode_body()
    head = f'{{"stamp":"{stamp_text(write.stamp)}","prev":"{stamp_text(write.prev)}","origin":"{write.origin}",'
    assert (head + rest).encode() == write.encode()


@given(writes, st.data())
def test_only_canonical_bytes_are_a_write(write: Write, data: st.DataObject) -> None:
    """Altered bytes are refused, or they are another write in canonical form. The test cuts off the end, repeats or
    changes a byte, or adds a blank at the beginning."""
    body = write.encode()
    place = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(
        st.sampled_from([body[:place], body[:place] + body[place : place + 1] + body[place:], b" " + body])
    )
    changed = body[:place] + bytes([data.draw(st.integers(0, 255))]) + body[place + 1 :]
    for bytes_ in (other, changed):
        try:
            found = Write.decode(bytes_)
        except ValueError:
            continue
        assert found.encode() == bytes_


def summary_by_decoding(body: bytes) -> Summary | None:
    """Return the summary that `Summary.of` must return. Return None if `Summary.of` must refuse the bytes."""
    try:
        write = Write.decode(body)
    except ValueError:
        return None
    return Summary(write.id, write.app, len(write.pages), write.user, write.request)


def summary(body: bytes) -> Summary | None:
    try:
        return Summary.of(body)
    except ValueError:
        return None


@settings(max_examples=300, deadline=None)
@given(st.one_of(writes_of_text, writes), st.data())
def test_a_summary_takes_exactly_the_bytes_that_decode_takes(write: Write, data: st.DataObject) -> None:
    """The test tries the bytes of a write, and the same bytes after an insertion or a replacement in one place."""
    body = write.encode()
    assert summary(body) == summary_by_decoding(body) is not None
    start, stop = sorted((data.draw(st.integers(0, len(body))), data.draw(st.integers(0, len(body)))))
    put = data.draw(st.one_of(st.binary(max_size=2), st.sampled_from(PIECES), st.just(body[start:stop] * 2)))
    for changed in (body[:start] + put + body[start:], body[:start] + put + body[stop:]):
        assert summary(changed) == summary_by_decoding(changed)


PIECES = [
    b'"',
    b'\\"',
    b"\\n",
    b"\\u00e9",
    "é".encode(),
    b"\x7f",
    b'","',
    b'":"',
    b'"a":"b",',
    b"{}",
    b"[]",
    b" ",
    b"1e5",
]


@pytest.mark.parametrize(
    ("args", "pages"),
    [
        (b'{"b":"1","a":"2"}', b'["p"]'),
        (b'{"a":"1","a":"2"}', b'["p"]'),
        (b'{"a":"1",}', b'["p"]'),
        (b'{,"a":"1"}', b'["p"]'),
        (b"{}", b'["p","q","p"]'),
        (b"{}", b'["",""]'),
        (b"{}", b'["p",]'),
        (b"{}", b'["p" ,"q"]'),
        (b"{}", b'["\\u0070"]'),
    ],
)
def test_a_plain_write_that_is_not_canonical_has_no_summary(args: bytes, pages: bytes) -> None:
    body = PLAIN.encode().replace(b'{"slots":[[1,2]]}', args).replace(b'["p"]', pages)
    with pytest.raises(ValueError, match="not a write"):
        Summary.of(body)


@pytest.mark.parametrize("pages", [(), ("",), ("p", "q"), ("p,q", "p"), (",",), ("é", "e")])
def test_a_summary_counts_the_pages(pages: tuple[str, ...]) -> None:
    write = write_of(draft("note", "r", pages), 7, 3, "one~aaaaaa")
    assert Summary.of(write.encode()) == Summary(write.id, "toy/1", len(pages), "vish", "r")


def members(**changed: Any) -> dict[str, Any]:
    return {**json.loads(PLAIN.encode()), **changed}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        PLAIN.encode() + b" ",
        PLAIN.encode() + b"{}",
        PLAIN.encode().replace(b'"op":"note"', b'"op": "note"'),
        PLAIN.encode().replace(b'"op":"note"', b'"op":"not\\u0065"'),
        PLAIN.encode().replace(b'"op":"note"', b'"op":"note","op":"note"'),
        PLAIN.encode().replace(b'"slots":[[1,2]]', b'"slots":[[1.50,2]]'),
        PLAIN.encode().replace(b'"slots":[[1,2]]', b'"slots":[[1e0,2]]'),
        PLAIN.encode().replace(b'"slots":[[1,2]]', b'"slots":[[01,2]]'),
        PLAIN.encode().replace(b'"pages":["p"]', b'"pages":"p"'),
        PLAIN.encode().replace(b"0000000000000007", b"7"),
        PLAIN.encode().replace(b"0000000000000007", "٠000000000000007".encode()),
        PLAIN.encode().replace(b'"0000000000000007"', b"7"),
        PLAIN.encode().replace(b"0000000000000007", b"9999999999999999"),
        PLAIN.encode().replace(b'"user":"vish"', b'"user":"\\ud800"'),
        PLAIN.encode().decode().encode("utf-16"),
        json.dumps(members(), separators=(",", ":"), sort_keys=True).encode(),
        json.dumps(members(more=1), separators=(",", ":")).encode(),
        json.dumps({name: value for name, value in members().items() if name != "user"}).encode(),
    ],
)
def test_other_encodings_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a write|is not a stamp"):
        Write.decode(body)
    assert summary(body) is None


@pytest.mark.parametrize(
    "body",
    [
        PLAIN.encode().replace(b'"user":"vish"', b'"user":5'),
        PLAIN.encode().replace(b'"app":"toy/1"', b'"app":null'),
        PLAIN.encode().replace(b'"pages":["p"]', b'"pages":[1]'),
        PLAIN.encode().replace(b'"pages":["p"]', b'"pages":["p","p"]'),
        PLAIN.encode().replace(b'"args":{"slots":[[1,2]]}', b'"args":[]'),
        PLAIN.encode().replace(b"[[1,2]]", b"NaN"),
        PLAIN.encode().replace(b"[[1,2]]", b"-Infinity"),
        PLAIN.encode().replace(b"[[1,2]]", b"[" * 20_000 + b"]" * 20_000),
    ],
    ids=["user", "app", "page", "page twice", "args", "not a number", "infinity", "nested"],
)
def test_fields_of_a_wrong_type_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a write|not JSON compliant"):
        Write.decode(body)
    assert summary(body) is None
