"""The space-time diagram of the cluster page. The diagram shows new events as they happen, and a slider shows earlier
moments."""

from __future__ import annotations

from pathlib import Path

from tests.support.browser import browser
from tests.support.live import LABELS, live
from tests.support.waiting import wait_until
from tests.web.test_class import begin
from tests.web.test_cluster import reserve
from tests.web.test_modules import page, pytestmark

__all__ = ["page", "pytestmark"]

SHOWN = """
return [...document.querySelectorAll("#timeline .event")].filter((each) => !each.classList.contains("later"))
  .map((each) => `${each.dataset.what} ${each.dataset.lane} ${each.querySelector(".caption").textContent}`)
"""
ARROWS = """
return [...document.querySelectorAll("#timeline .arrow:not(.later)")].map((each) => each.dataset.kind)
"""
OVERLAPS = """
const texts = [...document.querySelectorAll("#timeline svg :is(.caption, .stamp)")].filter((each) => each.textContent);
const boxes = texts.map((each) => each.getBBox());
return boxes.flatMap((one, index) => boxes.slice(index + 1).filter((other) =>
  one.x + 1 < other.x + other.width && other.x + 1 < one.x + one.width &&
  one.y + 4 < other.y + other.height && other.y + 4 < one.y + one.height)).length;
"""
CLICK = "document.querySelector(arguments[0]).dispatchEvent(new MouseEvent('click', {bubbles: true}))"
SCRUB = """
const range = document.querySelector("#timeline .scrubber");
range.value = arguments[0];
range.dispatchEvent(new Event("input"));
"""


def test_what_happens_is_drawn_and_can_be_scrubbed(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS) as processes, browser(1400, 1000) as page:
        begin(page, processes)
        page.press("d")
        page.wait_for("!document.querySelector('#timeline').hidden")
        reserve(processes, "two", "vish", 9)
        reserve(processes, "three", "priyal", 9, 10)
        page.click("[data-session='two-three']")
        replay = ["rolled_back three 1×", "received three vish", "replayed three priyal"]
        page.wait_for("document.querySelectorAll('#timeline [data-what=\"replayed\"]').length === 1")
        wait_until(lambda: replay[-1] in page.run(SHOWN))
        shown = page.run(SHOWN)
        assert [text for text in shown if " three " in text][-4:] == ["accepted three priyal", *replay]
        assert {"hello", "batch", "ack", "done"} <= set(page.run(ARROWS))
        assert page.run(OVERLAPS) == 0

        page.run(CLICK, "#timeline [data-what='replayed']")
        details = page.text("#timeline .details")
        assert "replayed at three: priyal’s reserve" in details
        for part in ("room:6.12/2030-06-03", "first_choice_free", "first_free_alternative", "outcome before", "merged"):
            assert part in details
        page.run(CLICK, "#timeline .arrow.batch")
        assert "’s reserve" in page.text("#timeline .details")

        page.run(SCRUB, "0")
        assert page.run(SHOWN) == page.run(ARROWS) == []
        page.run("document.querySelector('#timeline select').value = '16'")
        page.click("#timeline .play[title='Play']")
        wait_until(lambda: page.run(SHOWN) == shown)
        page.click("#timeline .play[title='Play backwards']")
        wait_until(lambda: page.run(SHOWN) == [])
        page.click("#timeline .end")
        assert page.run(SHOWN) == shown
        page.run("document.querySelector('[data-link=\"one-two\"]').click()")
        page.wait_for("document.querySelectorAll('#timeline [data-track=\"one-two\"] .cut').length === 1")
        assert page.problems() == []


def test_without_manual_pace_the_page_says_why_there_are_no_arrows(tmp_path: Path) -> None:
    with live(tmp_path / "c", LABELS[:2]) as processes, browser() as page:
        page.open(f"http://{processes.settings.replica('one').rest}/cluster")
        page.click(".opener")
        reserve(processes, "two", "vish", 9)
        wait_until(lambda: "received one vish" in page.run(SHOWN) and "committed two vish" in page.run(SHOWN))
        assert page.run(ARROWS) == []
        page.wait_for_text("#timeline", "only at manual pace")
        assert page.problems() == []
