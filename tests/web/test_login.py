"""The login page in a real browser. A token opens the calendar. The login sets a cookie that scripts cannot read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apps.test_people import Side, sides  # noqa: F401  # the fixture
from tests.support.browser import browser
from tests.support.web_server import served

ASK = "fetch('/login', {headers: {Accept: 'application/json'}}).then(r => r.json()).then(r => (window.who = r))"


@pytest.mark.browser
def test_a_token_opens_the_calendar_and_logging_out_closes_it(sides: tuple[Side, Side], tmp_path: Path) -> None:  # noqa: F811
    one, _ = sides
    token = one.add("vish", "user")
    with served(one.app) as address, browser() as page:
        page.open(f"http://{address}/")
        page.wait_for("location.pathname === '/login' && !document.getElementById('form').hidden")
        page.type("#token", "vish.nonsensenonsensenonsense")
        page.click("button[type=submit]")
        page.wait_for_text("#wrong", "does not know the token")
        page.type("#token", token)
        page.click("button[type=submit]")
        page.wait_for("location.pathname === '/'")
        page.run(ASK)
        page.wait_for("window.who?.user === 'vish'")
        assert page.run("return document.cookie") == ""
        page.open(f"http://{address}/login")
        page.wait_for_text("#present", "You are vish (user)")
        page.click("#leave")
        page.wait_for_text("#present", "asks for a token")
        page.open(f"http://{address}/")
        page.wait_for("location.pathname === '/login'")
