"""Conflicts on the calendar page in a real browser, over real replicas.

The page shows how far a reservation has spread. A panel lists the requests that were rejected or moved.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.support.booking_page import FOCUSED
from tests.support.browser import browser
from tests.support.live import LABELS, link, live
from tests.support.waiting import wait_until
from tests.web.test_calendar import DAY, cut_off, opened, reserve, slot

pytestmark = pytest.mark.browser

HELD = """
const term = [...document.querySelectorAll('#details dt')].find((each) => each.textContent === 'Held');
return term?.nextSibling.textContent ?? null
"""
ROWS = """
return [...document.querySelectorAll('#conflicts li button')].map((row) => [
  row.querySelector('.shape').className.split(' ')[1], row.querySelector('.who').textContent,
  row.querySelector('.slots').textContent])
"""
READ_AT_MS = """
return performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/conflicts'))
  .map(({ startTime }) => startTime)
"""
WANTED_9, WANTED_13 = "6.12, Mon 3 Jun 09:00–10:00", "6.12, Mon 3 Jun 13:00–14:00"
GOT_11 = "6.12, Mon 3 Jun 11:00–12:00"


def test_the_details_say_how_far_a_reservation_has_spread(tmp_path: Path) -> None:
    with live(tmp_path / "c") as processes, browser(calm=True) as page:
        cut_off(processes, "one")
        link(processes, "two", "three", up=False)
        opened(page, processes, "two", "priyal")
        reserve(processes, "two", "priyal", 9, purpose="budget")
        page.wait_for("document.querySelector('.block')")
        page.click(".block")
        wait_until(lambda: page.run(HELD) == "at two only")
        page.run(
            "[...document.querySelectorAll('#details button')].find((each) => /Move/.test(each.textContent)).click()"
        )
        link(processes, "two", "three", up=True)
        wait_until(lambda: page.run(HELD) == "at two and three, waiting for the primary")
        assert page.run("return document.querySelector('#details .mover') !== null")  # a form that was open stays open
        cut_off(processes, "one", up=True)
        page.wait_for_text("#details .state", "Final")
        assert page.run(HELD) is None
        assert page.problems() == []


def test_conflicts_are_listed_and_lead_to_their_reservations(tmp_path: Path) -> None:
    with live(tmp_path / "c") as processes, browser(calm=True) as page:
        cut_off(processes, "one")
        link(processes, "two", "three", up=False)
        opened(page, processes, "two", "priyal", "&view=day")
        page.wait_for_text("#conflicts-open", "Conflicts 0")
        page.click("#conflicts-open")
        assert page.text("#conflicts [role=status]") == "Nothing was rejected or moved, and everything had its effect."
        page.press(Keys.ESCAPE)

        for hour in (9, 13):
            reserve(processes, "three", "vish", hour)
        reserve(processes, "two", "priyal", 9, 11, purpose="budget")
        reserve(processes, "two", "neil", 13, purpose="review")
        link(processes, "two", "three", up=True)
        page.wait_for_text("#conflicts-open", "Conflicts 1")
        page.run("location.hash = '#day=2030-07-01'")
        page.wait_for_text("#title", "Monday 1 July")

        page.run("document.querySelector('#conflicts-open').focus()")
        page.press(Keys.ENTER)
        moved = ["tentative", "priyalmay still change", f"{WANTED_9} → {GOT_11}"]
        assert page.run(ROWS) == [moved]
        page.press(Keys.TAB, Keys.ENTER)
        assert page.run("return document.querySelector('#conflicts [aria-pressed=true]').textContent") == "All 2"
        rejected = ["rejected", "neilmay still change", f"{WANTED_13} → nothing"]
        assert page.run(ROWS) == [rejected, moved]
        page.press(Keys.TAB)
        assert page.run(FOCUSED) == f"neil wanted {WANTED_13}, got nothing, may still change"

        cut_off(processes, "one", up=True)
        wait_until(lambda: [row[1] for row in page.run(ROWS)] == ["neilfinal", "priyalfinal"])
        assert [row[0] for row in page.run(ROWS)] == ["rejected", "committed"]
        assert page.run(FOCUSED) == f"neil wanted {WANTED_13}, got nothing, final"
        page.press(Keys.TAB, Keys.ENTER)
        page.wait_for_text("#details", "budget")
        page.wait_for_text("#title", "Monday 3 June 2030")
        assert not page.run("return document.querySelector('#conflicts').open")
        page.press(Keys.ESCAPE)
        assert page.run(FOCUSED) == "conflicts-open"
        assert page.problems() == []


def test_conflicts_are_read_at_most_once_a_second(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:1]) as processes, browser(calm=True) as page:
        opened(page, processes, "one", "vish")
        for hour in range(8, 18):
            reserve(processes, "one", "vish", hour)
        slots = [slot(8), slot(18)]
        processes.rest("one").post("/reservations", {"room": "6.12", "slots": slots}, user="vish")
        page.wait_for_text("#conflicts-open", "Conflicts 1")
        read_at = page.run(READ_AT_MS)
        assert len(read_at) > 1
        assert min(later - earlier for earlier, later in pairwise(read_at)) > 990


def test_without_a_name_the_conflicts_of_all_are_shown(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:1]) as processes, browser(calm=True) as page:
        reserve(processes, "one", "vish", 9)
        reserve(processes, "one", "neil", 9, 11)
        opened(page, processes, "one", "")
        page.wait_for_text("#conflicts-open", "Conflicts 1")
        page.click("#conflicts-open")
        assert page.run(ROWS) == [["committed", "neilfinal", f"{WANTED_9} → {GOT_11}"]]
        assert page.run("return document.querySelector('#conflicts [aria-pressed]').disabled")
        page.click("#conflicts .close")
        page.type("#me", "vish")
        page.wait_for_text("#conflicts-open", "Conflicts 0")
        assert page.run("return location.hash") == f"#day={DAY}"


def test_a_request_without_effect_is_told_at_once_and_listed(tmp_path: Path) -> None:
    with live(tmp_path / "c") as processes, browser(calm=True) as page:
        cut_off(processes, "two")
        opened(page, processes, "two", "vish", "&view=day")
        reserve(processes, "one", "vish", 9)
        asked = {"room": "6.13", "slots": [slot(9)], "request": "r9"}
        processes.rest("two").post("/reservations", asked, user="vish")
        cut_off(processes, "two", up=True)
        why = "vish’s reservation of 6.13, vish/r9, had no effect: an earlier request with the same id had"
        page.wait_for_text(".notice.mine", why)
        page.wait_for_text("#conflicts-open", "Conflicts 1")
        page.click("#conflicts-open")
        wait_until(lambda: page.run(ROWS)[0][1] == "vishfinal")
        (row,) = page.run(ROWS)
        assert row[0] == "rejected"
        assert row[2].startswith(f"{WANTED_9.replace('6.12', '6.13')} → {WANTED_9}{why}")
        assert page.problems() == []
