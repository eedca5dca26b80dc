"""`cluster.py demo`: plays a conflict and its resolution on three temporary replicas, and checks each step.

The demo starts real processes on embedded Redis in a temporary folder, and sends REST requests to these processes. At
the end, no process and no file is left.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from _thread import start_new_thread
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cluster.demo_view import Calendars, DemoView, Entry, entries
from cluster.local import running
from cluster.processes import NotServing, Processes
from cluster.rest import Refused, Silent
from cluster.waiting import TooLong, on_stop, wait_until

LABELS = ("one", "two", "three")
PAIRS = (("one", "two"), ("one", "three"), ("two", "three"))
ROOM = "6.12"
HOURS = (9, 10, 11)
STATE_TIMEOUT_S = 20.0
# No periodic sessions, so that each step shows the effect of its own links.
SETTINGS = {"anti_entropy": {"interval_s": 0, "after_write": True}}


class Unexpected(Exception):
    """A step of the demo had another result than expected."""


def demo() -> int:
    """Play the demo and return 0. If a step has an unexpected result, print why and return 1. Raise Stopped if the user
    stops the program."""
    stopping = threading.Event()
    # In a thread, because the signal may come while this one holds the lock of the event.
    on_stop(lambda: start_new_thread(stopping.set, ()))
    try:
        with tempfile.TemporaryDirectory(prefix="bayou-demo-") as folder:
            _play(Path(folder), stopping)
    except (Unexpected, TooLong, NotServing, Refused, Silent) as reason:
        print(f"\nThe demo failed. {reason}", file=sys.stderr)
        return 1
    return 0


def _play(folder: Path, stopping: threading.Event) -> None:
    view = DemoView(LABELS, ROOM, HOURS)
    view.opening(LABELS[0])
    with running(folder, LABELS, SETTINGS, stopping) as processes:
        story = _Story(processes, view, stopping)
        story.cut_off()
        story.reserve_apart()
        story.meet_without_primary()
        story.primary_comes_back()
        story.agree()


class _Story:
    """The steps of the demo, in order. Each step shows its result, and raises Unexpected or TooLong if the result is
    wrong."""

    def __init__(self, processes: Processes, view: DemoView, stopping: threading.Event) -> None:
        self._rest = {label: processes.rest(label) for label in LABELS}
        self._view = view
        self._stopping = stopping
        self._day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

    def cut_off(self) -> None:
        self._view.step("All links are cut: no replica can reach another.")
        self._links(*PAIRS, up=False)

    def reserve_apart(self) -> None:
        self._view.step(f"At each replica somebody reserves {ROOM}. Nobody sees the other requests.")
        for user, label, hours in (("vish", "one", HOURS[:1]), ("priyal", "two", HOURS), ("neil", "three", HOURS)):
            wanted = ", else ".join(map(str, hours))
            got = self._reserve(user, label, hours)
            self._view.asked(user, label, wanted, got)
            state = "committed" if label == LABELS[0] else "tentative"
            self._expect(got == Entry(9, user, state), f"{user} got {got} instead of 9:00, {state}")
        self._see(
            {
                "one": (Entry(9, "vish", "committed"),),
                "two": (Entry(9, "priyal", "tentative"),),
                "three": (Entry(9, "neil", "tentative"),),
            },
            "each replica holds one reservation",
        )

    def meet_without_primary(self) -> None:
        name = self._view.name
        self._view.step(f"{name('two')} and {name('three')} meet without the primary. priyal was first, so neil moves.")
        self._links(("two", "three"), up=True)
        met = (Entry(9, "priyal", "tentative"), Entry(10, "neil", "tentative"))
        self._see(
            {"one": (Entry(9, "vish", "committed"),), "two": met, "three": met},
            "two and three hold the same, with neil at 10",
        )

    def primary_comes_back(self) -> None:
        name = self._view.name
        self._view.step(f"The primary, {name('one')}, comes back: vish keeps 9:00; priyal and neil move.")
        self._links(("one", "two"), ("one", "three"), up=True)
        users = ("vish", "priyal", "neil")
        final = tuple(Entry(hour, user, "committed") for hour, user in zip(HOURS, users, strict=True))
        self._see(dict.fromkeys(LABELS, final), "all hold the same: vish at 9, priyal at 10, neil at 11, committed")

    def agree(self) -> None:
        """Check that all replicas have the same digest of all pages and the same number of writes."""
        wait_until(self._same_digest, STATE_TIMEOUT_S, "all replicas have the same digest", self._stopping)
        held = [self._rest[label].get("/replica") for label in LABELS]
        counts = [(replica["committed"], replica["tentative"]) for replica in held]
        self._expect(counts == [(3, 0)] * 3, f"(committed, tentative) writes are {counts} instead of (3, 0) everywhere")
        self._view.agreement(len(LABELS), 3)

    def _links(self, *pairs: tuple[str, str], up: bool) -> None:
        """Cut or heal these links at both ends. Then show the state of all links."""
        for one, other in pairs:
            for here, there in ((one, other), (other, one)):
                self._rest[here].put(f"/replica/links/{there}", {"up": up})
        self._view.links({(one, other): self._link(one, other) for one, other in PAIRS})

    def _link(self, one: str, other: str) -> str:
        """Return the state of a link: `up` if both ends report that the link is up, else `cut`."""
        ends = {
            peer["link"]
            for here, there in ((one, other), (other, one))
            for peer in self._rest[here].get("/replica")["peers"]
            if peer["label"] == there
        }
        return "up" if ends == {"up"} else "cut"

    def _reserve(self, user: str, label: str, hours: tuple[int, ...]) -> Entry:
        starts = [self._day + timedelta(hours=hour) for hour in hours]
        slots = [{"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()} for start in starts]
        body = {"room": ROOM, "slots": slots, "purpose": "demo", "merge": "first_free_alternative"}
        got = self._rest[label].post("/reservations", body, user)
        return Entry(datetime.fromisoformat(got["slot"]["start"]).hour, got["user"], got["state"])

    def _see(self, expected: Calendars, awaited: str) -> None:
        """Wait until the calendars of the replicas are as expected. Then show the calendars, even if the wait fails."""
        try:
            wait_until(lambda: self._calendars() == expected, STATE_TIMEOUT_S, awaited, self._stopping)
        except TooLong:
            self._view.calendars(self._calendars())
            raise
        self._view.calendars(self._calendars())

    def _calendars(self) -> Calendars:
        span = {"from": self._day.isoformat(), "to": (self._day + timedelta(days=1)).isoformat()}
        return {label: entries(rest.get(f"/rooms/{ROOM}/calendar", **span)) for label, rest in self._rest.items()}

    def _same_digest(self) -> bool:
        return len({str(rest.get("/replica/digest")) for rest in self._rest.values()}) == 1

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise Unexpected(f"Unexpected: {otherwise}.")
