"""The page of a person: the name of the page, and the meaning of the fields. Only people.lua writes this page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bayou.errors import Unknown

ROLES = ("user", "manager", "guest")
OPERATOR = "operator"  # runs the machine of a replica: has no page, and is always a manager


@dataclass(frozen=True, slots=True)
class Person:
    """The fields of a person's page. `hash` is the SHA-256 of the person's token, in hexadecimal digits."""

    role: str
    hash: str


def person_page(name: str) -> str:
    return f"person:{name}"


def decode_person(fields: Mapping[str, str]) -> Person | None:
    """Return the person that a page holds. Return None for an empty page and for a person who was revoked."""
    return Person(fields["role"], fields["hash"]) if "role" in fields else None


def unknown_person(name: str) -> Unknown:
    return Unknown(
        "person_unknown",
        f"There is no person {name} at this replica. Check the name. If the person was added at another replica, try"
        " again later: writes need some time to arrive.",
        name=name,
    )
