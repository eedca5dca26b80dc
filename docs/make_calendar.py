"""Draws docs/calendar.png for the README: the calendar page in a real run. `make picture` runs this program.

One of three replicas is cut off. People make reservations on this replica and on the others. The picture shows the web
page of the replica that is cut off, where a user is about to reserve.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from cluster.processes import Processes
from tests.support.browser import Page, browser
from tests.support.live import LABELS, link, live, wait_until_equal
from tests.support.waiting import wait_until

PICTURE = Path(__file__).with_name("calendar.png")
BYTES_MAX = 120_000  # it is kept in the repository
WIDTH, HEIGHT = 1200, 640
DAY = "2030-06-03"
ROOMS = [
    {"name": "6.12", "capacity": 6, "features": ["projector"], "opens": "08:00", "closes": "20:00"},
    {"name": "6.13", "capacity": 12, "features": ["projector", "whiteboard"], "opens": "08:00", "closes": "20:00"},
    {"name": "7.01", "capacity": 40, "features": ["video"], "opens": "08:00", "closes": "20:00"},
]
BEFORE = (("neil", "6.12", 9, 10, "interview"), ("priyal", "6.13", 9, 12, "budget"), ("vish", "7.01", 10, 11, "demo"))
MEANWHILE = (("priyal", "6.12", 10, 11, "standup"), ("vish", "6.13", 13, 14, "retro"), ("neil", "7.01", 12, 13, "talk"))
CHOSEN = ("11:00", "12:00", "14:00")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        with live(at / "cluster", LABELS, rooms=ROOMS) as processes, browser(calm=True) as page:
            _reserve(processes, "one", BEFORE)
            wait_until_equal(processes)
            for other in ("one", "three"):
                link(processes, "two", other, up=False)
            _reserve(processes, "two", MEANWHILE)
            _choose(page, processes)
            content = page.driver.get_screenshot_as_png()
    if len(content) > BYTES_MAX:
        print(f"The picture has {len(content)} bytes, but may have at most {BYTES_MAX}. Make the picture smaller.")
        return 1
    PICTURE.write_bytes(content)
    print(f"{PICTURE.name} is drawn, {len(content)} bytes.")
    return 0


def _reserve(processes: Processes, label: str, wanted: tuple[tuple[str, str, int, int, str], ...]) -> None:
    for user, room, first, last, purpose in wanted:
        slot = {"start": f"{DAY}T{first:02}:00Z", "end": f"{DAY}T{last:02}:00Z"}
        body: dict[str, Any] = {"room": room, "slots": [slot], "purpose": purpose}
        processes.rest(label).post("/reservations", body, user=user)


def _choose(page: Page, processes: Processes) -> None:
    """Open the calendar page of the replica that is cut off, and choose the times of CHOSEN."""
    size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.open(f"http://{processes.settings.replica('two').rest}/#day={DAY}")
    page.type("#me", "vish")
    page.wait_for_text("#health", f"{len(MEANWHILE)} reservations wait to be final")
    wait_until(lambda: page.run("return document.querySelectorAll('.block').length") == len(BEFORE + MEANWHILE))
    for time in CHOSEN:
        page.click(f'[data-room="6.12"][data-time="{time}"]')
    page.type("#purpose", "planning")
    page.click("#title")  # so that the pointer is over no cell
    page.run("document.querySelector('#calendar').scrollTop -= 20; document.activeElement.blur()")


if __name__ == "__main__":
    raise SystemExit(main())
