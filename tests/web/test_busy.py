"""The calendar page in a real browser. The browser's address sends more requests than the replica allows."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import requests

from cluster.waiting import wait_until
from tests.support.booking_page import page
from tests.support.browser import Page
from tests.support.live import live

__all__ = ["page"]  # a fixture

pytestmark = pytest.mark.browser


def test_a_page_says_that_there_are_too_many_requests_and_goes_on_when_there_are_fewer(
    page: Page, tmp_path: Path
) -> None:
    with live(tmp_path, ("one",), requests={"user_per_s": 2, "address_per_s": 2}) as processes:
        base, is_over = f"http://{processes.settings.replica('one').rest}", threading.Event()

        def hammer() -> None:
            """Send so many requests that the replica refuses requests from this address. Pause after each request, so
            that the page gets processor time."""
            with requests.Session() as session:
                while not is_over.wait(0.05):
                    session.get(f"{base}/login", timeout=30)

        others = [threading.Thread(target=hammer) for _ in range(4)]
        for other in others:
            other.start()
        try:
            wait_until(lambda: requests.get(f"{base}/login", timeout=30).status_code == 429, 30, "a request is refused")
            page.open(f"{base}/#day=2030-06-03")
            said = "return document.body.innerText.includes('more requests than this replica allows')"
            # Each request of the page is sent three times before the page gives up, after up to 5 s each.
            wait_until(lambda: page.run(said), 120, "the page says that there are too many requests")
        finally:
            is_over.set()
            for other in others:
                other.join()
        page.wait_for('document.querySelector(\'#calendar[aria-busy="false"][data-read="true"]\')')
