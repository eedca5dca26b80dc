"""Who makes the present request, once replica/security.py has found out."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g


@dataclass(frozen=True, slots=True)
class Asking:
    """`name` is None where nobody was asked who it is."""

    name: str | None
    role: str


def note_asking(asking: Asking) -> None:
    g.asking = asking


def present_asking() -> Asking:
    found: Asking = g.asking
    return found
