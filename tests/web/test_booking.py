"""The calendar page in a real browser: users find a room, make and change a series, read a history, and see
refusals."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from cluster.processes import Processes
from tests.support.booking_page import (
    BLOCKS,
    FOCUSED,
    cell,
    fill,
    fill_mover,
    open_calendar,
    page,
    press,
    processes,
    reserve,
    unfold,
)
from tests.support.browser import Page
from tests.support.waiting import wait_until

__all__ = ["page", "processes"]  # fixtures

pytestmark = pytest.mark.browser

FOUND = "return [...document.querySelectorAll('#finder li b')].map((name) => name.textContent)"
OCCURRENCES = "return [...document.querySelectorAll('#details .fold li .link')].map((one) => one.textContent)"


def test_a_room_is_found_by_seats_and_features_and_taken(page: Page, processes: Processes) -> None:
    day = "2030-06-03"
    open_calendar(page, processes, day)
    assert "40 seats" in page.text(".heads")
    page.click("#find")
    assert page.run(FOCUSED) == "day"
    fill(page, "#finder [name=from]", "14:00")
    fill(page, "#finder [name=to]", "15:30")
    page.click("#finder form .main")
    wait_until(lambda: page.run(FOUND) == ["6.12", "6.13", "7.01"])
    page.type("#finder [name=seats]", "7")
    assert page.run(FOUND) == []  # what was found no longer fits what is asked
    page.click("#finder [value=projector]")
    page.press(Keys.ENTER)
    wait_until(lambda: page.run(FOUND) == ["6.13"])
    assert "Free on Monday 3 June 2030, 14:00–15:30" in page.text("#finder [role=status]")
    page.click("#finder li button")
    page.wait_for_text("#form-title", "Reserve 6.13")
    assert page.text("#facts-of-choice") == "12 seats · projector, whiteboard"
    page.press("retro", Keys.ENTER)
    wait_until(lambda: page.run(BLOCKS) == [["vish", "14:00–15:30"]])
    page.click("#find")
    page.press(Keys.ESCAPE)
    assert page.run(FOCUSED) == "find"
    assert page.problems() == []


def test_the_refusal_of_a_policy_is_shown(page: Page, processes: Processes) -> None:
    day = "2030-06-04"
    open_calendar(page, processes, day)
    closed = "return [...document.querySelectorAll('.closed[data-room=\"6.12\"]')].map((each) => each.dataset.time)"
    assert [page.run(closed)[at] for at in (0, 15, 16, -1)] == ["00:00", "07:30", "20:00", "23:30"]
    page.click(cell(day, "19:30"))
    page.run("document.querySelector('#purpose').focus()")
    page.press(Keys.ENTER)
    page.wait_for_text("#answer", "6.12 is open from 08:00 to 20:00")
    assert page.run(BLOCKS) == []
    assert ["409 (Conflict)" in text for text in page.problems()] == [True]


def test_a_refusal_says_who_has_the_slot_and_when_it_is_free_next(page: Page, processes: Processes) -> None:
    day = "2030-06-06"
    open_calendar(page, processes, day)
    page.click(cell(day, "09:00"))
    reserve(processes, "neil", f"{day}T07:30Z", f"{day}T08:30Z", purpose="interview")
    page.click("#form .main")
    taken = "No slot that your request allows is free: neil has 6.12, Thu 6 Jun 09:30–10:30."
    page.wait_for_text("#answer", f"{taken} The next free time in 6.12 is Thu 6 Jun 10:30–11:30. Nothing was changed.")
    page.click("#answer button")
    page.press(Keys.ENTER)
    page.wait_for_text("#answer", "Reserved 6.12, Thu 6 Jun 10:30–11:30.")
    assert ["409 (Conflict)" in text for text in page.problems()] == [True]


def test_another_room_is_asked_for_at_the_first_time(page: Page, processes: Processes) -> None:
    day = "2030-06-07"
    open_calendar(page, processes, day)
    for time, room in (("09:00", "6.12"), ("11:00", "6.12"), ("09:30", "7.01"), ("09:00", "6.13")):
        page.click(cell(day, time, room))
    choices = "return [...document.querySelectorAll('.choice')].map((each) => each.textContent)"
    assert page.run(choices) == ["109:00–10:00", "211:00–12:00", "409:00–10:00", "309:00–10:00"]
    page.click('[aria-label="Remove 6.13"]')
    page.click(cell(day, "09:00", "6.13"))
    reserve(processes, "neil", f"{day}T07:00Z", f"{day}T10:00Z")
    page.click("#form .main")
    page.wait_for_text("#answer", "Reserved 7.01, Fri 7 Jun 09:00–10:00.")
    assert page.problems() == []


def test_a_series_is_made_moved_and_ended(page: Page, processes: Processes) -> None:
    day = "2030-07-01"
    open_calendar(page, processes, day)
    reserve(processes, "neil", "2030-07-08T07:00Z", "2030-07-08T08:00Z")
    page.click(cell(day, "09:00"))
    fill(page, "#repeat", "WEEKLY")
    page.click("#form .main")
    page.wait_for_text("#answer", "Until when does it repeat?")
    assert page.run(FOCUSED) == "until"
    fill(page, "#until", "2030-07-22")
    page.type("#purpose", "planning")
    page.click("#form .main")
    page.wait_for_text(
        "#answer", "Reserved 3 of 4, every week until Mon 22 Jul 2030. The occurrences without a slot are below."
    )
    page.wait_for_text("#tray .card", "lost 6.12, Mon 8 Jul 09:00–10:00")

    page.click(".block")
    page.wait_for_text("#details", "What happened")
    unfold(page, "Its series")
    wait_until(lambda: len(page.run(OCCURRENCES)) == 4)
    assert page.run(OCCURRENCES)[1] == "Mon 8 Jul – no slot"
    assert page.run(OCCURRENCES)[3] == "Mon 22 Jul 09:00–10:00 6.12"
    press(page, "Mon 15 Jul 09:00–10:00 6.12")
    page.wait_for_text("#details dd + dt + dd", "Monday 15 July 2030")
    assert page.text("#title") == "Monday 15 July 2030"

    press(page, "Move …")
    fill(page, ".mover [type=time]", "11:00")
    page.click(".mover .main")
    page.wait_for_text("#details [role=alert]", "The end must be after the start.")
    fill(page, ".mover label:nth-of-type(4) input", "12:00")
    page.run("document.querySelector('.mover .wide select').value = 'later'")
    page.click(".mover .main")
    wait_until(lambda: page.run(BLOCKS) == [["vish", "11:00–12:00"]])
    page.run("location.hash = 'day=2030-07-22'")
    wait_until(lambda: page.run(BLOCKS) == [["vish", "11:00–12:00"]])

    page.click(".block")
    page.wait_for_text("#details .danger", "Cancel this one")
    press(page, "Cancel this one")
    wait_until(lambda: page.run(BLOCKS) == [])
    page.run("location.hash = 'day=2030-07-01'")
    wait_until(lambda: page.run(BLOCKS) == [["vish", "09:00–10:00"]])
    page.click(".block")
    page.wait_for_text("#details", "Cancel this and later ones")
    press(page, "Cancel this and later ones")
    wait_until(lambda: page.run(BLOCKS) == [])
    page.wait_for("document.querySelector('#tray .card') === null")
    assert page.problems() == []


def test_days_of_a_series_are_left_out(page: Page, processes: Processes) -> None:
    open_calendar(page, processes, "2030-02-04")
    page.click(cell("2030-02-04", "09:00"))
    fill(page, "#repeat", "WEEKLY")
    fill(page, "#until", "2030-03-04")
    left_out = "return [...document.querySelectorAll('#excepted .day')].map((day) => day.textContent)"
    for day in ("2030-02-18", "2030-02-11", "2030-02-18"):
        fill(page, "#except", day)
        page.click("#leave-out")
    assert page.run(left_out) == ["not on Mon 11 Feb", "not on Mon 18 Feb"]
    page.click("#excepted li:first-child button")
    assert page.run(left_out) == ["not on Mon 18 Feb"]
    fill(page, "#except", "2030-02-25")  # chosen, and not added
    page.click("#form .main")
    page.wait_for_text("#answer", "Reserved 3 of 3, every week until Mon 4 Mar 2030")
    assert page.run(left_out) == []
    path = "/users/vish/reservations?from=2030-02-01T00:00Z&to=2030-03-31T00:00Z"
    found = processes.rest("one").get(path)["reservations"]
    assert [each["slot"]["start"][:10] for each in found] == ["2030-02-04", "2030-02-11", "2030-03-04"]
    assert page.problems() == []


def test_the_details_show_the_history(page: Page, processes: Processes) -> None:
    day = "2030-08-05"
    reserve(processes, "vish", f"{day}T07:00Z", f"{day}T08:00Z", purpose="talk")
    open_calendar(page, processes, day)
    wait_until(lambda: page.run(BLOCKS) == [["vish", "09:00–10:00"]])
    page.click(".block")
    page.wait_for_text("#details", "Move …")
    press(page, "Move …")
    fill(page, ".mover select", "6.13")
    fill(page, ".mover [type=time]", "09:30")
    page.click(".mover .main")
    wait_until(lambda: page.run(BLOCKS) == [["vish", "09:30–10:00"]])
    page.click(".block")
    page.wait_for_text("#details", "What happened")
    unfold(page, "What happened")
    page.wait_for_text("#details .fold", "reserved by vish at one")
    shown = page.text("#details .fold ol")
    assert "from 6.12, Mon 5 Aug 09:00–10:00 to 6.13, Mon 5 Aug 09:30–10:00" in shown
    assert shown.count("final, number") == 2
    page.press(Keys.ESCAPE)
    assert page.problems() == []


def test_a_purpose_is_changed_and_the_focus_comes_back(page: Page, processes: Processes) -> None:
    day = "2030-09-02"
    reserve(processes, "vish", f"{day}T07:00Z", f"{day}T08:00Z", purpose="sketch")
    open_calendar(page, processes, day)
    page.wait_for_text("#mine", "sketch")
    opener = "document.querySelector('#mine [data-open][aria-label^=\"Details of sketch\"]')"
    page.run(f"{opener}.focus()")
    page.press(Keys.ENTER)
    page.wait_for_text("#details", "Change purpose …")
    press(page, "Change purpose …")
    page.press("planning", Keys.ENTER)
    page.wait_for_text("#mine", "planning")
    wait_until(lambda: page.run(FOCUSED) == "Details of planning in 6.12")
    page.press(Keys.ENTER)
    page.wait_for_text("#details", "What happened")
    unfold(page, "What happened")
    page.wait_for_text("#details .fold", "given another purpose by vish at one")
    press(page, "Cancel this reservation")
    wait_until(lambda: page.run("return document.activeElement.closest('#calendar') !== null"))
    assert page.problems() == []


def test_a_moved_series_names_the_dates_that_stay_and_is_extended(page: Page, processes: Processes) -> None:
    day = "2030-10-07"
    open_calendar(page, processes, day)
    page.click(cell(day, "09:00"))
    fill(page, "#repeat", "WEEKLY")
    fill(page, "#until", "2030-10-21")
    page.click("#form .main")
    page.wait_for_text("#answer", "Reserved 3 of 3")
    reserve(processes, "neil", "2030-10-14T12:00Z", "2030-10-14T13:00Z")
    page.click(".block")
    fill_mover(page, "14:00", "15:00")
    page.run("document.querySelector('.mover .wide select').value = 'later'")
    page.click(".mover .main")
    page.wait_for_text(
        "#details [role=alert]", "No slot that your request allows is free on Mon 14 Oct. Nothing was changed"
    )
    unfold(page, "Its series")
    page.wait_for_text("#details", "Extend until")
    fill(page, "#details .fold [type=date]", "2030-10-28")
    page.click("#details .fold .mover button")
    page.wait_for("!document.querySelector('#details').open")
    page.run("location.hash = 'day=2030-10-28'")
    page.wait_for_text("#title", "Monday 28 October 2030")
    wait_until(lambda: page.run(BLOCKS) == [["vish", "14:00–15:00"]])
    page.click(".block")
    page.wait_for_text("#details", "Cancel this one")
    press(page, "Cancel this one")
    wait_until(lambda: page.run(BLOCKS) == [])
    page.run("location.hash = 'day=2030-10-21'")
    page.wait_for_text("#title", "Monday 21 October 2030")
    wait_until(lambda: page.run(BLOCKS) == [["vish", "14:00–15:00"]])
    page.click(".block")
    page.wait_for_text("#details", "What happened")
    unfold(page, "Its series")
    page.wait_for_text("#details", "Bring back Mon 28 Oct")
    press(page, "Bring back Mon 28 Oct")
    page.run("location.hash = 'day=2030-10-28'")
    page.wait_for_text("#title", "Monday 28 October 2030")
    wait_until(lambda: page.run(BLOCKS) == [["vish", "14:00–15:00"]])
    page.press(Keys.ESCAPE)
    assert page.problems() == []


def test_whole_days_are_reserved(page: Page, processes: Processes) -> None:
    day = "2030-11-04"
    open_calendar(page, processes, day)
    page.click(cell(day, "09:00", "6.13"))
    page.click("#all-day")
    fill(page, "#last-day", "2030-11-03")
    page.wait_for_text("#answer", "The last day cannot be before the first one.")
    fill(page, "#last-day", "2030-11-06")
    times = (
        "return [...document.querySelectorAll('#choices .day, #choices input')].map((n) => n.value ?? n.textContent)"
    )
    assert page.run(times) == ["Mon 4 Nov", "00:00", "Wed 6 Nov", "00:00"]
    page.click("#form .main")
    page.wait_for_text("#answer", "Reserved 6.13, Mon 4 Nov all day to Wed 6 Nov.")
    page.run("location.hash = 'day=2030-11-05'")
    wait_until(lambda: page.run(BLOCKS) == [["vish", "all day to Wed 6 Nov"]])
    page.click(cell("2030-11-05", "19:00"))
    page.click("#all-day")
    assert page.run(times) == ["Tue 5 Nov", "08:00", "20:00"]
    assert page.problems() == []
