"""Reservations of several rooms on the calendar page, in a real browser: made, shown, dragged, moved and cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from cluster.processes import Processes
from tests.support.booking_page import cell, fill_mover, open_calendar, page, press, processes, reserve
from tests.support.browser import Page
from tests.support.waiting import wait_until
from tests.web.test_drag import hold, over, slot_of

__all__ = ["page", "processes"]  # fixtures

pytestmark = pytest.mark.browser

# The column of each block, with what it says below the name: [room, words]
SHOWN = """
const heads = [...document.querySelectorAll('.head button')].map((head) => head.textContent);
return [...document.querySelectorAll('.layer')].flatMap((layer, index) =>
  [...layer.querySelectorAll('.block')].map((block) => [heads[index], block.querySelector('.purpose').textContent]));
"""


def shown(page: Page) -> Any:
    return page.run(SHOWN)


def change(page: Page, selector: str, value: str) -> None:
    """Choose the option `value` of a select element."""
    page.run(
        "const field = document.querySelector(arguments[0]); field.value = arguments[1];"
        "field.dispatchEvent(new Event('change', { bubbles: true }));",
        selector,
        value,
    )


def test_rooms_are_reserved_together_and_stand_in_each_column(page: Page, processes: Processes) -> None:
    day = "2030-06-11"
    open_calendar(page, processes, day)
    for time, room in (("09:00", "6.12"), ("09:00", "6.13"), ("09:00", "7.01")):
        page.click(cell(day, time, room))
    change(page, '[aria-label="What 6.13 is for"]', "together")
    page.wait_for_text("#form-title", "Reserve 6.12+6.13")
    page.type("#purpose", "lecture")
    reserve(processes, "neil", f"{day}T07:00Z", f"{day}T08:00Z", room="6.13")
    page.click("#form .main")
    page.wait_for_text("#answer", "Reserved 6.12+7.01, Tue 11 Jun 09:00–10:00.")  # 6.13 was taken first
    wait_until(lambda: shown(page) == [["6.12", "with 7.01 · lecture"], ["6.13", ""], ["7.01", "with 6.12 · lecture"]])
    label = page.run(f"return document.querySelector('{cell(day, '09:00', '7.01')}').ariaLabel")
    assert label == "7.01 09:00: ✓ vish, lecture, with 6.12, final"
    page.wait_for_text("#mine", "6.12+7.01 · lecture")

    page.click('.block[data-mine="true"]')
    page.wait_for_text("#details dd", "6.12+7.01")
    fill_mover(page, "11:00", "12:00")
    page.click(".mover .main")
    page.wait_for("!document.querySelector('#details').open")
    found = processes.rest("one").get("/users/vish/reservations?from=2030-06-11T00:00Z&to=2030-06-12T00:00Z")
    (held,) = found["reservations"]
    assert (held["room"], held["slot"]["start"][11:16]) == ("6.12+7.01", "11:00")

    page.click('.block[data-mine="true"]')
    page.wait_for_text("#details", "Cancel this reservation")
    press(page, "Cancel this reservation")
    wait_until(lambda: shown(page) == [["6.13", ""]])
    assert page.problems() == []


def test_a_further_room_is_marked_at_all_times_and_another_room_instead_at_the_first_time(
    page: Page, processes: Processes
) -> None:
    day = "2030-06-17"
    open_calendar(page, processes, day)
    for time, room in (("09:00", "6.12"), ("11:00", "6.12"), ("09:00", "6.13"), ("09:00", "7.01")):
        page.click(cell(day, time, room))
    marks = "return [...document.querySelectorAll('.layer')].map((layer) => [...layer.querySelectorAll('.choice')]"
    marks += ".map((each) => each.textContent))"
    nine, eleven = "09:00–10:00", "11:00–12:00"
    times = [f"1{nine}", f"2{eleven}"]
    assert page.run(marks) == [times, [f"3{nine}"], [f"4{nine}"]]
    change(page, '[aria-label="What 6.13 is for"]', "together")
    assert page.run(marks) == [times, [f"3{nine}", f"3{eleven}"], [f"4{nine}"]]
    page.click(cell(day, "11:00", "6.13"))
    assert page.run(marks) == [times, [], [f"3{nine}"]], "a click on a mark removes its room"
    assert page.problems() == []


def test_a_drag_takes_the_other_rooms_along(page: Page, processes: Processes) -> None:
    day = "2030-06-12"
    reserve(processes, "vish", f"{day}T07:00Z", f"{day}T08:00Z", room="6.12+6.13", request="g1")
    open_calendar(page, processes, day)
    wait_until(lambda: shown(page) == [["6.12", "with 6.13"], ["6.13", "with 6.12"]])
    over(page, hold(page, "vish/g1"), cell(day, "12:00", "6.12")).perform()
    ActionChains(page.driver).release().perform()
    page.wait_for_text("#answer", "Moved to 6.12+6.13, Wed 12 Jun 12:00–13:00.")
    assert slot_of(processes, "vish/g1") == ("6.12+6.13", "12:00", "13:00")
    wait_until(lambda: shown(page) == [["6.12", "with 6.13"], ["6.13", "with 6.12"]])
    over(page, hold(page, "vish/g1"), cell(day, "12:00", "7.01")).perform()
    ActionChains(page.driver).release().perform()
    page.wait_for_text("#answer", "Moved to 7.01+6.13, Wed 12 Jun 12:00–13:00.")
    wait_until(lambda: shown(page) == [["6.13", "with 7.01"], ["7.01", "with 6.13"]])
    assert page.problems() == []


def test_a_refusal_offers_the_next_time_that_is_free_in_all_rooms(page: Page, processes: Processes) -> None:
    day = "2030-06-13"
    open_calendar(page, processes, day)
    for room in ("6.12", "6.13"):
        page.click(cell(day, "09:00", room))
    change(page, '[aria-label="What 6.13 is for"]', "together")
    reserve(processes, "neil", f"{day}T07:00Z", f"{day}T08:30Z", room="6.13")
    page.click("#form .main")
    page.wait_for_text("#answer", "The next free time in 6.12+6.13 is Thu 13 Jun 10:30–11:30.")
    page.click("#answer button")
    page.wait_for_text("#form-title", "Reserve 6.12+6.13")
    page.click("#form .main")
    page.wait_for_text("#answer", "Reserved 6.12+6.13, Thu 13 Jun 10:30–11:30.")
    assert ["409 (Conflict)" in text for text in page.problems()] == [True]


def test_all_day_is_when_all_rooms_are_open(page: Page, processes: Processes) -> None:
    day = "2030-06-14"
    open_calendar(page, processes, day)
    for room in ("7.01", "6.12"):
        page.click(cell(day, "09:00", room))
    change(page, '[aria-label="What 6.12 is for"]', "together")
    page.click("#all-day")
    page.click("#form .main")
    page.wait_for_text("#answer", "Reserved 7.01+6.12, Fri 14 Jun 08:00–20:00.")
    assert page.problems() == []
