"""Fixtures and helpers for tests of the calendar web page: one replica, a browser, and the steps of a user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.processes import Processes
from tests.support.browser import Page, browser
from tests.support.live import LABELS, live

ROOMS = [
    {
        "name": "6.12",
        "capacity": 6,
        "features": ["projector"],
        "location": "Floor 6",
        "opens": "08:00",
        "closes": "20:00",
    },
    {"name": "6.13", "capacity": 12, "features": ["projector", "whiteboard"]},
    {"name": "7.01", "capacity": 40, "features": ["video"]},
]
ZONE = "Europe/Brussels"  # UTC+2 in summer
BLOCKS = """
return [...document.querySelectorAll(".block")].map((block) => [
  block.querySelector(".user").textContent, block.querySelector(".time").textContent]).sort()
"""
FOCUSED = """
const node = document.activeElement;
return node.getAttribute('aria-label') || node.name || node.id || node.textContent
"""


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Start replica `one` with the three rooms of ROOMS, and stop it after the last test of the module."""
    settings: dict[str, Any] = {"rooms": ROOMS, "policies": {"longest_h": 80}, "timezone": ZONE}
    with live(tmp_path_factory.mktemp("cluster"), LABELS[:1], **settings) as one:
        yield one


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Start a browser without animations, and close it after the last test of the module."""
    with browser(calm=True) as started:
        yield started


def open_calendar(page: Page, processes: Processes, day: str, more: str = "", user: str = "vish") -> None:
    """Open the calendar web page as the user `user`. Wait until the web page shows the reservations of the day
    `day`."""
    page.open("about:blank")  # a change after the # in the address does not reload a page
    page.open(f"http://{processes.settings.replica('one').rest}/#day={day}{more}")
    page.wait_for(
        "document.querySelector('#calendar').ariaBusy === 'false' && document.querySelector('main > [data-read=true]')"
    )
    page.type("#me", user)


def reserve(processes: Processes, user: str, start: str, end: str, **more: str) -> Any:
    """Reserve room 6.12 for a user over REST, and return the answer. Times look like `2030-06-03T09:00Z`."""
    body = {"room": "6.12", "slots": [{"start": start, "end": end}], **more}
    return processes.rest("one").post("/reservations", body, user=user)


def fill(page: Page, selector: str, value: str) -> None:
    """Set the value of a field by script. To type a date, a test would have to know the language of the browser."""
    page.run(
        "const field = document.querySelector(arguments[0]); field.value = arguments[1];"
        "field.dispatchEvent(new Event('input', { bubbles: true }));",
        selector,
        value,
    )


def unfold(page: Page, title: str) -> None:
    """Open the dialog's section with this title."""
    _click(page, "#details summary", title)


def press(page: Page, text: str) -> None:
    """Click the dialog's button with this text."""
    _click(page, "#details button", text)


def fill_mover(page: Page, start: str, end: str) -> None:
    """Click `Move …` in the dialog of a reservation, and fill in the new times. The form is not sent yet. The button
    `.mover .main` sends the form."""
    page.wait_for_text("#details", "Move …")
    press(page, "Move …")
    fill(page, ".mover [type=time]", start)
    fill(page, ".mover label:nth-of-type(4) input", end)


def cell(day: str, time: str, room: str = "6.12") -> str:
    """Return the CSS selector of the calendar cell of a room at a day and time."""
    return f'[data-room="{room}"][data-day="{day}"][data-time="{time}"]'


def _click(page: Page, selector: str, text: str) -> None:
    page.run(
        "[...document.querySelectorAll(arguments[0])].find((each) => each.textContent === arguments[1]).click()",
        selector,
        text,
    )
