"""The calendar page in real browsers, over real replicas: reserving, being cut off, moving, losing a place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from cluster.processes import Processes
from tests.browser import Page, browser, needs_browser
from tests.live import LABELS, link, live, wait_until, wait_until_equal

pytestmark = needs_browser

DAY = "2030-06-03"
BLOCKS = """
return [...document.querySelectorAll(".block")].map((block) => [
  block.querySelector(".user").textContent, block.querySelector(".time").textContent, block.dataset.state,
  block.dataset.mine === "true"]).sort()
"""
CHOICES = "return [...document.querySelectorAll('.choice')].map((choice) => choice.textContent)"
FOCUSED = "return document.activeElement.getAttribute('aria-label')"


def opened(page: Page, processes: Processes, at: str, user: str, more: str = "") -> None:
    page.open(f"http://{processes.settings.replica(at).rest}/#day={DAY}{more}")
    page.wait_for('document.querySelector(\'#calendar[aria-busy="false"] [data-read="true"], [data-read="true"]\')')
    page.type("#me", user)


def cell(time: str, room: str = "6.12") -> str:
    return f'[data-room="{room}"][data-day="{DAY}"][data-time="{time}"]'


def slot(hour: int) -> dict[str, str]:
    return {"start": f"{DAY}T{hour:02}:00:00Z", "end": f"{DAY}T{hour + 1:02}:00:00Z"}


def reserve(processes: Processes, label: str, user: str, *hours: int, purpose: str = "standup") -> Any:
    asked = {"room": "6.12", "slots": [slot(hour) for hour in hours], "purpose": purpose, "request": f"r{hours[0]}"}
    return processes.rest(label).post("/reservations", asked, user=user)


def choose(page: Page, *times: tuple[str, str]) -> None:
    for first, last in times:
        page.drag(cell(first), cell(last))


def cut_off(processes: Processes, label: str, *, up: bool = False) -> None:
    for other in processes.labels:
        if other != label:
            link(processes, label, other, up=up)


def test_two_reserve_the_same_while_cut_off_and_one_moves(tmp_path: Path) -> None:
    with (
        live(tmp_path / "c") as processes,
        browser(tmp_path / "b1") as first,
        browser(tmp_path / "b2", 1920, 1080) as second,
    ):
        opened(first, processes, "one", "vish")
        opened(second, processes, "two", "priyal")
        cut_off(processes, "two")
        second.wait_for_text("#health", "Cut off from the primary, one.")

        for page, purpose in ((first, "board"), (second, "budget")):
            choose(page, ("09:00", "09:30"), ("11:00", "11:30"))
            assert page.run(CHOICES) == ["109:00–10:00", "211:00–12:00"]
            page.type("#purpose", purpose)
            page.click("#form .main")
        wait_until(lambda: first.run(BLOCKS) == [["vish", "09:00–10:00", "committed", True]])
        wait_until(lambda: second.run(BLOCKS) == [["priyal", "09:00–10:00", "tentative", True]])
        second.wait_for_text("#health", "1 reservation waits to be final")
        second.wait_for_text("#answer", "Not final yet")

        cut_off(processes, "two", up=True)
        for page, mine in ((first, "vish"), (second, "priyal")):
            agreed = [[user, time, "committed", user == mine] for user, time in (
                ("priyal", "11:00–12:00"), ("vish", "09:00–10:00"))]  # fmt: skip
            wait_until(lambda page=page, agreed=agreed: page.run(BLOCKS) == agreed)  # type: ignore[misc]
        second.wait_for_text(".notice.mine", "Your budget moved from 09:00–10:00 to 11:00–12:00 in 6.12")
        assert second.text(".block.moved .moved-from") == "↷ from 09:00"
        second.wait_for_text("#answer", "It is final.")
        second.wait_for("document.getElementById('health').textContent === ''")
        assert first.problems() == second.problems() == []


def test_who_lost_a_place_is_told_and_finds_the_nearest_free_time(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:2]) as processes, browser(tmp_path / "b") as page:
        opened(page, processes, "two", "priyal")
        cut_off(processes, "two")
        reserve(processes, "two", "priyal", 9, purpose="budget")
        reserve(processes, "one", "vish", 9)
        reserve(processes, "one", "neil", 10)
        cut_off(processes, "two", up=True)
        page.wait_for_text("#tray .card", "An earlier reservation took the place")
        assert "lost 6.12, Mon 3 Jun 09:00–10:00" in page.text("#tray .card")
        page.click("#tray .card .main")
        page.wait_for_text("#tray .found", "Free: 6.12, Mon 3 Jun 08:00–09:00.")
        page.click("#tray .take")
        wait_until(lambda: ["priyal", "08:00–09:00", "committed", True] in page.run(BLOCKS))
        page.wait_for("document.querySelector('#tray .card') === null")
        wait_until_equal(processes)


def test_a_page_that_loses_its_replica_says_so_and_comes_back(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:2]) as processes, browser(tmp_path / "b") as page:
        opened(page, processes, "two", "vish")
        reserve(processes, "two", "vish", 9)
        wait_until(lambda: len(page.run(BLOCKS)) == 1)
        processes.stop("two")
        page.wait_for_text("#health", "Replica two does not answer.")
        choose(page, ("14:00", "14:30"))
        page.click("#form .main")
        page.wait_for_text("#answer", "The replica does not answer. Try again")
        reserve(processes, "one", "priyal", 11)
        processes.start("two")
        wait_until(lambda: [block[0] for block in page.run(BLOCKS)] == ["priyal", "vish"])
        page.wait_for("document.getElementById('health').dataset.level === 'ok'")
        page.click("#form .main")
        wait_until(lambda: ["vish", "14:00–15:00", "committed", True] in page.run(BLOCKS))


def test_by_keyboard_alone(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:1]) as processes, browser(tmp_path / "b", calm=True) as page:
        opened(page, processes, "one", "vish")
        reserve(processes, "one", "neil", 9, purpose="interview")
        wait_until(lambda: len(page.run(BLOCKS)) == 1)
        assert page.run("return document.querySelectorAll('#calendar [tabindex=\"0\"]').length") == 1
        page.run("document.querySelector('#calendar [tabindex=\"0\"]').focus()")
        page.press(Keys.HOME, *[Keys.ARROW_DOWN] * 4)
        assert page.run(FOCUSED) == "6.12 09:00: ✓ neil, interview, final"
        page.press(Keys.ENTER)
        page.wait_for_text("#details", "interview")
        assert "Cancel" not in page.text("#details")
        page.press(Keys.ESCAPE, *[Keys.ARROW_DOWN] * 2)
        assert page.run(FOCUSED) == "6.12 10:00: free"
        page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, holding=Keys.SHIFT)
        page.press(Keys.ENTER)
        assert page.run(CHOICES) == ["110:00–11:30"]
        page.press(Keys.PAGE_DOWN, Keys.ENTER)
        assert page.run(CHOICES) == ["110:00–11:30", "213:00–14:00"]
        assert page.run(FOCUSED) == "6.12 13:00: chosen as 2"
        page.press(Keys.ARROW_RIGHT, Keys.ENTER)
        page.wait_for_text("#answer", "All times are for one room")
        page.run("document.getElementById('purpose').focus()")
        page.press("review", Keys.ENTER)
        wait_until(lambda: ["vish", "10:00–11:30", "committed", True] in page.run(BLOCKS))


def test_mine_is_cancelled_from_its_details(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:1]) as processes, browser(tmp_path / "b") as page:
        opened(page, processes, "one", "vish")
        reserve(processes, "one", "vish", 9)
        wait_until(lambda: len(page.run(BLOCKS)) == 1)
        page.click(".block")
        page.wait_for_text("#details .danger", "Cancel this reservation")
        page.click("#details .danger")
        wait_until(lambda: page.run(BLOCKS) == [])
        assert processes.rest("one").get("/reservations/vish/r9")["state"] == "cancelled"


def test_a_name_is_asked_for_and_kept(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:1]) as processes, browser(tmp_path / "b") as page:
        opened(page, processes, "one", "")
        choose(page, ("09:00", "09:30"))
        page.click("#form .main")
        page.wait_for_text("#me-wrong", "Please say who you are first.")
        assert page.run("return document.activeElement.id") == "me"
        page.press("two words")
        page.wait_for_text("#me-wrong", "A name has letters, digits")
        page.type("#me", "vish")
        page.click("#form .main")
        wait_until(lambda: page.run(BLOCKS) == [["vish", "09:00–10:00", "committed", True]])
        page.driver.refresh()
        page.wait_for("document.getElementById('me').value === 'vish'")


def test_a_room_has_its_week_and_times_are_of_its_zone(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:1], timezone="Asia/Kolkata") as processes, browser(tmp_path / "b") as page:
        reserve(processes, "one", "neil", 9)
        opened(page, processes, "one", "vish", "&view=week&room=6.12")
        assert page.text("#title") == "6.12: Mon 3 Jun – Sun 9 Jun 2030"
        wait_until(lambda: page.run(BLOCKS) == [["neil", "14:30–15:30", "committed", False]])
        assert page.text(".corner") == "Kolkata"
        page.click("#next")
        page.wait_for_text("#title", "Mon 10 Jun – Sun 16 Jun")
        wait_until(lambda: page.run(BLOCKS) == [])
        page.driver.back()
        wait_until(lambda: len(page.run(BLOCKS)) == 1)
        page.click(".heads [role=columnheader]:nth-child(2) button")
        page.wait_for_text("#title", "Monday 3 June 2030")


@pytest.mark.parametrize(("day", "skipped"), [("2030-03-31", ["02:00", "02:30"]), ("2030-10-27", [])])
def test_days_on_which_clocks_change(tmp_path: Path, day: str, skipped: list[str]) -> None:
    """What is reserved over the change lasts as long as it says."""
    with live(tmp_path / "c", LABELS[:1], timezone="Europe/Brussels") as processes, browser(tmp_path / "b") as page:
        ends = {"start": f"{day}T00:00:00Z", "end": f"{day}T02:00:00Z"}
        processes.rest("one").post("/reservations", {"room": "6.12", "slots": [ends]}, user="vish")
        page.open(f"http://{processes.settings.replica('one').rest}/#day={day}")
        wait_until(lambda: len(page.run(BLOCKS)) == 1)
        found = page.run("return [...document.querySelectorAll('.skipped')].map((cell) => cell.dataset.time)")
        assert sorted(set(found)) == skipped
        shown = "01:00–04:00" if skipped else "02:00–03:00"
        assert page.run(BLOCKS)[0][1] == shown


def test_on_a_phone_nothing_is_wider_than_the_screen(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:1]) as processes, browser(tmp_path / "b") as page:
        size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
        page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        opened(page, processes, "one", "vish")
        page.click(cell("10:00"))
        page.wait_for("document.querySelectorAll('#choices li').length === 1")
        assert page.run("return document.documentElement.scrollWidth") <= 360
        outside = """
        return [...document.querySelectorAll("header *, #form *")].filter((node) => {
          const {left, right, width} = node.getBoundingClientRect();
          return width > 1 && (left < 0 || right > 361) && !node.closest(".unseen");
        }).map((node) => node.outerHTML)"""
        assert page.run(outside) == []
