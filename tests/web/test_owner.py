"""The calendar page in a real browser: a manager reserves for somebody else, and the owner or a manager
hands the reservation over."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from cluster.processes import Processes
from cluster.rest import Request, send
from tests.apps.test_people import Side, sides  # noqa: F401  # the fixture
from tests.support.booking_page import BLOCKS, open_calendar, page, press, processes, reserve, unfold
from tests.support.browser import Page, browser
from tests.support.waiting import wait_until
from tests.support.web_server import served
from tests.web.test_roles import DAY, log_in

__all__ = ["page", "processes"]  # fixtures

pytestmark = pytest.mark.browser

MINE = "return [...document.querySelectorAll('.block[data-mine=\"true\"]')].map((block) => block.dataset.id)"


def test_a_manager_reserves_for_a_user_who_hands_it_over(sides: tuple[Side, Side]) -> None:  # noqa: F811
    one, _ = sides
    tokens = {name: one.add(name, role) for name, role in (("vish", "user"), ("neil", "user"), ("max", "manager"))}
    with served(one.app) as address, browser(calm=True) as page:
        log_in(page, address, tokens["max"])
        page.click('[data-time="09:00"]')
        page.type("#purpose", "tea")
        page.type("#owner", "vish")
        page.click("#form .main")
        wait_until(lambda: page.run(BLOCKS) == [["vish", "09:00–10:00"]])
        page.wait_for_text("#answer", "Reserved for vish: 6.12")
        assert page.run(MINE) == []
        page.click(".block")
        page.wait_for_text("#details", "made by max")
        assert "Move" not in page.text("#details")
        page.press(Keys.ESCAPE)

        log_in(page, address, tokens["vish"])
        wait_until(lambda: len(page.run(MINE)) == 1)
        assert not page.run("return document.querySelector('#owner').checkVisibility()")
        page.wait_for_text("#mine", "tea")
        page.click(".block")
        page.wait_for_text("#details", "Hand over …")
        press(page, "Hand over …")
        page.press("neil", Keys.ENTER)
        wait_until(lambda: page.run(BLOCKS) == [["neil", "09:00–10:00"]])
        wait_until(lambda: not page.run("return document.querySelector('#mine').checkVisibility()"))
        page.click(".block")
        page.wait_for_text("#details", "What happened")
        assert "Hand over" not in page.text("#details")
        unfold(page, "What happened")
        page.wait_for_text("#details .fold", "handed over to neil by vish")
        assert "reserved for vish by max" in page.text("#details .fold")
        page.press(Keys.ESCAPE)

        log_in(page, address, tokens["neil"])
        wait_until(lambda: len(page.run(MINE)) == 1)
        (held,) = one.ask("GET", "/users/neil/reservations", tokens["max"]).json["reservations"]
        path = f"/reservations/{held['id']}"
        assert one.ask("DELETE", f"{path}?reason=paint", tokens["max"]).json["state"] == "cancelled"
        log_in(page, address, tokens["neil"])
        page.wait_for_text("#tray .card", "Cancelled by max: paint")
        assert page.problems() == []


def test_what_others_make_for_the_user_and_hand_over_is_shown_at_once(page: Page, processes: Processes) -> None:
    day = "2030-10-14"
    open_calendar(page, processes, day)
    made = reserve(processes, "neil", f"{day}T07:00Z", f"{day}T08:00Z", purpose="talk", owner="vish")
    page.wait_for_text("#mine", "talk")
    change = Request("PATCH", f"/reservations/{made['id']}", {"owner": "neil"}, {"Bayou-User": "vish"})
    assert send(str(processes.settings.replica("one").rest), change, 10).status == 200
    wait_until(lambda: not page.run("return document.querySelector('#mine').checkVisibility()"))
    assert page.problems() == []


def test_a_manager_hands_over_what_a_user_owns(sides: tuple[Side, Side]) -> None:  # noqa: F811
    one, _ = sides
    tokens = {name: one.add(name, role) for name, role in (("vish", "user"), ("neil", "user"), ("max", "manager"))}
    slot = {"start": f"{DAY}T09:00Z", "end": f"{DAY}T10:00Z"}
    assert one.reserve(tokens["vish"], "r1", slot).status_code == 201
    with served(one.app) as address, browser(calm=True) as page:
        log_in(page, address, tokens["max"])
        wait_until(lambda: page.run(BLOCKS) == [["vish", "09:00–10:00"]])
        page.click(".block")
        page.wait_for_text("#details", "Hand over …")
        press(page, "Hand over …")
        page.press("nobody", Keys.ENTER)
        page.wait_for_text("#details [role=alert]", "There is no person nobody at this replica.")
        page.run("document.querySelector('#details .mover input').value = 'neil'")
        page.press(Keys.ENTER)
        wait_until(lambda: page.run(BLOCKS) == [["neil", "09:00–10:00"]])
        assert one.ask("GET", "/reservations/vish/r1", tokens["vish"]).json["owner"] == "neil"
        assert ["404 (Not Found)" in text for text in page.problems()] == [True]
