"""Makes the draft of a write from a manager's request about a person."""

from __future__ import annotations

from datetime import datetime

from apps.api.service import Rules, new_draft
from apps.people.pages import OPERATOR, person_page
from bayou.write import Draft

RULES = Rules("people/1", check="may_manage", merge="keep_first")


def draft_of(actor: str, request: str | None, at: datetime, op: str, name: str, **args: str) -> Draft:
    """Return the draft of the operation `op` (add, role, token or revoke) on the person `name`. `actor` is the user who
    requests the operation. `args` are the other arguments of the operation; see people.lua."""
    pages = {person_page(name)} | ({person_page(actor)} if actor != OPERATOR else set())
    return new_draft(RULES, op, {"name": name, **args}, pages, user=actor, at=at, request=request)
