"""Reads the bytes of a calendar file into components.

A part that cannot be read is left out. If one line is bad, only this line is left out. If the file ends in the middle
of an event, this event is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from icalendar.parser import Contentline

from cli.output.screen import clean, shorten
from cli.problems import Problem

_FOLD = re.compile(rb"(?:\r\n|\r|\n)[ \t]")
_LINE_END = re.compile(rb"\r\n|\r|\n")
# A TZID with a colon that is not quoted, as Outlook writes it.
_BARE_ZONE = re.compile(r"(?i)([A-Z-]+(?:;[^\":]*)?;TZID=)([^\";]*:[^\";]*)((?:;VALUE=[A-Z-]+)?:[^:\"]*)")
_ENTRIES = {"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE"}  # they stand in a calendar, never in each other
# What Windows-1252 text has beyond ASCII. Text in another encoding has other characters there, or long runs of these.
_WESTERN = set("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüÿŒœ‘’“”„–—…•€£§°²³©®™«»·´¿¡ªº½\xa0")
_FOREIGN_RUN = re.compile(r"[^\W\d_a-zA-Z]{3}")


@dataclass
class Property:
    r"""A line of a component. All names are in capitals. The value has no escapes: a `\,` in the file becomes `,`."""

    name: str
    params: dict[str, str]
    value: str


@dataclass
class Component:
    """A component of a calendar. `unreadable` has the lines that could not be read."""

    name: str
    properties: list[Property] = field(default_factory=list)
    children: list[Component] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def all(self, name: str) -> list[Property]:
        return [one for one in self.properties if one.name == name]

    def text(self, name: str) -> str:
        """Return the first value of a property. Return an empty text if there is none."""
        return next((one.value.strip() for one in self.properties if one.name == name), "")

    def children_named(self, name: str) -> list[Component]:
        return [one for one in self.children if one.name == name]


@dataclass
class Content:
    """The calendars of a file. `damage` has a sentence for each part that could not be read. `remarks` has a sentence
    for each point that the user should check."""

    calendars: list[Component] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def read_content(content: bytes) -> Content:
    """Read a calendar file. Raise Problem if it is not a calendar file, or is text in an unknown encoding."""
    tree = _Tree()
    for line in _lines(content, tree.found):
        tree.add(line)
    tree.end()
    if not tree.found.calendars:
        raise Problem("bad_calendar", "This is not a calendar file: it has no BEGIN:VCALENDAR. Give an .ics file.")
    return tree.found


class _Tree:
    """Builds the components from the lines. `_open` has the components whose END line is still to come. Each component
    in `_open` contains the next component."""

    def __init__(self) -> None:
        self.found = Content()
        self._open: list[Component] = []

    def add(self, line: str) -> None:
        try:
            name, params, value = Contentline(_BARE_ZONE.sub(r'\1"\2"\3', line, count=1)).parts()  # type: ignore[no-untyped-call]
        except ValueError:
            self._unreadable(line)
            return
        name, kind = name.upper(), value.strip().upper()
        if name == "BEGIN":
            self._begin(kind)
        elif name == "END":
            self._end(kind, line)
        elif self._open:
            texts = {
                key.upper(): one if isinstance(one, str) else ",".join(map(str, one)) for key, one in params.items()
            }
            self._open[-1].properties.append(Property(name, texts, value))
        else:
            self._unreadable(line)

    def end(self) -> None:
        """Add a sentence to `damage` if the file ends before the END line of a component."""
        if self._open:
            self.found.damage.append(f"the file is cut off: it ends before END:{self._open[0].name}")
            self._close(0)

    def _begin(self, kind: str) -> None:
        if kind == "VCALENDAR":
            if self._open:
                self.found.damage.append("a calendar begins before END:VCALENDAR of the one before it")
                self._close(0)
            self._open.append(Component(kind))
            self.found.calendars.append(self._open[0])
            return
        if kind in _ENTRIES:
            if not self._open:
                self.found.damage.append(f"{kind} stands outside of BEGIN:VCALENDAR")
                self._begin("VCALENDAR")
            self._close(1)
        self._open.append(Component(kind))

    def _end(self, kind: str, line: str) -> None:
        at = next((at for at in reversed(range(len(self._open))) if self._open[at].name == kind), None)
        if at is None:
            self._unreadable(line)
            return
        self._close(at + 1)
        ended = self._open.pop()
        if self._open:
            self._open[-1].children.append(ended)

    def _close(self, depth: int) -> None:
        """Remove the components of `_open` from index `depth` on. These components have no END line.

        An entry of the calendar, such as an event, is left out, because the entry may not be complete. A component of
        an entry, such as an alarm, becomes an unreadable line of the entry.
        """
        while len(self._open) > depth:
            left = self._open.pop()
            if left.name == "VCALENDAR":
                continue
            if left.name in _ENTRIES:
                title = left.text("SUMMARY") or left.text("UID") or left.text("TZID") or "without a title"
                self.found.damage.append(f"{left.name} {_shown(title)} has no END:{left.name}; it was left out")
            elif self._open:
                self._open[-1].unreadable.append(f"BEGIN:{left.name} without END:{left.name}")

    def _unreadable(self, line: str) -> None:
        if not line.strip("\x00\x1a \t"):
            return
        entry = next((one for one in self._open if one.name in _ENTRIES), None)
        if entry is None:
            self.found.damage.append(f"the line {_shown(line)!r} cannot be read")
        elif entry is self._open[-1] and not line.upper().startswith("X-"):
            entry.unreadable.append(_shown(line))


def _lines(content: bytes, found: Content) -> list[str]:
    """Return the lines of a file, unfolded and decoded. Raise Problem if the encoding is unknown."""
    folded = _utf8(content)
    lines = [line for line in _LINE_END.split(_FOLD.sub(b"", folded)) if line]
    beyond_ascii = [line for line in lines if not line.isascii()]
    bad = [line for line in beyond_ascii if not _is_utf8(line)]
    if not bad:
        return [line.decode() for line in lines]
    if len(bad) < len(beyond_ascii):  # UTF-8 with damaged lines
        for line in bad:
            found.damage.append(f"the line '{_shown(line.decode('ascii', 'backslashreplace'))}' is not UTF-8")
        return [line.decode() for line in lines if line not in set(bad)]
    text = _western(b"\n".join(bad))
    if text is None:
        raise Problem("bad_charset", "This file is not UTF-8, and its encoding is not known. Save it as UTF-8.")
    found.remarks.append("the file is not UTF-8; it was read as Windows-1252")
    return [line.decode("cp1252") for line in lines]


def _utf8(content: bytes) -> bytes:
    """Convert UTF-16 and UTF-32 to UTF-8. Content in any other encoding does not change, but a byte order mark of UTF-8
    is removed."""
    if content.startswith(b"\xef\xbb\xbf"):
        return content[3:]
    head = content[:64]
    encoding = None
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        encoding = "utf-32"
    elif head.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif head.count(0) * 3 > len(head):
        encoding = "utf-16-be" if head.startswith(b"\0") else "utf-16-le"
    if encoding is None:
        return content
    width = 4 if encoding == "utf-32" else 2
    try:
        return content[: len(content) // width * width].decode(encoding).encode()
    except UnicodeError:
        raise Problem(
            "bad_charset", f"This file looks like {encoding.upper()}, but cannot be decoded. Save it as UTF-8."
        ) from None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _western(content: bytes) -> str | None:
    """Decode the content as Windows-1252, which includes Latin-1. Return None if the result does not look like a
    Western language."""
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        return None
    plausible = {sign for sign in text if not sign.isascii()} <= _WESTERN and not _FOREIGN_RUN.search(text)
    return text if plausible else None


def _shown(text: str) -> str:
    return shorten(clean(text).strip(), 60)
