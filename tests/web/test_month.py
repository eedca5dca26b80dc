"""The month of a room and the date picker on the calendar page, in a real browser at one replica."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from cluster.processes import Processes
from tests.support.booking_page import BLOCKS, FOCUSED, fill, open_calendar, page, processes, reserve
from tests.support.browser import Page
from tests.support.waiting import wait_until

__all__ = ["page", "processes"]  # fixtures

pytestmark = pytest.mark.browser

MONTH = "&view=month&room=6.12"
ENTRIES = """
return [...document.querySelectorAll('.month-day')].flatMap((day) =>
  [...day.querySelectorAll('.entry')].map((entry) => [day.dataset.day, entry.innerText.replace(/\\s+/g, ' ')]))
"""


def pick(page: Page, day: str) -> None:
    fill(page, "#pick", day)
    page.run("document.querySelector('#pick').dispatchEvent(new Event('change', { bubbles: true }))")


def test_the_month_of_a_room(page: Page, processes: Processes) -> None:
    reserve(processes, "neil", "2031-05-31T22:00Z", "2031-05-31T23:00Z", room="6.13")  # 1 June in Brussels
    reserve(processes, "vish", "2031-06-03T07:00Z", "2031-06-03T08:00Z", room="6.13", purpose="retro", request="month")
    open_calendar(page, processes, "2031-06-03", MONTH.replace("6.12", "6.13"))
    assert page.text("#title") == "6.13: June 2031"
    wait_until(lambda: page.run(ENTRIES) == [["2031-06-01", "✓ 00:00 neil"], ["2031-06-03", "✓ 09:00 vish"]])
    days = page.run("return [...document.querySelectorAll('.month-day')].map((each) => each.dataset.day)")
    assert (days[0], days[-1], len(days) % 7) == ("2031-05-26", "2031-07-06", 0)
    page.click('.entry[data-id="vish/month"]')
    page.wait_for_text("#details", "retro")
    reserve(processes, "neil", "2031-06-03T09:00Z", "2031-06-03T10:00Z", room="6.13")
    wait_until(lambda: len(page.run(ENTRIES)) == 3)  # it was drawn again, so the focus has to be given back
    page.press(Keys.ESCAPE)
    wait_until(lambda: page.run("return document.activeElement.dataset.day") == "2031-06-03")
    page.click('[data-day="2031-06-03"] .date')
    page.wait_for_text("#title", "Tuesday 3 June 2031")
    wait_until(lambda: page.run(BLOCKS) == [["neil", "11:00–12:00"], ["vish", "09:00–10:00"]])
    page.driver.back()
    page.wait_for_text("#title", "6.13: June 2031")
    page.click("#next")
    page.wait_for_text("#title", "6.13: July 2031")
    assert page.run("return document.querySelector('#pick').value") == "2031-07-01"
    assert page.problems() == []


def test_the_month_by_keyboard(page: Page, processes: Processes) -> None:
    reserve(processes, "neil", "2031-08-01T07:00Z", "2031-08-01T08:00Z")
    open_calendar(page, processes, "2031-07-30", MONTH)
    assert page.run("return document.querySelectorAll('#month-calendar [tabindex=\"0\"]').length") == 1
    page.run("document.querySelector('#month-calendar [tabindex=\"0\"]').focus()")
    assert page.run(FOCUSED) == "Wednesday 30 July 2031: free"
    page.press(Keys.ARROW_RIGHT)
    assert page.run(FOCUSED) == "Thursday 31 July 2031: free"
    page.press(Keys.ARROW_RIGHT)  # into the next month
    page.wait_for_text("#title", "6.12: August 2031")
    wait_until(lambda: page.run(FOCUSED) == "Friday 1 August 2031: 1 reservation; ✓ neil, 09:00–10:00")
    page.press(Keys.PAGE_UP)
    page.wait_for_text("#title", "6.12: July 2031")
    wait_until(lambda: page.run(FOCUSED) == "Tuesday 1 July 2031: free")
    page.press(Keys.ENTER)
    page.wait_for_text("#title", "Tuesday 1 July 2031")
    wait_until(lambda: page.run("return document.activeElement.closest('#calendar') !== null"))
    assert page.problems() == []


def test_a_full_day_says_how_many_more_there_are(page: Page, processes: Processes) -> None:
    for hour in range(6, 17):
        reserve(processes, "neil", f"2031-09-10T{hour:02}:00Z", f"2031-09-10T{hour + 1:02}:00Z")
    open_calendar(page, processes, "2031-09-10", MONTH)
    wait_until(lambda: page.run(ENTRIES))
    shown, more = len(page.run(ENTRIES)), page.text(".more")
    assert more == f"+{11 - shown} more"
    overflow = (
        "const day = document.querySelector('[data-day=\"2031-09-10\"]'); return day.scrollHeight - day.clientHeight"
    )
    assert page.run(overflow) <= 0


def test_a_day_is_picked(page: Page, processes: Processes) -> None:
    open_calendar(page, processes, "2031-06-03")
    pick(page, "2031-12-24")
    page.wait_for_text("#title", "Wednesday 24 December 2031")
    pick(page, "0203-12-24")  # a year that is being typed
    assert page.text("#title") == "Wednesday 24 December 2031"
    page.click("#today")
    page.wait_for("document.querySelector('#pick').value !== '0203-12-24'")
    page.click("#month")
    page.wait_for("!document.querySelector('#month-calendar').hidden")
    pick(page, "2032-02-29")
    page.wait_for_text("#title", "6.12: February 2032")
    assert page.problems() == []


def test_a_week_fits_into_a_window_of_1280(page: Page, processes: Processes) -> None:
    open_calendar(page, processes, "2031-06-03", "&view=week&room=6.12")
    page.wait_for("document.querySelectorAll('.head').length === 7")
    assert page.run("const node = document.querySelector('#calendar'); return node.scrollWidth - node.clientWidth") == 0
    bar = "return [...document.querySelector('.bar').children].map((each) => each.getBoundingClientRect().bottom)"
    height = page.run("return document.querySelector('.bar').getBoundingClientRect().height")
    assert height < 100
    assert max(page.run(bar)) < 100
