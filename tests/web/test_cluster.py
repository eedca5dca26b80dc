"""The cluster page in a real browser, over three real replicas. The page shows links, conflicts and commits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests
from selenium.webdriver.common.keys import Keys

from cluster.processes import Processes
from tests.apps.test_records import DAY_1, MEETINGS, meeting
from tests.support.browser import Page, browser
from tests.support.live import LABELS, link, live, wait_until_equal
from tests.support.waiting import wait_until
from tests.web.test_roles import LOG_IN

pytestmark = pytest.mark.browser

ROWS = """
return [...document.querySelectorAll(`[data-label="${arguments[0]}"] .write`)].map((row) => [
  row.dataset.looks, row.querySelector(".csn").textContent,
  row.querySelector(".who b").textContent, row.querySelector(".when").textContent])
"""
WRITES = """
return [...document.querySelectorAll(`[data-label="${arguments[0]}"] .write`)].map((row) => [
  row.dataset.looks, row.querySelector(`.${arguments[1]}`).textContent])
"""
LINKS = "return Object.fromEntries([...document.querySelectorAll('.link')].map((b) => [b.dataset.link, b.dataset.up]))"
# Counts things that pass too quickly for a test to see: rows that are undone, and copies that travel.
WATCH = """
window.seen = {undone: 0, travelling: 0};
new MutationObserver((changes) => {
  for (const name of Object.keys(window.seen)) {
    window.seen[name] = Math.max(window.seen[name], document.getElementsByClassName(name).length);
  }
}).observe(document.body, {subtree: true, childList: true, attributes: true});
"""


def opened(page: Page, processes: Processes, at: str = "one") -> None:
    page.open(f"http://{processes.settings.replica(at).rest}/cluster")
    page.wait_for(f"document.querySelectorAll('.column[data-up=\"true\"]').length === {len(LABELS)}")


def slot(hour: int) -> dict[str, str]:
    return {"start": f"2030-06-03T{hour:02}:00:00Z", "end": f"2030-06-03T{hour + 1:02}:00:00Z"}


def reserve(processes: Processes, label: str, user: str, *hours: int, purpose: str = "standup") -> Any:
    asked = {"room": "6.12", "slots": [slot(hour) for hour in hours], "purpose": purpose}
    return processes.rest(label).post("/reservations", asked, user=user)


def all_cut(page: Page, state: str) -> None:
    wait_until(lambda: page.run(LINKS) == {"one-two": state, "two-three": state, "one-three": state})


def test_two_conflict_while_cut_off_and_one_moves_when_links_heal(tmp_path: Path) -> None:
    with live(tmp_path / "c") as processes, browser() as page:
        opened(page, processes)
        page.run(WATCH)
        page.click("[data-link='one-two']")
        page.press("2", "3")
        all_cut(page, "false")
        reserve(processes, "one", "vish", 9)
        reserve(processes, "two", "priyal", 9, 10)
        wait_until(lambda: page.run(ROWS, "one") == [["committed", "1", "vish", "09:00–10:00"]])
        wait_until(lambda: page.run(ROWS, "two") == [["tentative", "", "priyal", "09:00–10:00"]])
        assert page.run(ROWS, "three") == []

        page.click("[data-link='one-two']")
        page.press("2", "3")
        all_cut(page, "true")
        agreed = [["committed", "1", "vish", "09:00–10:00"], ["committed", "2", "priyal", "10:00–11:00"]]
        for label in LABELS:
            wait_until(lambda label=label: page.run(ROWS, label) == agreed)  # type: ignore[misc]
        wait_until_equal(processes)
        page.wait_for("window.seen.undone > 0 && window.seen.travelling > 0")
        assert page.text("[data-label='one'] .mark") == "★ primary"
        stamps = page.run("return [...document.querySelectorAll('.log .write .stamp')].map((each) => each.textContent)")
        assert len(stamps) == 6
        assert all(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", stamp) for stamp in stamps)
        assert "asked 09:00–10:00" in page.text("[data-label='two'] .write:last-child .what")
        page.wait_for("document.querySelectorAll('.vectors .behind').length === 0")
        assert page.problems() == []


def test_writes_of_records_show_how_they_are_and_how_far_they_have_spread(tmp_path: Path) -> None:
    with live(tmp_path / "c") as processes, browser() as page:
        processes.rest("one").post("/relations", {"relation": "meetings", **MEETINGS}, "vish")
        wait_until_equal(processes)
        for one, other in (("one", "two"), ("one", "three"), ("two", "three")):
            link(processes, one, other, up=False)
        opened(page, processes)
        two, three = map(processes.rest, ("two", "three"))
        two.post("/records", meeting("meetings"), "ann")
        three.post("/records", meeting("meetings"), "bob")
        three.post(
            "/records", meeting("meetings", parameters={"day": DAY_1, "start": 600, "stop": 660}, merge=[]), "eve"
        )
        reserve(processes, "two", "priyal", 9)

        def records(label: str, column: str) -> Any:
            return page.run(WRITES, label, column)[1:]  # after the definition

        nine = "insert meetings 6.12 2026-12-01 540 600"
        wait_until(lambda: records("two", "what")[:1] == [["tentative", f"{nine} ann"]])
        wait_until(lambda: records("two", "held") == [["tentative", "at two only"]] * 2)
        link(processes, "two", "three", up=True)
        both = "at three and two, waiting for the primary"
        wait_until(
            lambda: records("three", "held") == [*[["tentative", both]] * 2, ["rejected", both], ["tentative", both]]
        )
        merged = "merged by step 1, alternative 1 · insert meetings 6.12 2026-12-01 600 660 bob"
        stands = "in the way: meetings 6.12 2026-12-01 600 660 bob"
        assert records("three", "what")[1:3] == [
            ["tentative", merged],
            ["rejected", f"conflict · insert meetings 6.12 2026-12-01 600 660 eve · {stands}"],
        ]
        for other in ("two", "three"):
            link(processes, "one", other, up=True)
        wait_until(
            lambda: [looks for looks, _ in records("three", "what")] == [*["committed"] * 2, "rejected", "committed"]
        )
        assert records("three", "what")[1] == ["committed", merged]
        assert {held for _, held in records("three", "held")} == {""}
        assert page.problems() == []


def test_a_link_is_cut_and_healed_by_keyboard_alone(tmp_path: Path) -> None:
    with live(tmp_path / "c") as processes, browser() as page:
        opened(page, processes)
        page.run("document.querySelector('[data-link=\"two-three\"]').focus()")
        for state, word in (("cut", "cut"), ("up", "healed")):
            page.press(Keys.ENTER)
            page.wait_for_text("#said", f"The link between two and three is {word}.")
            peers = {peer["label"]: peer["link"] for peer in processes.rest("three").get("/replica")["peers"]}
            assert peers == {"one": "up", "two": state}
            page.wait_for(f"document.activeElement.dataset.up === '{str(state == 'up').lower()}'")


def test_without_movement_the_same_is_shown(tmp_path: Path) -> None:
    with live(tmp_path / "c") as processes, browser(calm=True) as page:
        opened(page, processes, at="two")
        page.run(WATCH)
        reserve(processes, "two", "vish", 9)
        for label in LABELS:
            wait_until(lambda label=label: page.run(ROWS, label) == [["committed", "1", "vish", "09:00–10:00"]])  # type: ignore[misc]
        assert page.run("return window.seen") == {"undone": 0, "travelling": 0}


def test_a_dead_replica_is_shown_and_comes_back_by_itself(tmp_path: Path) -> None:
    with live(tmp_path / "c") as processes, browser() as page:
        opened(page, processes)
        processes.kill("three")
        page.wait_for_text("[data-label='three'] .reach", "does not answer")
        reserve(processes, "one", "vish", 9)
        wait_until(lambda: len(page.run(ROWS, "two")) == 1)
        assert page.run(ROWS, "three") == []
        processes.start("three")
        wait_until(lambda: page.run(ROWS, "three") == [["committed", "1", "vish", "09:00–10:00"]])
        assert page.run("return document.querySelector('.column[data-label=\"three\"]').dataset.up") == "true"


@pytest.mark.parametrize("purpose", ["<img src=x onerror=alert(1)>", "</li><script>document.title='broken'</script>"])
def test_what_users_typed_stays_text(tmp_path: Path, purpose: str) -> None:
    with live(tmp_path / "c", LABELS[:1]) as processes, browser() as page:
        page.open(f"http://{processes.settings.replica('one').rest}/cluster")
        reserve(processes, "one", "vish", 9, purpose=purpose)
        page.wait_for_text(".write .what", purpose)
        assert page.run("return document.querySelectorAll('main img, main script').length") == 0
        assert "broken" not in page.driver.title


def test_a_forgotten_replica_and_what_waits_are_shown(tmp_path: Path) -> None:
    with live(tmp_path / "c") as processes, browser() as page:
        wait_until_equal(processes)
        reserve(processes, "one", "ann", 8)
        wait_until_equal(processes)
        for other in ("two", "three"):
            link(processes, "one", other, up=False)
        reserve(processes, "three", "vish", 9)
        wait_until(lambda: processes.rest("two").get("/replica")["tentative"] == 1)
        opened(page, processes, at="two")
        assert page.run("return document.querySelector('#waiting').hidden")
        processes.kill("three")
        waits = "reserve 6.12, Mon 3 Jun 09:00–10:00"
        page.wait_for_text("#waiting li", "accepted by three, which does not answer; at two and three")
        assert waits in page.text("#waiting li")
        processes.rest("two").post("/replica/forget", {"replica": "three", "confirmed": True})
        page.wait_for_text("[data-label='three'] .reach", "lost, was forgotten")
        page.wait_for_text("#waiting li", "accepted by three, which was forgotten; at two only")
        assert "link heal one" in page.text("#waiting .help")
        code = "return [...document.querySelectorAll('#waiting .help code')].map((each) => each.textContent)"
        assert page.run(code) == ["link heal one"]
        assert "`" not in page.text("body")
        link(processes, "one", "two", up=True)
        page.wait_for("document.querySelector('#waiting').hidden")
        assert page.problems() == []


def test_the_page_says_what_a_login_may_not_see(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:2], auth="tokens") as processes, browser(calm=True) as page:
        operator = (processes.settings.data / "one" / "operator.token").read_text().strip()
        base = f"http://{processes.settings.replica('one').rest}"
        people = f"{base}/people"
        headers = {"Authorization": f"Bearer {operator}"}
        added = {role: requests.post(people, json={"name": role, "role": role}, headers=headers, timeout=10).json()
                 for role in ("guest", "user")}  # fmt: skip
        reach = "return [...document.querySelectorAll('.reach')].map((each) => each.textContent)"
        hidden = "not visible with this login"
        for role, own in (("guest", hidden), ("user", base.removeprefix("http://"))):
            page.open(f"{base}/login")
            assert page.driver.execute_async_script(LOG_IN, added[role]["token"]) == 200
            page.open(f"{base}/cluster")
            wait_until(lambda own=own: page.run(reach) == [own, hidden])  # type: ignore[misc]
        processes.stop("two")
        wait_until(lambda: page.run(reach)[1] == "does not answer – trying again")
