"""From what a manager asks about a person to the draft of a write."""

from __future__ import annotations

from datetime import UTC, datetime

from apps.people.pages import OPERATOR, person_page
from bayou.write import Draft

APP = "people/1"


def draft_of(actor: str, request: str, at: datetime, op: str, name: str, **args: str) -> Draft:
    """`actor` wants `op` (add, role, token, revoke) for the person `name`; `args` are those of people.lua."""
    pages = {person_page(name)} | ({person_page(actor)} if actor != OPERATOR else set())
    return Draft(
        app=APP,
        op=op,
        check="may_manage",
        merge="keep_first",
        args={"name": name, **args},
        pages=tuple(sorted(pages)),
        user=actor,
        request=request,
        accepted_at=at.astimezone(UTC).isoformat(timespec="milliseconds"),
    )
