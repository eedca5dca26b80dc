"""The calendar page in a real browser at one replica. The page waits ten seconds before it sends a cancel.

During this time, the user can undo the cancel.
"""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from cluster.processes import Processes
from tests.support.booking_page import BLOCKS, cell, open_calendar, page, press, processes, reserve
from tests.support.browser import Page
from tests.support.waiting import wait_until

__all__ = ["page", "processes"]  # fixtures

pytestmark = pytest.mark.browser

# Keeps a function that would run in ten seconds. A test then runs the function at once.
HOLD = """
const set = window.setTimeout;
window.setTimeout = (run, ms, ...more) => (ms === 10000 ? (window.runHeld = run, 0) : set(run, ms, ...more));
"""


def state_of(processes: Processes, identifier: str) -> str:
    return str(processes.rest("one").get(f"/reservations/{identifier}")["state"])


def cancel(page: Page, processes: Processes, day: str, request: str) -> None:
    """Let vish reserve 6.12 at 9:00 on this day, and cancel the reservation on the web page."""
    reserve(processes, "vish", f"{day}T07:00Z", f"{day}T08:00Z", request=request)
    open_calendar(page, processes, day)
    page.run(HOLD)
    wait_until(lambda: page.run(BLOCKS) == [["vish", "09:00–10:00"]])
    page.click(".block")
    page.wait_for_text("#details", "Cancel this reservation")
    press(page, "Cancel this reservation")
    page.wait_for_text("#undo", "Cancelled 6.12,")
    assert page.run(BLOCKS) == []
    assert state_of(processes, f"vish/{request}") == "committed"


def test_a_cancel_is_undone(page: Page, processes: Processes) -> None:
    cancel(page, processes, "2030-06-03", "u1")
    page.wait_for("!document.querySelector('#mine [data-id=\"vish/u1\"]')")
    page.click("#undo button")
    assert page.run(BLOCKS) == [["vish", "09:00–10:00"]]
    page.wait_for("document.querySelector('#mine [data-id=\"vish/u1\"]')")
    assert page.text("#undo") == ""
    page.click(".block")
    page.wait_for_text("#details", "Cancel this reservation")
    press(page, "Cancel this reservation")
    page.press("z", holding=Keys.CONTROL)
    assert page.run(BLOCKS) == [["vish", "09:00–10:00"]]
    assert state_of(processes, "vish/u1") == "committed"
    assert page.problems() == []


def test_a_cancel_is_sent_after_ten_seconds(page: Page, processes: Processes) -> None:
    cancel(page, processes, "2030-06-04", "u2")
    page.run("window.runHeld()")
    wait_until(lambda: state_of(processes, "vish/u2") == "cancelled")
    assert page.text("#undo") == ""
    assert page.run(BLOCKS) == []
    assert page.problems() == []


@pytest.mark.parametrize("leave", ["location.assign('/cluster')", "location.reload()"])
def test_a_cancel_is_sent_when_the_page_is_left(page: Page, processes: Processes, leave: str) -> None:
    request = f"u3-{len(leave)}"
    cancel(page, processes, "2030-06-05", request)
    page.run(leave)
    wait_until(lambda: state_of(processes, f"vish/{request}") == "cancelled")


def test_a_cancel_is_sent_before_the_next_change(page: Page, processes: Processes) -> None:
    day = "2030-06-06"
    cancel(page, processes, day, "u4")
    page.click(cell(day, "09:00"))  # its slot counts as free
    page.click("#form .main")
    page.wait_for_text("#answer", "Reserved 6.12, Thu 6 Jun 09:00–10:00.")
    assert state_of(processes, "vish/u4") == "cancelled"
    assert page.run(BLOCKS) == [["vish", "09:00–10:00"]]
    assert page.problems() == []


def test_a_cancel_that_gets_no_answer_is_tried_again(page: Page, processes: Processes) -> None:
    cancel(page, processes, "2030-06-07", "u5")
    page.run(
        "window.real = window.fetch; window.fetch = (url, options) => options.method === 'DELETE'"
        " ? Promise.reject(new TypeError('no network')) : real(url, options); window.runHeld()"
    )
    page.wait_for_text("#undo", "Not cancelled: 6.12, Fri 7 Jun 09:00–10:00. The replica does not answer.")
    wait_until(lambda: page.run(BLOCKS) == [["vish", "09:00–10:00"]])
    page.run("window.fetch = window.real")
    page.click("#undo button")
    wait_until(lambda: state_of(processes, "vish/u5") == "cancelled")
    wait_until(lambda: page.run(BLOCKS) == [])
    assert page.text("#undo") == ""
