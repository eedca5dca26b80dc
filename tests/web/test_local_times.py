"""The calendar page in a real browser, after `timezone` in the configuration was corrected.

The page marks each reservation that is now at another local time than the user asked for.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.booking_page import ROOMS, open_calendar, reserve
from tests.support.browser import browser
from tests.support.live import LABELS, live
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

DAY = "2030-06-03"
MARKED = """
return [...document.querySelectorAll('.block[data-shifted="true"]')].map((block) => [
  block.querySelector('.user').textContent, block.querySelector('.time').textContent,
  block.querySelector('.moved-from').textContent])
"""
LABEL = "return document.querySelector('.cell[data-room=\"6.12\"][data-time=\"10:00\"]').getAttribute('aria-label')"


def test_a_reservation_at_another_local_time_than_asked_for_is_marked(tmp_path: Path) -> None:
    settings = {"rooms": ROOMS, "timezone": "Europe/London"}
    with live(tmp_path / "c", LABELS[:1], **settings) as processes, browser(calm=True) as page:
        reserve(processes, "vish", f"{DAY}T08:00Z", f"{DAY}T10:00Z", request="a", purpose="tea")
        open_calendar(page, processes, DAY)
        page.wait_for("document.querySelector('.block')")
        assert page.run(MARKED) == []
        processes.stop("one")
        path = processes.configuration
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"timezone": "Europe/Brussels"}))
        processes.start("one")
        processes.wait_until_serving("one")
        reserve(processes, "ann", f"{DAY}T12:00Z", f"{DAY}T13:00Z")

        open_calendar(page, processes, DAY)
        wait_until(lambda: page.run(MARKED) == [["vish", "10:00–12:00", "⚠ asked for 09:00–11:00"]])
        assert page.run(LABEL) == "6.12 10:00: ✓ vish, tea, final, asked for 09:00–11:00"
        page.click('.block[data-shifted="true"]')
        page.wait_for_text("#details", "Mon 3 Jun 09:00–11:00")
        assert "The time zone or its rules have changed." in page.text("#details")
        page.click("#details .actions button:last-child")
        processes.rest("one").post("/local-times/move-back", None, "boss")
        wait_until(lambda: page.run(MARKED) == [] and "09:00–11:00" in page.text(".block .time"))
        assert page.problems() == []
