"""A write: the immutable record of a client's request. A write also says where and when a server accepted the request
(Terry 1995, section 4).

A write has the same bytes on every replica: one JSON object in a canonical encoding. The first three fields are
`stamp`, `prev` and `origin`. The other fields follow in alphabetical order. Only the transaction that accepts the write
knows the values of the first three fields. The transaction puts these fields before the text that `Draft.encode_body`
returns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from bayou.stamps import STAMP_DIGITS, STAMP_MAX, stamp_text, write_id

PAGES_MAX = 400  # pages that one write may declare
WRITE_BYTES_MAX = 64 * 1024

# Made once: json.dumps makes an encoder for each call, and json.loads also accepts white space around the text.
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode
_DECODE = json.JSONDecoder().raw_decode  # text after the object shows when the whole text is compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A client's request for a change, before a replica has accepted it.

    app           the application, NAME/VERSION
    check, merge  names of the dependency check and the merge procedure
    pages         all pages that the check, the update or the merge may read or write
    request       id of the request; a second request of the same user with the same id has no further effect
    accepted_at   time in ISO 8601 (UTC), for people only; the stamp decides the order
    """

    app: str
    op: str
    check: str
    merge: str
    args: Mapping[str, Any]
    pages: tuple[str, ...]
    user: str
    request: str
    accepted_at: str

    def encode_body(self) -> str:
        """Return the canonical JSON of all fields except stamp, prev and origin, without the opening brace."""
        fields = {
            "accepted_at": self.accepted_at,
            "app": self.app,
            "args": self.args,
            "check": self.check,
            "merge": self.merge,
            "op": self.op,
            "pages": self.pages,
            "request": self.request,
            "user": self.user,
        }
        return _ENCODE(fields)[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write(Draft):
    """An accepted write. `prev` is the stamp of the previous write of the same origin. For the first write, `prev`
    is the stamp at which the origin was created, or 0 if the origin has a minted id (LABEL~NONCE)."""

    stamp: int
    prev: int
    origin: str

    @property
    def id(self) -> str:
        return write_id(self.stamp, self.origin)

    def encode(self) -> bytes:
        """Return the canonical bytes of the write."""
        return (_head(stamp_text(self.stamp), stamp_text(self.prev), self.origin) + self.encode_body()).encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Return the write that has these canonical bytes. Raise ValueError with the reason if `body` is anything
        else."""
        try:
            text = body.decode()
            fields, _ = _DECODE(text)
            stamp, prev, origin = fields.pop("stamp"), fields.pop("prev"), fields.pop("origin")
            canonical = _head(stamp, prev, origin) + _ENCODE(fields)[1:]
            pages, args = fields.pop("pages"), fields.pop("args")
            write = cls(stamp=_stamp(stamp), prev=_stamp(prev), origin=origin, pages=tuple(pages), args=args, **fields)
        except (TypeError, KeyError, AttributeError, RecursionError, UnicodeError, json.JSONDecodeError) as reason:
            raise ValueError(f"not a write: {reason}") from None
        types = {type(origin), *map(type, fields.values()), *map(type, pages)}
        if types != {str} or type(pages) is not list or type(args) is not dict:
            raise ValueError("not a write: a field has the wrong type")
        if len(set(write.pages)) < len(write.pages):
            raise ValueError("not a write: it declares a page twice")
        if canonical != text:
            raise ValueError("not a write: the encoding is not canonical")
        return write

    @classmethod
    def of_log(cls, body: bytes) -> Self:
        """Return the write with these canonical bytes, which must come from the log of this replica. The bytes are not
        checked again: this replica checked them before it stored them in the log."""
        fields, _ = _DECODE(body.decode())
        fields["stamp"], fields["prev"] = int(fields["stamp"]), int(fields["prev"])
        fields["pages"] = tuple(fields["pages"])
        return cls(**fields)


class Summary(NamedTuple):
    """The fields of a write that a receiver checks before it stores the write. The application checks the rest."""

    id: str
    app: str
    page_count: int
    user: str
    request: str

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Return the summary of the write with these canonical bytes. Raise ValueError if `Write.decode` would raise
        ValueError.

        A plain write has only text as arguments, and no escaped character. One regular expression reads a plain write
        in a quarter of the time that `Write.decode` takes.
        """
        return cls._of_plain(body) or cls._of_any(body)

    @classmethod
    def _of_plain(cls, body: bytes) -> Self | None:
        """Return the summary of a plain write; None if the body is not a plain write."""
        try:
            match = _PLAIN_WRITE.fullmatch(body.decode())
        except UnicodeDecodeError:
            return None
        if match is None:
            return None
        stamp, prev, origin, app, args, pages, request, user = match.groups()
        names = _PLAIN_ARG.findall(args)
        declared = [] if pages is None else pages.split('","')
        if max(stamp, prev) > _STAMP_MAX_TEXT or names != sorted(set(names)) or len(set(declared)) < len(declared):
            return None
        return cls(f"{stamp}@{origin}", app, len(declared), user, request)

    @classmethod
    def _of_any(cls, body: bytes) -> Self:
        write = Write.decode(body)
        return cls(write.id, write.app, len(write.pages), write.user, write.request)


def prev_of(body: bytes) -> int:
    """Return `prev` from the canonical bytes of a write. `prev` has the same position in all writes."""
    return int(body[_PREV_AT : _PREV_AT + STAMP_DIGITS])


def _head(stamp: str, prev: str, origin: str) -> str:
    """Return the canonical JSON of the first three fields."""
    return f'{{"stamp":"{stamp}","prev":"{prev}","origin":{json.dumps(origin)},'


# Text that JSON writes unescaped. The quantifiers are possessive: a body that does not match fails in linear time.
_CHARACTERS = r'[^"\\\x00-\x1f]*+'
_ASCII = r"[ !#-\[\]-~]*+"  # the origin's characters beyond ASCII are escaped; see `_head`
_ARG = f'"{_CHARACTERS}":"{_CHARACTERS}"'
_PLAIN_ARG = re.compile(f'"({_CHARACTERS})":"{_CHARACTERS}"')
_PLAIN_WRITE = re.compile(
    r'\{"stamp":"([0-9]{16})","prev":"([0-9]{16})",'
    f'"origin":"({_ASCII})",'
    f'"accepted_at":"{_CHARACTERS}",'
    f'"app":"({_CHARACTERS})",'
    rf'"args":\{{((?:{_ARG}(?:,{_ARG})*+)?+)\}},'
    f'"check":"{_CHARACTERS}",'
    f'"merge":"{_CHARACTERS}",'
    f'"op":"{_CHARACTERS}",'
    rf'"pages":\[(?:"({_CHARACTERS}(?:","{_CHARACTERS})*+)")?+\],'
    f'"request":"({_CHARACTERS})",'
    f'"user":"({_CHARACTERS})"'
    r"\}"
)
_STAMP_MAX_TEXT = stamp_text(STAMP_MAX)
_PREV_AT = _head(stamp_text(0), "", "").index('","origin"')


def _stamp(text: str) -> int:
    if len(text) != STAMP_DIGITS or not text.isascii() or not text.isdigit() or int(text) > STAMP_MAX:
        raise ValueError(f"{text!r} is not a stamp of {STAMP_DIGITS} digits")
    return int(text)
