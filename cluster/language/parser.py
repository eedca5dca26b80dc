"""The parser of the scenario language: turns a line of a script into a command, or raises Complaint.

It checks the syntax of words, times, offsets and reservations. cluster/language/runner.py checks whether a command is
possible at this point of the script.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

COMMENT = ("#", "//")  # how a line that is a comment begins
USAGES: dict[str, tuple[str, int, int]] = {  # command -> arguments, least and greatest number of words
    "joinServer": ("ID", 1, 1),
    "retireServer": ("ID", 1, 1),
    "joinClient": ("CLIENT SERVER", 2, 2),
    "breakConnection": ("A B", 2, 2),
    "restoreConnection": ("A B", 2, 2),
    "pause": ("", 0, 0),
    "start": ("", 0, 0),
    "stabilize": ("", 0, 0),
    "printLog": ("ID", 1, 1),
    "put": ("CLIENT SONG URL", 3, 3),
    "delete": ("CLIENT SONG", 2, 2),
    "get": ("CLIENT SONG", 2, 2),
    "reserve": ("CLIENT ROOM WHEN [or WHEN]… [merge NAME] [for PURPOSE]", 3, 1000),
    "cancel": ("CLIENT NAME", 2, 2),
    "status": ("CLIENT NAME", 2, 2),
    "define": ("CLIENT FILE", 2, 2),
    "write": ("CLIENT FILE [NAME=VALUE]…", 2, 1000),
    "read": ("CLIENT QUERY", 2, 1000),
    "conflicts": ("CLIENT RELATION", 2, 2),
    "calendar": ("SERVER ROOM DATE [committed]", 3, 4),
    "printVectors": ("ID", 1, 1),
    "truncate": ("ID N", 2, 2),
    "export": ("ID FILE [from ID]", 2, 4),
    "import": ("ID FILE", 2, 2),
    "crash": ("ID", 1, 1),
    "recover": ("ID", 1, 1),
    "copyFolder": ("ID", 1, 1),
    "putBack": ("ID", 1, 1),
    "promote": ("ID [force]", 1, 2),
    "commit": ("ID", 1, 1),
    "clock": ("ID OFFSET", 2, 2),
    "expect": ("LINE", 1, 1000),
}
MERGES = ("first_free_alternative", "nearest_free_time", "another_room", "give_up")
UNITS_US = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
OFFSET_US_MAX = 1000 * UNITS_US["d"]
KEPT_MAX = 1_000_000_000

_SLOT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)/(?:(\d{4}-\d\d-\d\d)T)?(\d\d:\d\d)", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{1,9})(ms|s|m|h|d)", re.ASCII)
_MINUTE = timedelta(minutes=1)


class Complaint(Exception):
    """A line was skipped and has changed nothing. The message tells the author of the script why."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `text` is the rest of the line after the name, as written, without blanks at the ends."""

    name: str
    words: tuple[str, ...]
    text: str

    def usage(self) -> Complaint:
        """Return the complaint about a malformed command. It shows how to use the command."""
        return Complaint(f"usage: {self.name} {USAGES[self.name][0]}".rstrip())


