"""Makes the draft of a write from what a manager asks about a person."""

from __future__ import annotations

from datetime import datetime

from apps.api.service import Rules, new_draft
from apps.people.pages import OPERATOR, person_page
from bayou.write import Draft

RULES = Rules("people/1", check="may_manage", merge="keep_first")


def draft_of(actor: str, request: str | None, at: datetime, op: str, name: str, **args: str) -> Draft:
    """The draft of a write with which `actor` asks for `op` (add, role, token, revoke) on the person `name`; `args` are
    those of people.lua."""
    pages = {person_page(name)} | ({person_page(actor)} if actor != OPERATOR else set())
    return new_draft(RULES, op, {"name": name, **args}, pages, user=actor, at=at, request=request)
