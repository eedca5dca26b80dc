"""The calendar page in real browsers, over real replicas: users reserve, work while links are cut, move, and lose a
slot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.processes import Processes
from tests.support.browser import Page, browser
from tests.support.live import LABELS, link, live, wait_until_equal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

DAY = "2030-06-03"
BLOCKS = """
return [...document.querySelectorAll(".block")].map((block) => [
  block.querySelector(".user").textContent, block.querySelector(".time").textContent, block.dataset.state,
  block.dataset.mine === "true"]).sort()
"""
CHOICES = "return [...document.querySelectorAll('.choice')].map((choice) => choice.textContent)"


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
        browser() as first,
        browser(1920, 1080) as second,
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
        second.wait_for_text("#answer", "The reservation is final.")
        second.wait_for("document.getElementById('health').textContent === ''")
        assert first.problems() == second.problems() == []


def test_a_lost_slot_is_shown_and_the_nearest_free_time_is_found(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:2]) as processes, browser() as page:
        opened(page, processes, "two", "priyal")
        cut_off(processes, "two")
        reserve(processes, "two", "priyal", 9, purpose="budget")
        reserve(processes, "one", "vish", 9)
        reserve(processes, "one", "neil", 10)
        cut_off(processes, "two", up=True)
        page.wait_for_text("#tray .card", "An earlier reservation took the slot")
        assert "lost 6.12, Mon 3 Jun 09:00–10:00" in page.text("#tray .card")
        page.click("#tray .card .main")
        page.wait_for_text("#tray .found", "Free: 6.12, Mon 3 Jun 08:00–09:00.")
        page.click("#tray .take")
        wait_until(lambda: ["priyal", "08:00–09:00", "committed", True] in page.run(BLOCKS))
        page.wait_for("document.querySelector('#tray .card') === null")
        wait_until_equal(processes)


def test_a_page_without_its_replica_says_so_and_recovers(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:2]) as processes, browser() as page:
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
