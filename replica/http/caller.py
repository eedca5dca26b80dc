"""Who makes the present request, once replica/http/auth.py has found out."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g


@dataclass(frozen=True, slots=True)
class Asking:
    """`name` is None where nobody was asked who it is."""

    name: str | None
    role: str


def present_asking() -> Asking:
    asking: Asking = g.asking
    return asking
