"""For tests of the calendar page at one replica: the replica, a browser, and what a person does on the page."""

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
ZONE = "Europe/Brussels"  # two hours before UTC in summer
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
    settings: dict[str, Any] = {"rooms": ROOMS, "policies": {"longest_h": 8}, "timezone": ZONE}
    with live(tmp_path_factory.mktemp("cluster"), LABELS[:1], **settings) as one:
        yield one


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("browser"), calm=True) as opened_one:
        yield opened_one


def opened(page: Page, processes: Processes, day: str, more: str = "", user: str = "vish") -> None:
    page.open("about:blank")  # another address after # alone would not load the page again
    page.open(f"http://{processes.settings.replica('one').rest}/#day={day}{more}")
    page.wait_for('document.querySelector(\'#calendar[aria-busy="false"][data-read="true"]\')')
    page.type("#me", user)


def reserve(processes: Processes, user: str, start: str, end: str, **more: str) -> Any:
    """Reserve 6.12; times are in UTC, such as `2030-06-03T09:00Z`."""
    asked = {"room": "6.12", "slots": [{"start": start, "end": end}], **more}
    return processes.rest("one").post("/reservations", asked, user=user)


def fill(page: Page, selector: str, value: str) -> None:
    """Set a field as its picker would; how a date is typed depends on the browser's language."""
    page.run(
        "const field = document.querySelector(arguments[0]); field.value = arguments[1];"
        "field.dispatchEvent(new Event('input', { bubbles: true }));",
        selector,
        value,
    )


def unfold(page: Page, title: str) -> None:
    _click(page, "#details summary", title)


def press(page: Page, text: str) -> None:
    """Click the button of the dialog with this text."""
    _click(page, "#details button", text)


def cell(day: str, time: str, room: str = "6.12") -> str:
    return f'[data-room="{room}"][data-day="{day}"][data-time="{time}"]'


def _click(page: Page, selector: str, text: str) -> None:
    page.run(
        "[...document.querySelectorAll(arguments[0])].find((each) => each.textContent === arguments[1]).click()",
        selector,
        text,
    )
