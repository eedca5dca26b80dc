"""The calendar page with tokens, in a real browser: what a user, a guest and a manager see and may do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from replica.config import Address
from tests.apps.test_people import Side, sides  # noqa: F401  # the fixture
from tests.support.booking_page import BLOCKS
from tests.support.browser import Page, browser
from tests.support.waiting import wait_until
from tests.support.web_server import served

DAY = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()  # free/busy times are of the days ahead
LOG_IN = """
const done = arguments[1];
fetch("/login", {method: "PUT", headers: {"Content-Type": "application/json"},
                 body: JSON.stringify({token: arguments[0]})}).then((answer) => done(answer.status));
"""
CELL = f'[data-room="6.12"][data-day="{DAY}"][data-time="09:00"]'


def log_in(page: Page, address: Address, token: str) -> None:
    page.open(f"http://{address}/login")
    assert page.driver.execute_async_script(LOG_IN, token) == 200
    page.open(f"http://{address}/#day={DAY}")
    page.wait_for('document.querySelector(\'#calendar[aria-busy="false"][data-read="true"]\')')


@pytest.mark.browser
def test_what_each_role_sees_and_may_do(sides: tuple[Side, Side], tmp_path: Path) -> None:  # noqa: F811
    one, _ = sides
    tokens = {name: one.add(name, role) for name, role in (("vish", "user"), ("max", "manager"), ("gil", "guest"))}
    slot = {"start": f"{DAY}T09:00Z", "end": f"{DAY}T10:00Z"}
    assert one.reserve(tokens["vish"], "r1", slot).status_code == 201
    with served(one.app) as address, browser(calm=True) as page:
        log_in(page, address, tokens["gil"])
        wait_until(lambda: page.run(BLOCKS) == [["taken", "09:00–10:00"]])
        assert page.text(".known") == "gil, guest"
        seen = "return arguments[0].map((each) => document.querySelector(each).checkVisibility())"
        parts = ["#form", "#mine", "#conflicts-open", "#find"]
        assert page.run(seen, parts) == [False, False, False, True]
        assert "vish" not in page.run("return document.body.innerHTML")
        assert page.run(f"return document.querySelector('{CELL}').getAttribute('aria-label')").endswith(
            "✓ taken, final"
        )

        log_in(page, address, tokens["vish"])
        wait_until(lambda: page.run(BLOCKS) == [["vish", "09:00–10:00"]])
        assert page.text(".known") == "vish"
        assert page.run(seen, parts) == [True, True, True, True]
        page.click('[data-time="11:00"]')
        page.click("#form .main")
        wait_until(lambda: len(page.run(BLOCKS)) == 2)

        log_in(page, address, tokens["max"])
        wait_until(lambda: len(page.run(BLOCKS)) == 2)
        page.click('.block[data-id="vish/r1"]')
        page.wait_for_text("#details .danger", "Cancel this reservation")
        assert "Move" not in page.text("#details")
        page.click("#details .danger")
        page.wait_for_text("#details [role=alert]", "Give a reason")
        page.type("#details .reason input", "the room is being painted")
        page.click("#details .danger")
        wait_until(lambda: page.run(BLOCKS) == [["vish", "11:00–12:00"]])
        log_in(page, address, tokens["max"])  # the cancel was held back
        reason = wait_until(lambda: one.ask("GET", "/reservations/vish/r1", tokens["vish"]).json["reason"])
        assert reason == {
            "code": "cancelled",
            "message": "Cancelled by max: the room is being painted",
            "by": "max",
        }

        log_in(page, address, tokens["vish"])
        page.wait_for_text("#tray .card", "Cancelled by max: the room is being painted")
        assert "09:00–10:00 was cancelled" in page.text("#tray .card")
        page.click("#tray .card button")
        assert page.text("#tray") == ""
        log_in(page, address, tokens["vish"])
        page.wait_for("document.querySelectorAll('#mine li').length === 1")
        assert page.text("#tray") == ""
        assert page.problems() == []
