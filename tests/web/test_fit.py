"""Measure the layout of the web pages in a real browser. Nothing may overlap, be cut off, or be hard to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Page, browser
from tests.support.served_cluster import ServedCluster, served_cluster
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

DAY = "2030-06-03"
ROOMS = [
    {"name": "Large conference room on the ground floor, with a view of the river"[:64], "capacity": 40},
    {"name": "6.12", "capacity": 6, "features": ["projector"]},
]
USERS = ["maximiliane.vandenberghe-de-wilde", "vish", "priyal", "neil"]
PURPOSE = "Quarterly review of the budget, with all heads of departments and both external auditors"
LABELS = ["one", "two", "three", "headquarters", "five"]
LARGE, SMALL, PHONE = (1920, 1080), (1024, 768), (390, 844)
SIZES = {3: [SMALL, PHONE], 4: [SMALL, PHONE], 5: [LARGE, PHONE], 20: [LARGE, SMALL, PHONE]}  # by number of replicas
TOGGLE_FORM = "document.querySelector('.open [data-act=reserve]').click()"
# By name, what is open besides the logs, and the script that opens and closes it.
STATES = {"logs": "", "form": TOGGLE_FORM, "diagram": "document.querySelector('.opener').click()"}
VIEWS = {"light": ["logs", "form", "diagram"], "dark": ["diagram", "logs"]}

# The views of the page of the rooms: a script that opens one, and what is seen then.
CALENDARS = {
    "day": ("document.querySelector('#day').click()", ".grid [data-room='6.12']"),
    "week": ("document.querySelector('#week').click()", ".grid .head:nth-child(8)"),
    "month": ("document.querySelector('#month').click()", ".month:not([hidden]) [data-day]"),
    "details": ("document.querySelector('#mine [data-open]').click()", "#details[open] .actions"),
}
# Parts that may be cut off: a grid of days is scrolled, and the details show each text whole.
SHORTENED = ".calendar, .block *, .month *, #mine li button"

# Fills and sends the form of a replica.
ASK = """
document.querySelector(".open [data-act=reserve]").click();
const form = document.querySelector(".open .reserve");
for (const [name, value] of Object.entries(arguments[0])) form.elements[name].value = value;
form.requestSubmit();
"""

# The page also asks each replica every two seconds. Here that is needless, because events tell the page everything.
NO_POLLING = "window.setInterval = () => 0"

# The columns and the links that are seen.
OPENED = """
const seen = (selector) => [...document.querySelectorAll(selector)].filter((node) => node.checkVisibility());
return [seen(".column").map(({ dataset }) => dataset.label), seen(".link").map(({ dataset }) => dataset.link)];
"""

# Calls back when the layout is final: the observers of sizes have run, and their changes are laid out.
PAINTED = """
const done = arguments[0];
requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)));
"""

DIAGRAM = ".view"  # the diagram is wider than the window and is scrolled sideways
MEASURE = (Path(__file__).parent / "measure.js").read_text(encoding="utf-8")

# Components of vectors that a column does not show, as sentences.
VECTORS = """
const found = [];
for (const [label, vectors] of Object.entries(arguments[0])) {
  const column = document.querySelector(`.column[data-label="${label}"]`);
  if (!column.checkVisibility()) continue;
  const outer = column.getBoundingClientRect();
  for (const [vector, stamps] of Object.entries(vectors)) for (const origin of Object.keys(stamps)) {
    const row = [...column.querySelectorAll(".vectors tbody tr")].find((each) => each.dataset.origin === origin);
    for (const cell of [row?.cells[0], row?.querySelector(`[data-vector="${vector}"]`)]) {
      const box = cell?.getBoundingClientRect();
      const isShown = box?.width && box.left >= outer.left && box.right <= outer.right + 1;
      if (!isShown) found.push(`${label} does not show ${vector} of ${origin}`);
    }
  }
}
return found;
"""


def slot(hour: int) -> dict[str, str]:
    return {"start": f"{DAY}T{hour:02}:00:00Z", "end": f"{DAY}T{hour + 1:02}:00:00Z"}


def reserve(cluster: ServedCluster, label: str, user: str, room: int, *hours: int) -> None:
    body = {"room": cluster.settings.rooms[room].name, "slots": [slot(hour) for hour in hours], "purpose": PURPOSE}
    cluster.replicas[label].ask("POST", "/reservations", body, user)


def live_through(cluster: ServedCluster) -> None:
    """Fill the cluster with examples of what the page can show.

    Afterwards there are commits, a rejected write, and tentative writes that have reached different replicas. One link
    is cut. With more than three replicas, one replica has retired. The pace is manual.
    """
    first, second, third, *others = cluster.replicas
    for label in cluster.replicas:
        cluster.replicas[label].ask("PUT", "/replica/pace", {"pace": "manual"})
    for number, label in enumerate(cluster.replicas):
        reserve(cluster, label, USERS[number % len(USERS)], 0, 9, 10)
    for label in (first, second):
        reserve(cluster, label, USERS[3], 0, 14)  # without another time, so that one is rejected
    for label in (second, third, *others):
        cluster.meet(label, first)
    cluster.replicas[first].ask("POST", "/replica/commit")
    for label in (second, third, *others[:-1]):
        cluster.meet(first, label)
    if others:
        cluster.retire(others[-1], first)
    reserve(cluster, first, USERS[0], 1, 12)
    reserve(cluster, second, USERS[1], 1, 12, 13)
    reserve(cluster, third, USERS[2], 1, 12, 13, 14)
    for one, other in ((first, third), (third, first)):
        cluster.replicas[one].ask("PUT", f"/replica/links/{other}", {"up": False})
    cluster.meet(third, second)
    cluster.meet(second, first)
    reserve(cluster, third, USERS[3], 1, 16)
    reserve(cluster, first, USERS[2], 1, 18)  # is undone and played again when the write before this line arrives


def resize(page: Page, width: int, height: int, scheme: str) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    media = {"features": [{"name": name, "value": value} for name, value in features.items()]}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


class Screen:
    """The cluster page of the first replica."""

    def __init__(self, page: Page, cluster: ServedCluster) -> None:
        self.page = page
        self.replicas = {label: replica for label, replica in cluster.replicas.items() if replica.is_up}
        self.held: dict[str, Any] = {}
        page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": NO_POLLING})
        page.open(f"http://{next(iter(cluster.replicas.values())).server.address}/cluster")
        answers = "document.querySelectorAll('.column[data-up=\"true\"] .vectors tbody').length"
        page.wait_for(f"{answers} === {len(self.replicas)}")
        page.wait_for("document.querySelector('#waiting li') !== null")

    def fill(self, cluster: ServedCluster) -> None:
        """Fill the page: let the page show a replay, draw the diagram, and show the notice of a refused reservation."""
        page = self.page
        first, second, third, *_ = cluster.replicas
        cluster.meet(third, second)
        cluster.meet(second, first)
        page.wait_for("document.querySelector('.open .replay[open] li') !== null")
        page.click(".opener")
        page.wait_for("document.querySelectorAll('#timeline .arrow').length > 20")
        page.click(".opener")
        page.run(ASK, {"room": ROOMS[0]["name"], "day": DAY, "at": "09:00", "or": ""})
        page.wait_for_text("#said", "No slot that your request allows is free.")
        page.run(TOGGLE_FORM)
        self.held = {label: replica.ask("GET", "/replica")["vectors"] for label, replica in self.replicas.items()}
        wait_until(lambda: page.run(VECTORS, self.held) == [])

    def problems(self) -> list[str]:
        """Return the present faults of the page: faults of the layout, and vector components that the page does not
        show."""
        return [*self.page.run(MEASURE, DIAGRAM), *self.page.run(VECTORS, self.held)]


@pytest.mark.timeout(300)  # twenty replicas and a browser, on a machine that may be busy
@pytest.mark.parametrize("count", SIZES)
def test_the_cluster_page_fits(count: int) -> None:
    labels = [*LABELS, *(f"replica-{number:02}" for number in range(len(LABELS) + 1, 21))][:count]
    with served_cluster(labels, rooms=ROOMS, users=USERS) as cluster, browser(calm=True) as page:
        live_through(cluster)
        screen = Screen(page, cluster)
        screen.fill(cluster)
        found = {}
        for width, height in SIZES[count]:
            for scheme, states in VIEWS.items():
                resize(page, width, height, scheme)
                for state in states:
                    page.run(STATES[state])
                    page.driver.execute_async_script(PAINTED)
                    if problems := screen.problems():
                        found[f"{width} x {height}, {scheme}, {state}"] = problems
                    page.run(STATES[state])
        assert found == {}
        assert all("409 (Conflict)" in problem for problem in page.problems())


def test_the_page_of_the_rooms_fits() -> None:
    rooms = [{"name": "Large conference room", "capacity": 40}, ROOMS[1]]
    with served_cluster(LABELS[:3], rooms=rooms, users=USERS) as cluster, browser(calm=True) as page:
        live_through(cluster)
        page.open(f"http://{cluster.replicas['two'].server.address}/#day={DAY}")
        page.type("#me", USERS[0])
        page.wait_for("document.querySelectorAll('.block').length === 6 && document.querySelector('#mine li')")
        page.click('[data-room="6.12"][data-time="17:00"]')
        found = {}
        for width, height in (LARGE, SMALL, PHONE):
            for scheme in ("light", "dark"):
                resize(page, width, height, scheme)
                for view, (script, seen) in CALENDARS.items():
                    page.run(script)
                    page.wait_for(f"document.querySelector({seen!r}) !== null")
                    page.driver.execute_async_script(PAINTED)
                    if problems := page.run(MEASURE, SHORTENED):
                        found[f"{width} x {height}, {scheme}, {view}"] = problems
                page.run("document.querySelector('dialog[open]').close()")
        assert found == {}
        assert page.problems() == []


def wait_for_facts(page: Page, label: str, *words: str) -> None:
    """Wait until `words` are the last facts in the tile of a replica. Each of these facts must fit in one line."""
    facts = f"return [...document.querySelectorAll('.node[data-label=\"{label}\"] .facts span')].map("
    facts += "(each) => each.getClientRects().length === 1 && each.innerText)"
    wait_until(lambda: page.run(facts)[-len(words) :] == list(words))


def test_a_tile_says_what_its_replica_lacks_and_opens_its_column_and_its_links() -> None:
    with served_cluster(LABELS[:3], rooms=ROOMS, users=USERS) as cluster, browser(calm=True) as page:
        resize(page, *PHONE, "light")
        page.open(f"http://{cluster.replicas['one'].server.address}/cluster")
        wait_for_facts(page, "three", "CSN 0", "0 tentative", "all held")
        assert page.run(OPENED) == [["one"], ["one-two", "one-three"]]
        reserve(cluster, "two", "vish", 1, 9)
        wait_for_facts(page, "one", "CSN 0", "0 tentative", "1 missing")
        wait_for_facts(page, "two", "CSN 0", "1 tentative", "all held")
        page.click(".node[data-label='two']")
        assert page.run(OPENED) == [["one", "two"], ["one-two", "two-three", "one-three"]]
        page.click(".node[data-label='one']")
        assert page.run(OPENED) == [["two"], ["one-two", "two-three"]]
        page.click("[data-link='two-three']")
        wait_for_facts(page, "three", "1 missing", "✂ 1 link cut")
        cluster.meet("two", "one")
        wait_for_facts(page, "one", "CSN 1", "0 tentative", "all held")
        resize(page, *LARGE, "light")
        page.wait_for("document.querySelector('.node:enabled') === null")
        assert page.run(OPENED) == [["one", "two", "three"], ["one-two", "two-three", "one-three"]]
        assert page.problems() == []
