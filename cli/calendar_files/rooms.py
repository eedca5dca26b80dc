"""Finds the room that an event names among the rooms of the replica."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches

from cli.calendar_files.events import room_name
from cli.problems import Usage
from cli.rest import Json


@dataclass(frozen=True)
class Rooms:
    """The rooms of a replica.

    known    each room with its opening hours, as times after midnight; None if it has none
    renamed  texts of the file and the rooms that they mean (--map)
    """

    known: Mapping[str, tuple[timedelta, timedelta] | None] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rooms: Sequence[Json], renamed: Sequence[str]) -> Rooms:
        """Return the rooms of GET /rooms. Raise Usage if a --map is invalid."""
        return cls(
            {str(room["name"]): _hours(room) for room in rooms},
            dict(_pair(text) for text in renamed),
        )

    def find(self, names: Sequence[str]) -> str:
        """Return the first of the names that is a known room. If none is, return the first name."""
        meant = [self.renamed.get(name, name) for name in names]
        return next((name for name in meant if name in self.known), meant[0])

    def hours(self, room: str) -> tuple[timedelta, timedelta] | None:
        return self.known.get(room)

    def nearest(self, name: str) -> str | None:
        """Return the known room that an unknown name most probably means; None if no room is similar."""
        folded = {known.casefold(): known for known in self.known}
        contained = [known for known in folded if re.search(rf"(?<!\w){re.escape(known)}(?!\w)", name.casefold())]
        close = [max(contained, key=len)] if contained else get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
        return folded[close[0]] if close else None


def _pair(text: str) -> tuple[str, str]:
    name, sign, room = text.rpartition("=")
    if not sign or not room_name(name) or not room_name(room):
        raise Usage(f"--map {text!r} cannot be read. Write it as --map 'Room 6.12 (Building A)=6.12'.")
    return room_name(name), room_name(room)


def _hours(room: Json) -> tuple[timedelta, timedelta] | None:
    if not room.get("opens") or not room.get("closes"):
        return None
    opens, closes = (
        timedelta(hours=int(text[:2]), minutes=int(text[3:])) for text in (str(room["opens"]), str(room["closes"]))
    )
    return opens, closes
