"""A class of students on the cluster page: manual pace, single steps, and the actions that each replica offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.processes import Processes
from tests.cluster.test_class import terminal
from tests.support.browser import Page, browser
from tests.support.live import LABELS, live, write_configuration
from tests.support.waiting import wait_until
from tests.web.test_cluster import ROWS, opened, pytestmark

__all__ = ["pytestmark"]

EVENTS = "return [...document.querySelectorAll('#timeline .event')].map((event) => event.dataset.lane)"
USERS = ["vish", "priyal", "neil"]
TENTATIVE, COMMITTED = (
    lambda user, hours: ["tentative", "", user, hours],
    lambda csn, user, hours: ["committed", str(csn), user, hours],
)


def begin(page: Page, processes: Processes) -> None:
    wait_until(lambda: all(processes.rest(label).get("/replica")["primary"]["label"] for label in LABELS))
    opened(page, processes)
    page.click("[data-pace='manual']")
    page.wait_for_text("#said", "All replicas have manual pace.")
    page.wait_for_text("#pace", "Nothing is sent or committed by itself.")


def reserve(page: Page, label: str, user: str | None = None) -> None:
    """Reserve with the form of a replica. The form proposes all values, and `user` replaces the proposed user."""
    button = f"[data-label='{label}'] [data-act='reserve']:enabled"
    page.wait_for("Boolean(document.querySelector(arguments[0])?.offsetParent)", button)  # it is seen
    page.click(button)
    if user:
        page.type(f"[data-label='{label}'] [name='user']", user)
    page.click(f"[data-label='{label}'] .reserve button")
    page.wait_for_text("#said", f"{label}: tentative.")


def test_a_conflict_goes_step_by_step_until_nothing_is_due(tmp_path: Path) -> None:
    with live(tmp_path / "c", users=USERS) as processes, browser(calm=True) as page:
        begin(page, processes)
        reserve(page, "one")
        reserve(page, "two")
        vish, priyal = TENTATIVE("vish", "09:00–10:00"), TENTATIVE("priyal", "09:00–10:00")
        wait_until(lambda: [page.run(ROWS, label) for label in LABELS] == [[vish], [priyal], []])

        both = [vish, TENTATIVE("priyal", "10:00–11:00")]
        final = [COMMITTED(1, "vish", "09:00–10:00"), COMMITTED(2, "priyal", "10:00–11:00")]
        page.click(".step")
        page.wait_for_text("#said", "1 write or commit from one to two, 1 from two to one.")
        wait_until(lambda: [page.run(ROWS, label) for label in LABELS] == [both, both, []])
        page.press("s")
        wait_until(lambda: [page.run(ROWS, label) for label in LABELS] == [both, both, both])
        page.press("s")
        page.wait_for_text("#said", "one: 2 committed.")
        wait_until(lambda: [page.run(ROWS, label) for label in LABELS] == [final, both, both])
        page.press("s")
        wait_until(lambda: [page.run(ROWS, label) for label in LABELS] == [final, both, final])
        page.press("s")
        wait_until(lambda: [page.run(ROWS, label) for label in LABELS] == [final, final, final])
        page.press("s")
        page.wait_for_text("#said", "Nothing is due")

        page.click("[data-pace='auto']")
        page.wait_for_text("#said", "All replicas have auto pace.")
        page.wait_for("document.querySelector('.step').hidden && document.querySelector('.acts').hidden")
        assert page.problems() == []


def test_a_session_runs_on_one_link_and_typing_cuts_no_link(tmp_path: Path) -> None:
    with live(tmp_path / "c", users=USERS) as processes, browser(calm=True) as page:
        begin(page, processes)
        reserve(page, "three", "s1")
        page.click("[data-session='one-three']")
        page.wait_for_text("#said", "0 writes or commits from one to three, 1 from three to one.")
        wait_until(lambda: page.run(ROWS, "one") == [TENTATIVE("s1", "09:00–10:00")])
        assert page.run(ROWS, "two") == []
        page.press("3")
        page.wait_for_text("#said", "The link between one and three is cut.")
        page.wait_for("document.querySelector('[data-session=\"one-three\"]').hidden")
        links = {peer["label"]: peer["link"] for peer in processes.rest("one").get("/replica")["peers"]}
        assert links == {"two": "up", "three": "cut"}


def test_replicas_that_do_not_answer_are_named_and_keep_their_pace(tmp_path: Path) -> None:
    with live(tmp_path / "c", users=USERS) as processes, browser(calm=True) as page:
        opened(page, processes)
        processes.kill("three")
        page.wait_for_text("[data-label='three'] .reach", "does not answer")
        page.click("[data-pace='manual']")
        page.wait_for_text("#said", "No change at three (does not answer). The other replicas have manual pace.")
        page.wait_for('document.querySelector(\'[data-label="three"] [data-act="reserve"]\').disabled')
        processes.start("three")
        page.wait_for_text("#pace", "Manual pace at one, two, but auto at three.")
        page.click("[data-pace='manual']")
        page.wait_for_text("#said", "All replicas have manual pace.")
        assert processes.rest("three").get("/replica")["pace"] == "manual"


def test_the_primary_commits_drops_its_log_hands_over_and_is_replaced(tmp_path: Path) -> None:
    with live(tmp_path / "c", users=USERS) as processes, browser(calm=True) as page:
        begin(page, processes)
        reserve(page, "one")
        page.click("[data-label='one'] [data-act='commit']")
        page.wait_for_text("#said", "one: 1 committed.")
        page.click("[data-label='one'] [data-act='truncate']")
        page.wait_for_text("#said", "one: 1 dropped.")
        page.wait_for('document.querySelector(\'[data-label="two"] [data-act="commit"]\').hidden')
        page.click("[data-label='two'] [data-act='promote']")
        page.wait_for_text("#said", "two: is the primary now.")
        page.wait_for_text("[data-label='two'] .mark", "★ primary")
        processes.kill("two")
        page.wait_for_text("[data-label='two'] .reach", "does not answer")
        page.click("[data-label='one'] [data-act='promote']")
        page.wait_for_text("[data-label='one'] [data-act='promote']", "promote by force")
        page.click("[data-label='one'] [data-act='promote']")
        page.wait_for_text("[data-label='one'] .mark", "★ primary")


def test_a_cluster_that_plays_no_rooms_has_nothing_to_reserve(tmp_path: Path) -> None:
    with live(tmp_path / "c", users=USERS, applications=["records"]) as processes, browser(calm=True) as page:
        begin(page, processes)
        seen = "[...document.querySelectorAll('[data-label=one] .act')].filter((each) => each.checkVisibility())"
        assert page.run(f"return {seen}.map((each) => each.dataset.act)") == ["commit", "truncate"]


@pytest.mark.timeout(300)  # it starts eight processes and a browser
def test_the_page_of_a_class_crashes_a_replica_restarts_it_and_starts_over(tmp_path: Path) -> None:
    configuration = write_configuration(tmp_path, LABELS, {"users": USERS})
    with terminal("class", configuration, BROWSER="true") as teacher, browser(calm=True) as page:
        address = teacher.wait_for("The cluster page: ").split()[-1]
        page.open(address)
        page.wait_for("document.querySelectorAll('.column[data-up=\"true\"]').length === 3")
        assert page.run("return location.hash") == "", "the key is void, so nobody shall copy it"
        page.driver.refresh()
        reserve(page, "two")
        page.click(".opener")
        wait_until(lambda: page.run(EVENTS) == ["two"])
        page.click(".opener")
        act = "[data-label='two'] [data-act='crash']"
        page.click(act)
        page.wait_for_text("#said", "two: crashed.")
        page.wait_for_text("[data-label='two'] .reach", "does not answer")
        page.wait_for_text(act, "restart")
        page.click(act)
        page.wait_for_text(act, "crash")
        wait_until(lambda: page.run(ROWS, "two") == [TENTATIVE("priyal", "09:00–10:00")])
        assert teacher.paces() == ["manual"] * 3

        page.click(".startover")
        page.wait_for_text("#said", "Starting over")
        wait_until(lambda: [page.run(ROWS, label) for label in LABELS] == [[], [], []])
        teacher.wait_for("The class can begin")
        page.wait_for_text("#pace", "Nothing is sent or committed by itself.")
        reserve(page, "three")
        page.click(".opener")
        wait_until(lambda: page.run(EVENTS) == ["three"])

        page.open("about:blank")
        page.open(address)
        page.wait_for_text("#said", "This address was used before")
