"""The toy application (toy.lua) for tests of the engine, and functions that make its drafts, writes and payloads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bayou.application import LuaApplication
from bayou.payloads import Item, Selection
from bayou.write import Draft, Write
from storage.scripts import rules_by_tag

Slot = tuple[str, str]

_LUA = Path(__file__).with_name("toy.lua")
# Global names of Lua that an application must not see.
FORBIDDEN = re.findall(r"return (?!type\b)([\w.]+) end,$", _LUA.read_text(encoding="utf-8"), re.MULTILINE)

TOY = LuaApplication(
    name="toy",
    version=1,
    lua=_LUA,
)
RULES = rules_by_tag([TOY])


def draft(op: str, request: str, pages: Sequence[str], user: str = "vish", **args: Any) -> Draft:
    """Return a draft of the toy application."""
    return Draft(
        app="toy/1",
        op=op,
        check="",
        merge="",
        args=args,
        pages=tuple(pages),
        user=user,
        request=request,
        accepted_at="2026-12-01T08:00:00+00:00",
    )


def take(request: str, *slots: Slot, user: str = "vish") -> Draft:
    """Return a draft that takes the first free slot of `slots`. Each slot is (page, field)."""
    pages = dict.fromkeys([*(page for page, _ in slots), f"request:{user}/{request}"])
    return draft("take", request, list(pages), user, slots=[list(slot) for slot in slots])


def write_of(wanted: Draft, stamp: int, prev: int, origin: str) -> Write:
    """Return the write that the server `origin` makes from a draft."""
    fields = {name: getattr(wanted, name) for name in Draft.__slots__}
    return Write(**fields, stamp=stamp, prev=prev, origin=origin)


def item(write: Write, csn: int | None = None, *, bare: bool = False) -> Item:
    """Return a write as a session sends it; `bare` leaves out the body."""
    return Item(id=write.id, csn=csn, body=b"" if bare else write.encode())


def batch(*items: Item, after_csn: int = 0, after_id: str = "", history: str = "[]") -> Selection:
    """Return a selection of these items. `after_csn` and `after_id` name the commit before these items."""
    return Selection(after_csn, after_id, items, history)


def only(selection: Selection, *numbers: int) -> Selection:
    """Return a selection with only the items at these positions."""
    return replace(selection, items=tuple(selection.items[number] for number in numbers))
