"""Reservations that are dragged on the calendar page, in a real browser at one replica."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from cluster.processes import Processes
from tests.support.booking_page import BLOCKS, cell, open_calendar, page, processes, reserve
from tests.support.browser import Page
from tests.support.waiting import wait_until

__all__ = ["page", "processes"]  # fixtures

pytestmark = pytest.mark.browser

GHOST = "return document.querySelector('.ghost')?.textContent ?? null"
EDGE_PX = 3


def hold(page: Page, identifier: str, part: str = "start") -> ActionChains:
    """Press the mouse button on a reservation, and hold the button.

    `part` is where the button is pressed: on the upper or lower edge (`top`, `bottom`), or inside, near the start
    (`start`).
    """
    block = page.driver.find_element(By.CSS_SELECTOR, f'.block[data-id="{identifier}"]')
    half = block.size["height"] / 2
    y = {"start": 14 - half, "top": EDGE_PX - half, "bottom": half - EDGE_PX}[part]
    return ActionChains(page.driver).move_to_element_with_offset(block, 0, int(y)).click_and_hold()


def over(page: Page, actions: ActionChains, selector: str) -> ActionChains:
    return actions.move_to_element(page.driver.find_element(By.CSS_SELECTOR, selector))


def slot_of(processes: Processes, identifier: str) -> tuple[str, str, str]:
    """Return (room, start, end) of a reservation. The times are local, as HH:MM."""
    found = processes.rest("one").get(f"/reservations/{identifier}")
    return found["room"], found["slot"]["start"][11:16], found["slot"]["end"][11:16]


def test_a_reservation_is_dragged_to_another_time_and_room(page: Page, processes: Processes) -> None:
    day = "2030-06-03"
    reserve(processes, "vish", f"{day}T07:00Z", f"{day}T08:30Z", request="d1", purpose="retro")
    open_calendar(page, processes, day)
    wait_until(lambda: page.run(BLOCKS) == [["vish", "09:00–10:30"]])
    over(page, hold(page, "vish/d1"), cell(day, "12:00", "6.13")).perform()
    assert page.run(GHOST) == "12:00–13:30"
    ActionChains(page.driver).release().perform()
    page.wait_for_text("#answer", "✓ Moved to 6.13, Mon 3 Jun 12:00–13:30. The reservation is final.")
    wait_until(lambda: page.run(BLOCKS) == [["vish", "12:00–13:30"]])
    assert slot_of(processes, "vish/d1") == ("6.13", "12:00", "13:30")
    wait_until(lambda: page.run(GHOST) is None)
    assert not page.run("return document.querySelector('#details').open")  # it was no click
    page.click('.block[data-id="vish/d1"]')
    page.wait_for_text("#details", "retro")
    page.press(Keys.ESCAPE)
    assert page.problems() == []


def test_the_ends_of_a_reservation_are_dragged(page: Page, processes: Processes) -> None:
    day = "2030-06-04"
    reserve(processes, "vish", f"{day}T07:00Z", f"{day}T08:30Z", request="d2")
    open_calendar(page, processes, day)
    wait_until(lambda: page.run(BLOCKS) == [["vish", "09:00–10:30"]])
    over(page, hold(page, "vish/d2", "bottom"), cell(day, "11:30")).release().perform()
    wait_until(lambda: page.run(BLOCKS) == [["vish", "09:00–12:00"]])
    over(page, hold(page, "vish/d2", "top"), cell(day, "11:00")).release().perform()
    wait_until(lambda: page.run(BLOCKS) == [["vish", "11:00–12:00"]])
    assert slot_of(processes, "vish/d2") == ("6.12", "11:00", "12:00")
    assert page.problems() == []


def test_what_is_in_the_way_is_shown_and_refused(page: Page, processes: Processes) -> None:
    day = "2030-06-05"
    reserve(processes, "vish", f"{day}T07:00Z", f"{day}T08:00Z", request="d3")
    reserve(processes, "neil", f"{day}T09:00Z", f"{day}T10:00Z")
    open_calendar(page, processes, day)
    wait_until(lambda: len(page.run(BLOCKS)) == 2)
    before = page.run(BLOCKS)
    over(page, hold(page, "vish/d3"), '.block[data-mine="false"]').perform()
    assert page.run(GHOST).endswith("taken by neil")
    page.press(Keys.ESCAPE)
    ActionChains(page.driver).release().perform()
    assert page.run(GHOST) is None
    assert page.text("#answer") == ""
    over(page, hold(page, "vish/d3"), '.block[data-mine="false"]').release().perform()
    page.wait_for_text(
        "#answer", "neil has 6.12, Wed 5 Jun 11:00–12:00. The next free time in 6.12 is Wed 5 Jun 12:00–13:00."
    )
    assert page.run(BLOCKS) == before
    assert ["409 (Conflict)" in text for text in page.problems()] == [True]


def test_another_day_of_the_week_and_nobody_elses(page: Page, processes: Processes) -> None:
    day = "2030-06-10"
    reserve(processes, "vish", f"{day}T07:00Z", f"{day}T08:00Z", request="d4")
    reserve(processes, "neil", f"{day}T09:00Z", f"{day}T10:00Z", request="d5")
    open_calendar(page, processes, day, "&view=week&room=6.12")
    wait_until(lambda: len(page.run(BLOCKS)) == 2)
    over(page, hold(page, "vish/d4"), cell("2030-06-13", "09:30")).release().perform()
    page.wait_for_text("#answer", "Moved to 6.12, Thu 13 Jun 09:30–10:30.")
    over(page, hold(page, "neil/d5"), cell("2030-06-12", "09:30")).perform()
    assert page.run(GHOST) is None
    ActionChains(page.driver).release().perform()
    assert slot_of(processes, "neil/d5") == ("6.12", "11:00", "12:00")
