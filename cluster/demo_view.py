"""Prints the demo: steps, requests, and the calendars of all replicas side by side, within 80 columns.

This module takes calendars as JSON from REST answers. It sends no requests itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from termcolor import can_colorize, colored

from replica.events.console import Console
from replica.events.marks import MARKS, paint

COLUMN = 18
MARGIN = "   "
SHOWN = ("tentative", "committed")


@dataclass(frozen=True)
class Entry:
    """One reservation of a calendar."""

    hour: int
    user: str
    state: str


Calendars = Mapping[str, Sequence[Entry]]  # label -> reservations in order of time


def entries(calendar: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Return the reservations in an answer to `GET /rooms/ROOM/calendar`."""
    return tuple(
        Entry(datetime.fromisoformat(found["start"]).hour, found["user"], found["state"])
        for found in calendar["reservations"]
    )


class DemoView:
    """Prints the demo. The demo is in colour if termcolor finds that the output supports colour."""

    def __init__(self, labels: Sequence[str], room: str, hours: Sequence[int]) -> None:
        self._labels = labels
        self._room = room
        self._hours = hours
        self._console = Console("", labels, "UTC", print, can_colorize())
        self._step = 0

    def opening(self, primary: str) -> None:
        names = ", ".join(map(self.name, self._labels))
        print(f"{bold('Bayou')}: three replicas of one calendar, {names}; the primary is {self.name(primary)}.")
        print(f"Each shows what it holds: {'  '.join(f'{_mark(state)} {state}' for state in SHOWN)}")

    def step(self, text: str) -> None:
        self._step += 1
        print(f"\n{bold(f'{self._step}.')} {text}")

    def links(self, links: Mapping[tuple[str, str], str]) -> None:
        """Print the links. `links` maps each pair of replicas to `up` or `cut`."""
        signs = {"up": colored("──", "green"), "cut": colored("╳", "red")}
        shown = (f"{self.name(one)} {signs[state]} {self.name(other)}" for (one, other), state in links.items())
        print(f"{MARGIN}{'links':<8}{'     '.join(shown)}")

    def asked(self, user: str, label: str, wish: str, got: Entry) -> None:
        print(f"{MARGIN}{user:<7} at {self._padded(label, 5)} asks for {wish:<19}  →  {_mark(got.state)} {got.hour}:00")

    def calendars(self, held: Calendars) -> None:
        """Print the calendars, a column for each replica and a line for each hour."""
        print(f"\n{MARGIN}{self._room:<8}" + "".join(self._padded(label, COLUMN) for label in self._labels).rstrip())
        for hour in self._hours:
            cells = "".join(self._cell(held[label], hour) for label in self._labels)
            print(f"{MARGIN}{f'{hour}:00':>5}   {cells}".rstrip())

    def agreement(self, replicas: int, committed: int) -> None:
        print(f"\n{colored(f'{replicas} replicas agree: {committed} committed, 0 tentative', 'green', attrs=['bold'])}")

    def name(self, label: str) -> str:
        return self._console.name(label)

    def _padded(self, label: str, width: int) -> str:
        return self.name(label) + " " * (width - len(label))

    def _cell(self, held: Sequence[Entry], hour: int) -> str:
        found = [entry for entry in held if entry.hour == hour]
        if not found:
            return colored("·", attrs=["dark"]) + " " * (COLUMN - 1)
        return ", ".join(f"{_mark(entry.state)} {entry.user}" for entry in found) + " " * (
            COLUMN - sum(len(entry.user) + 2 for entry in found) - 2 * (len(found) - 1)
        )


def bold(text: str) -> str:
    return colored(text, attrs=["bold"])


def _mark(state: str) -> str:
    return paint(*MARKS[state])
