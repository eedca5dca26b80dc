"""A replay on the cluster page: writes are undone and played again one by one, before their new outcomes are shown."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from cluster.processes import Processes
from tests.support.browser import Page, browser
from tests.support.live import live
from tests.support.waiting import wait_until
from tests.web.test_class import begin
from tests.web.test_cluster import ROWS, pytestmark, reserve
from tests.web.test_diagram import CLICK

__all__ = ["pytestmark"]

# Records each step of a replay in the column of `two`: [what, user, time, rows that are still undone]. Also records the
# counts in the header and the counts of the list at each step.
RECORD = """
window.steps = [];
window.counts = [];
window.stepped = []; // the moment of each step, in milliseconds
const column = document.querySelector(".column[data-label='two']");
const rowsOf = (row) => [row.querySelector(".who b").textContent, row.querySelector(".when").textContent];
new MutationObserver((changes) => {
  for (const { target, oldValue } of changes) {
    const [was, is] = [/\\bundone\\b/.test(oldValue), target.classList.contains("undone")];
    if (was === is) continue;
    const still = [...column.querySelectorAll(".write.undone")].map((row) => rowsOf(row).join(" "));
    window.steps.push([is ? "undone" : "again", ...rowsOf(target), is ? [] : still]);
    window.stepped.push(performance.now());
    const counts = [...column.querySelectorAll(".count")].map((each) => Number(each.textContent));
    const csns = [...column.querySelectorAll(".write .csn")].map((each) => Number(each.textContent));
    window.counts.push([counts, [Math.max(...csns), csns.filter((csn) => csn === 0).length]]);
  }
}).observe(column.querySelector(".log"), {subtree: true, attributeFilter: ["class"], attributeOldValue: true});
"""
# Lets each step of a replay take a minute.
ENDLESS = """
const { setTimeout } = window;
window.setTimeout = (run, wait) => setTimeout(run, wait === 400 ? 60_000 : wait);
"""
NINE, TEN, ELEVEN = "09:00–10:00", "10:00–11:00", "11:00–12:00"
LIST = [
    "↶ neil’s review: 6.12 10:00–11:00",
    "↶ priyal’s standup: 6.12 09:00–10:00",
    "↷ priyal’s standup: 6.12 09:00–10:00 → 10:00–11:00",
    "↷ neil’s review: 6.12 10:00–11:00 → 11:00–12:00",
]
COUNTS = "↶ 2 undone · ↷ 2 replayed, from one"


def conflict(page: Page, processes: Processes) -> None:
    """Let the replica `one` accept a write. Then let the replica `two` accept a pair of writes. Both writes move when
    the write of the replica `one` arrives."""
    begin(page, processes)
    reserve(processes, "one", "vish", 9)
    reserve(processes, "two", "priyal", 9, 10)
    reserve(processes, "two", "neil", 10, 11, purpose="review")
    wait_until(lambda: rows(page) == [("priyal", NINE), ("neil", TEN)])
    wait_until(lambda: len(page.run(ROWS, "one")) == 1)


def rows(page: Page) -> list[tuple[str, str]]:
    return [(user, when) for _, _, user, when in page.run(ROWS, "two")]


REPLAYED = [("vish", NINE), ("priyal", TEN), ("neil", ELEVEN)]


def test_writes_are_undone_and_played_again_one_by_one_before_their_new_times_are_shown(tmp_path: Path) -> None:
    with live(tmp_path / "c") as processes, browser(1400, 1000) as page:
        conflict(page, processes)
        page.run(RECORD)
        page.click("[data-session='one-two']")
        page.wait_for("window.steps.length === 4")
        assert page.run("return window.steps") == [
            ["undone", "neil", TEN, []],
            ["undone", "priyal", NINE, []],
            ["again", "priyal", TEN, [f"neil {TEN}"]],
            ["again", "neil", ELEVEN, []],
        ]
        assert [header for header, _ in page.run("return window.counts")] == [[0, 2], [0, 2], [0, 3], [0, 3]]
        assert all(header == listed for header, listed in page.run("return window.counts"))
        moments = page.run("return window.stepped")
        assert all(later - earlier > 300 for earlier, later in pairwise(moments))
        page.wait_for("document.querySelector('[data-label=two] .playing').hidden")
        assert rows(page) == REPLAYED
        assert page.text("[data-label='two'] .replay summary") == COUNTS
        assert LIST[0] not in page.text("[data-label='two'] .replay")
        page.click("[data-label='two'] .replay summary")
        assert page.text("[data-label='two'] .replay").splitlines() == [COUNTS, *LIST]
        page.press("d")
        page.wait_for("document.querySelector('#timeline [data-what=\"rolled_back\"]')")
        page.run(CLICK, "#timeline [data-what='rolled_back']")
        assert [line for line in page.text("#timeline .details").splitlines() if line in LIST] == LIST
        assert page.problems() == []


def test_a_replay_can_be_skipped(tmp_path: Path) -> None:
    with live(tmp_path / "c") as processes, browser(1400, 1000) as page:
        conflict(page, processes)
        page.run(RECORD)
        page.run(ENDLESS)
        page.click("[data-session='one-two']")
        page.wait_for("document.querySelector('[data-label=two] .skip').checkVisibility()")
        page.click("[data-label='two'] .skip")
        page.wait_for("document.querySelector('[data-label=two] .playing').hidden && window.steps.length === 4")
        assert rows(page) == REPLAYED
        assert page.text("[data-label='two'] .replay summary") == COUNTS


def test_without_movement_a_replay_is_a_list(tmp_path: Path) -> None:
    with live(tmp_path / "c") as processes, browser(1400, 1000, calm=True) as page:
        conflict(page, processes)
        page.run(RECORD)
        page.click("[data-session='one-two']")
        wait_until(lambda: rows(page) == REPLAYED)
        assert page.text("[data-label='two'] .replay").splitlines() == [COUNTS, *LIST]
        assert page.run("return window.steps") == []
