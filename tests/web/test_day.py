"""The calendar page in a real browser at one replica: keyboard, names, weeks, clock changes, a phone."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from cluster.processes import Processes
from tests.support.booking_page import BLOCKS, FOCUSED, cell, open_calendar, page, processes, reserve
from tests.support.browser import Page
from tests.support.waiting import wait_until

__all__ = ["page", "processes"]  # fixtures

pytestmark = pytest.mark.browser

CHOICES = "return [...document.querySelectorAll('.choice')].map((choice) => choice.textContent)"


def test_by_keyboard_alone(page: Page, processes: Processes) -> None:
    day = "2030-06-03"
    reserve(processes, "neil", f"{day}T07:00Z", f"{day}T08:00Z", purpose="interview")
    open_calendar(page, processes, day)
    wait_until(lambda: len(page.run(BLOCKS)) == 1)
    assert page.run("return document.querySelectorAll('#calendar [tabindex=\"0\"]').length") == 1
    page.run("document.querySelector('#calendar [tabindex=\"0\"]').focus()")
    assert page.run(FOCUSED) == "6.12 07:30: free, outside opening hours"
    page.press(Keys.HOME, *[Keys.ARROW_DOWN] * 3)
    assert page.run(FOCUSED) == "6.12 09:00: ✓ neil, interview, final"
    page.press(Keys.ENTER)
    page.wait_for_text("#details", "interview")
    assert "Cancel" not in page.text("#details")
    assert page.run(FOCUSED) == "Close"
    page.press(Keys.ESCAPE)
    assert page.run(FOCUSED) == "6.12 09:00: ✓ neil, interview, final"
    page.press(*[Keys.ARROW_DOWN] * 2)
    assert page.run(FOCUSED) == "6.12 10:00: free"
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, holding=Keys.SHIFT)
    page.press(Keys.ENTER)
    assert page.run(CHOICES) == ["110:00–11:30"]
    page.press(Keys.PAGE_DOWN, Keys.ENTER)
    assert page.run(CHOICES) == ["110:00–11:30", "213:00–14:00"]
    assert page.run(FOCUSED) == "6.12 13:00: chosen as 2"
    page.press(Keys.ARROW_RIGHT, Keys.ENTER)
    page.wait_for_text("#answer", "Other rooms are tried only at your first choice, 10:00–11:30.")
    page.run("document.getElementById('purpose').focus()")
    page.press("review", Keys.ENTER)
    wait_until(lambda: ["vish", "10:00–11:30"] in page.run(BLOCKS))


def test_an_own_reservation_is_opened_from_the_list_and_cancelled(page: Page, processes: Processes) -> None:
    day = "2030-06-10"
    reserve(processes, "vish", f"{day}T07:00Z", f"{day}T08:00Z", request="c1", purpose="retro")
    open_calendar(page, processes, day)
    wait_until(lambda: len(page.run(BLOCKS)) == 1)
    page.wait_for("document.querySelector('#mine [data-open=\"vish/c1\"]')")
    page.click('#mine [data-open="vish/c1"]')
    page.wait_for_text("#details .danger", "Cancel this reservation")
    page.click("#details .danger")
    wait_until(lambda: page.run(BLOCKS) == [])
    open_calendar(page, processes, day)  # the cancel was held back
    wait_until(lambda: processes.rest("one").get("/reservations/vish/c1")["state"] == "cancelled")


def test_a_name_is_asked_for_and_kept(page: Page, processes: Processes) -> None:
    day = "2030-06-11"
    open_calendar(page, processes, day, user="")
    page.click(cell(day, "09:00"))
    page.click("#form .main")
    page.wait_for_text("#me-wrong", "Please say who you are first.")
    assert page.run("return document.activeElement.id") == "me"
    page.press("two words")
    page.wait_for_text("#me-wrong", "A name has letters, digits")
    page.type("#me", "priyal")
    page.click("#form .main")
    wait_until(lambda: page.run(BLOCKS) == [["priyal", "09:00–10:00"]])
    page.driver.refresh()
    page.wait_for("document.getElementById('me').value === 'priyal'")


def test_the_week_of_a_room_in_its_time_zone(page: Page, processes: Processes) -> None:
    reserve(processes, "neil", "2030-06-19T09:00Z", "2030-06-19T10:00Z")
    open_calendar(page, processes, "2030-06-19", "&view=week&room=6.12")
    assert page.text("#title") == "6.12: Mon 17 Jun – Sun 23 Jun 2030"
    assert page.text("#facts") == "6 seats · projector · Floor 6 · open 08:00–20:00"
    wait_until(lambda: page.run(BLOCKS) == [["neil", "11:00–12:00"]])
    assert page.text(".corner") == "Brussels"
    page.click("#next")
    page.wait_for_text("#title", "Mon 24 Jun – Sun 30 Jun")
    wait_until(lambda: page.run(BLOCKS) == [])
    page.driver.back()
    wait_until(lambda: len(page.run(BLOCKS)) == 1)
    page.click(".heads [role=columnheader]:nth-child(2) button")
    page.wait_for_text("#title", "Monday 17 June 2030")


@pytest.mark.parametrize(("day", "skipped"), [("2030-03-31", ["02:00", "02:30"]), ("2030-10-27", [])])
def test_days_on_which_clocks_change(page: Page, processes: Processes, day: str, skipped: list[str]) -> None:
    """The page marks the hour that the clocks skip. For a reservation that contains the clock change, the page shows
    local times."""
    slot = {"start": f"{day}T00:00:00Z", "end": f"{day}T02:00:00Z"}
    processes.rest("one").post("/reservations", {"room": "6.13", "slots": [slot]}, user="vish")
    open_calendar(page, processes, day)
    wait_until(lambda: len(page.run(BLOCKS)) == 1)
    found = page.run("return [...document.querySelectorAll('.skipped')].map((cell) => cell.dataset.time)")
    assert sorted(set(found)) == skipped
    assert page.run(BLOCKS)[0][1] == ("01:00–04:00" if skipped else "02:00–03:00")


def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page, processes: Processes) -> None:
    day = "2030-06-25"
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        open_calendar(page, processes, day)
        page.click(cell(day, "10:00"))
        page.wait_for("document.querySelectorAll('#choices li').length === 1")
        assert page.run("return document.documentElement.scrollWidth") <= 360
        outside = """
        return [...document.querySelectorAll(`${arguments[0]} *`)].filter((node) => {
          const {left, right, width} = node.getBoundingClientRect();
          return width > 1 && (left < 0 || right > 361) && !node.closest(".unseen");
        }).map((node) => node.outerHTML)"""
        assert page.run(outside, "header") == page.run(outside, "#form") == []
        page.click("#find")
        assert page.run(outside, "#finder") == []
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
