"""Finds the room of the building that is named by the location of an event."""

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

    known    room -> opening and closing time, counted from midnight; None for a room without opening hours
    renamed  name in the file -> room of the replica, as the user wrote with --map
    """

    known: Mapping[str, tuple[timedelta, timedelta] | None] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rooms: Sequence[Json], renamed: Sequence[str]) -> Rooms:
        """Make the rooms from the answer of GET /rooms and the values of --map. Raise Usage if a value is invalid."""
        return cls({str(room["name"]): _hours(room) for room in rooms}, dict(_pair(text) for text in renamed))

    def find(self, names: Sequence[str]) -> str:
        """Return the first known room in a list of names. If no name is a known room, return the first name.

        Names in `renamed` are replaced first.
        """
        meant = [self.renamed.get(name, name) for name in map(_joined, names)]
        return next((name for name in meant if self.is_known(name)), meant[0])

    def is_known(self, name: str) -> bool:
        """Return whether a name is a known room, or several known rooms such as 6.12+6.14."""
        return all(room in self.known for room in name.split("+"))

    def hours(self, name: str) -> tuple[timedelta, timedelta] | None:
        """Return the opening hours of a room. For several rooms, return the time in which all of them are open. Return
        None if no room has opening hours."""
        found = [hours for room in name.split("+") if (hours := self.known.get(room))]
        return (max(opens for opens, _ in found), min(closes for _, closes in found)) if found else None

    def nearest(self, name: str) -> str | None:
        """Return the known room that an unknown name most probably means; None if no room is similar."""
        folded = {known.casefold(): known for known in self.known}
        contained = [known for known in folded if re.search(rf"(?<!\w){re.escape(known)}(?!\w)", name.casefold())]
        close = [max(contained, key=len)] if contained else get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
        return folded[close[0]] if close else None


def _joined(name: str) -> str:
    """Return a name of several rooms as replicas write it, without blanks around the +."""
    return re.sub(r" *\+ *", "+", name)


def _pair(text: str) -> tuple[str, str]:
    name, sign, room = text.rpartition("=")
    if not sign or not room_name(name) or not room_name(room):
        raise Usage(f"--map {text!r} cannot be read. Write it as --map 'Room 6.12 (Building A)=6.12'.")
    return _joined(room_name(name)), _joined(room_name(room))


def _hours(room: Json) -> tuple[timedelta, timedelta] | None:
    if not room.get("opens") or not room.get("closes"):
        return None
    opens, closes = (
        timedelta(hours=int(text[:2]), minutes=int(text[3:])) for text in (str(room["opens"]), str(room["closes"]))
    )
    return opens, closes
