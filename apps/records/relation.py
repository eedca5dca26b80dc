"""A relation: its attributes and their types, its key, and the pages that hold its records.

A definition never changes, because the full name of a relation, NAME~HASH, contains the hash of its definition. A write
carries the full name and the types of each relation that it uses. So a play does not read the definition.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Any, Literal, Self

Type = Literal["text", "integer", "time"]
Value = str | int
Row = tuple[Value, ...]

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,31}")
ATTRIBUTES_MAX = 32
TEXT_MAX = 2000  # characters of a value
WHOLE_MAX = 2**53
SEPARATOR = "\x1f"  # between the values of a stored record; a text has no such character
HASH_DIGITS = 10
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_ESCAPED = re.compile(r"[%/\x00-\x1f\x7f]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # every control character except tab and newline


@dataclass(frozen=True)
class Relation:
    """A relation. `attributes` maps names to types, in the order of the definition. All attributes in `page_by` are
    also in `key`.

    Records share a page if they have equal values for all attributes in `page_by`. Only writes that share a page can be
    in conflict.
    """

    base_name: str
    attributes: Mapping[str, Type]
    key: tuple[str, ...]
    page_by: tuple[str, ...]

    @classmethod
    def of_content(cls, base_name: str, content: str) -> Self:
        """Return the relation with this name and content; see the property `content`."""
        return cls.of_carried(base_name, json.loads(content))

    @classmethod
    def of_carried(cls, base_name: str, carried: Mapping[str, Any]) -> Self:
        """Return the relation with this name. `carried` is the form in which a write carries the relation."""
        return cls(base_name, types_of(carried), tuple(carried["key"]), tuple(carried["page_by"]))

    def check(self) -> None:
        """Raise ValueError with the reason if the definition is invalid."""
        for name in (self.base_name, *self.attributes):
            if not IDENTIFIER.fullmatch(name):
                raise ValueError(
                    f"{name[:64]!r} cannot be a name; a name begins with a letter a-z and has at most 32 of the"
                    " characters a-z, 0-9 and _"
                )
        if not 1 <= len(self.attributes) <= ATTRIBUTES_MAX:
            raise ValueError(f"a relation must have 1 to {ATTRIBUTES_MAX} attributes")
        for part, names in (("key", self.key), ("page_by", self.page_by)):
            if not names or len(set(names)) < len(names):
                raise ValueError(f"`{part}` must list at least one attribute, and each attribute only once")
            for name in names:
                if name not in self.attributes:
                    raise ValueError(
                        f"`{part}` lists {name[:64]!r}, which is not an attribute of the relation; add it to the"
                        f" attributes or take it out of `{part}`"
                    )
        for name in self.page_by:
            if name not in self.key:
                raise ValueError(f"`page_by` lists {name!r}, which is not part of the key; add it to `key`")

    @cached_property
    def carried(self) -> dict[str, Any]:
        """The form in which a write carries the relation: everything but the name."""
        return {"attributes": list(chain(*self.attributes.items())), "key": self.key, "page_by": self.page_by}

    @cached_property
    def content(self) -> str:
        """The canonical JSON of the definition without its name."""
        return json.dumps(self.carried, separators=(",", ":"), sort_keys=True)

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(f"{self.base_name} {self.content}".encode()).hexdigest()[:HASH_DIGITS]

    @property
    def name(self) -> str:
        """The full name, NAME~HASH."""
        return f"{self.base_name}~{self.hash}"

    def page(self, values: Mapping[str, Value]) -> str:
        """Return the name of the page for records that have these values for the attributes in `page_by`."""
        texts = [_ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", str(values[name])) for name in self.page_by]
        return "/".join([f"records:{self.name}", *texts])

    def records(self, page: Mapping[str, str]) -> Iterator[dict[str, Value]]:
        """Yield the records of a page."""
        for field, text in page.items():
            if field.startswith("="):
                values = zip(self.attributes.items(), text.split(SEPARATOR), strict=True)
                yield {name: text if kind == "text" else int(text) for (name, kind), text in values}

    def stored(self, attribute: str, value: object) -> Value:
        """Return a client's value in the form that pages hold; a time becomes a number of minutes since 1970. Raises
        ValueError with the reason if the value does not fit the type of the attribute."""
        kind = self.attributes[attribute]
        if kind == "integer":
            if type(value) is not int or abs(value) > WHOLE_MAX:
                raise ValueError(f"{attribute} is an integer; write a whole number from -2^53 to 2^53, without quotes")
            return value
        if type(value) is not str:
            raise ValueError(f"{attribute} is of type {kind}; write its value in quotes")
        if kind == "time":
            return _minutes(attribute, value)
        if len(value) > TEXT_MAX or _CONTROL.search(value):
            raise ValueError(
                f"{attribute} must have at most {TEXT_MAX} characters, and no control characters but tab and newline"
            )
        return value

    def shown(self, attribute: str, value: Value) -> Value:
        """Return a stored value in the form that clients see; a time becomes a text such as 2026-12-01T09:00Z."""
        return shown_value(self.attributes.get(attribute, "text"), value)

    def shown_record(self, record: Mapping[str, Value]) -> dict[str, Value]:
        return {name: self.shown(name, value) for name, value in record.items()}


def shown_value(kind: Type, value: Value) -> Value:
    """Return a stored value of this type in the form that clients see."""
    if kind != "time":
        return value
    try:
        return f"{_BEGINNING + timedelta(minutes=int(value)):%Y-%m-%dT%H:%MZ}"
    except (OverflowError, ValueError):
        return value


def definition_page(base_name: str) -> str:
    return f"relation:{base_name}"


def split_name(name: str) -> tuple[str, str]:
    """Return the bare name and the hash of a full name, NAME~HASH. If `name` is a bare name, the hash is empty."""
    base_name, _, digest = name.partition("~")
    return base_name, digest


def types_of(carried: Mapping[str, Any]) -> dict[str, Type]:
    """Return attribute -> type for a relation. `carried` is the relation in the form in which a write carries it."""
    flat = carried["attributes"]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def base_name_of(full_name: str) -> str:
    return split_name(full_name)[0]


def definitions(base_name: str, page: Mapping[str, str]) -> Mapping[str, Relation]:
    """Return hash -> relation for each relation that a definition page holds."""
    return {digest: Relation.of_content(base_name, text) for digest, text in page.items() if digest != "owner"}


def _minutes(attribute: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.second or moment.microsecond:
        raise ValueError(
            f"{attribute} is a time in whole minutes; write it like 2026-12-01T09:00Z or 2026-12-01T10:00+01:00"
        )
    return (moment - _BEGINNING) // timedelta(minutes=1)


def by_bytes(value: Value) -> bytes | int:
    """Return the sort key of a value: numbers are compared by size, and texts by their bytes. values.lua compares in
    the same way."""
    return value.encode() if isinstance(value, str) else value