@dataclass(frozen=True, slots=True)
class Slot:
    """The time from `start` to `end`, in UTC and whole minutes. `end` itself is not part of the slot."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT}{self.hours(self.start.date())}"

    def hours(self, day: date) -> str:
        """Return the slot as text, such as `09:00/10:00`. The start includes its date if it is not on `day`. The end
        includes its date if it is not on the day of the start. Midnight at the end of this day is `24:00`."""
        if self.end.date() == self.start.date() + timedelta(days=1) and f"{self.end:%H:%M}" == "00:00":
            return f"{_time(self.start, day)}/24:00"
        return f"{_time(self.start, day)}/{_time(self.end, self.start.date())}"


@dataclass(frozen=True, slots=True)
class ReserveRequest:
    """The parts of a `reserve` command; `slots` are in order of preference."""

    client: str
    room: str
    slots: tuple[Slot, ...]
    merge: str
    purpose: str


def read_line(line: str) -> Command | None:
    """Parse a line and return the command. Return None for a blank line or a comment. Raise Complaint if the line is
    malformed."""
    name, *words = line.split() or [""]
    if not name or name.startswith(COMMENT):
        return None
    if name not in USAGES:
        close = difflib.get_close_matches(name, USAGES, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise Complaint(f"there is no command {name}.{hint}")
    command = Command(name, tuple(words), line.strip()[len(name) :].strip())
    _, least, most = USAGES[name]
    if not least <= len(words) <= most:
        raise command.usage()
    return command


def read_reserve(command: Command) -> ReserveRequest:
    """Parse the parameters of a `reserve`. Raise Complaint if they are malformed."""
    client, room, first, *rest = command.words
    slots = [read_slot(first)]
    while rest[:1] == ["or"]:
        if len(rest) < 2:
            raise command.usage()
        slots.append(read_slot(rest[1]))
        rest = rest[2:]
    merge = MERGES[0]
    if rest[:1] == ["merge"]:
        if len(rest) < 2:
            raise command.usage()
        merge, rest = rest[1], rest[2:]
        if merge not in MERGES:
            raise Complaint(f"there is no merge procedure {merge}; use one of {', '.join(MERGES)}")
    purpose = rest[1:] if rest[:1] == ["for"] else []
    if rest and not purpose:
        raise command.usage()
    return ReserveRequest(client, room, tuple(slots), merge, " ".join(purpose))


def read_slot(text: str) -> Slot:
    """Parse a WHEN such as `2026-12-01T09:00/10:00`. The end may have its own date. Raise Complaint if `text` is
    malformed."""
    form = _SLOT.fullmatch(text)
    if form is None:
        raise Complaint(f"{text} is not a time; write it like 2026-12-01T09:00/10:00 (UTC)")
    day, start, last_day, end = form.groups()
    slot = Slot(_moment(day, start, text), _moment(last_day or day, end, text))
    if slot.end <= slot.start:
        raise Complaint(f"{text} ends before it begins; over midnight, write 2026-12-01T23:00/2026-12-02T01:00")
    return slot


def read_date(text: str) -> date:
    """Parse a DATE such as 2026-12-01. Raise Complaint if it is malformed."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise Complaint(f"{text} is not a date; write it like 2026-12-01")


def read_offset(text: str) -> int:
    """Parse an OFFSET such as `+2h`, `-30m` or `0`. Return microseconds. Raise Complaint if it is malformed."""
    if text == "0":
        return 0
    form = _OFFSET.fullmatch(text)
    offset_us = int(form[1] + form[2]) * UNITS_US[form[3]] if form else OFFSET_US_MAX + 1
    if abs(offset_us) > OFFSET_US_MAX:
        raise Complaint(
            f"{text} is not an offset; write it like +2h or -30m (units {', '.join(UNITS_US)}; at most 1000 days)"
        )
    return offset_us


def read_count(text: str) -> int:
    """Parse a number of writes, 0 or more. Raise Complaint if it is malformed."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(KEPT_MAX)) or int(text) > KEPT_MAX:
        raise Complaint(
            f"{text} cannot be used as the number of writes to keep; give a whole number from 0 to {KEPT_MAX}"
        )
    return int(text)


def _moment(day: str, clock: str, text: str) -> datetime:
    """Parse a day and a time of day. The time 24:00 is midnight at the end of the day. Raise Complaint if there is no
    such time. The message shows `text`."""
    try:
        if clock == "24:00":
            return datetime.fromisoformat(f"{day}T23:59").replace(tzinfo=UTC) + _MINUTE
        return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Complaint(f"{text} is not a time: there is no {day}T{clock}") from None


def _time(moment: datetime, day: date) -> str:
    return f"{moment:%H:%M}" if moment.date() == day else f"{moment:%Y-%m-%dT%H:%M}"
