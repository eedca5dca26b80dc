"""The demo: three replicas of its own play a conflict and its resolution, and are checked against the story told.

It starts real processes on embedded Redis in a temporary folder, speaks REST as any client does, and leaves nothing
behind, however it ends.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from _thread import start_new_thread
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cluster.demo_view import Calendars, Entry, Stage, entries
from cluster.local import running
from cluster.processes import NotServing, Processes
from cluster.rest import Refused, Silent
from cluster.waiting import Stopped, TooLong, on_stop, wait_until

LABELS = ("one", "two", "three")
PAIRS = (("one", "two"), ("one", "three"), ("two", "three"))
ROOM = "6.12"
HOURS = (9, 10, 11)
STATE_TIMEOUT_S = 20.0
STOPPED = 130
# No session by the clock, so that each step shows what its own links brought.
SETTINGS = {"anti_entropy": {"interval_s": 0, "after_write": True}}


class Unexpected(Exception):
    """The story did not go as it is told."""


def demo() -> int:
    """0 when the story went as told and all replicas agree; 1 otherwise, with the reason; 130 when it was stopped."""
    stopping = threading.Event()
    on_stop(lambda: start_new_thread(stopping.set, ()))  # the event's lock may be held where the signal comes
    try:
        with tempfile.TemporaryDirectory(prefix="bayou-demo-") as folder:
            _played(Path(folder), stopping)
    except Stopped:
        print("\nThe demo was stopped. Nothing of it is left.", file=sys.stderr)
        return STOPPED
    except (Unexpected, TooLong, NotServing, Refused, Silent) as reason:
        print(f"\nThe demo failed. {reason}", file=sys.stderr)
        return 1
    return 0


def _played(folder: Path, stopping: threading.Event) -> None:
    stage = Stage(LABELS, ROOM, HOURS)
    stage.opening(LABELS[0])
    with running(folder, LABELS, SETTINGS, stopping) as processes:
        story = _Story(processes, stage, stopping)
        story.cut_off()
        story.reserve_apart()
        story.meet_without_primary()
        story.primary_comes_back()
        story.agree()


class _Story:
    """The steps, in order. Each shows what it brought; what is not as told raises Unexpected or TooLong."""

    def __init__(self, processes: Processes, stage: Stage, stopping: threading.Event) -> None:
        self._rest = {label: processes.rest(label) for label in LABELS}
        self._stage = stage
        self._stopping = stopping
        self._day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

    def cut_off(self) -> None:
        self._stage.step("All links are cut: no replica can reach another.")
        self._links(*PAIRS, up=False)

    def reserve_apart(self) -> None:
        self._stage.step(f"At each of them somebody reserves {ROOM}, and knows nothing of the others.")
        for user, label, hours in (("vish", "one", HOURS[:1]), ("priyal", "two", HOURS), ("neil", "three", HOURS)):
            wish = ", else ".join(map(str, hours))
            got = self._reserve(user, label, hours)
            self._stage.asked(user, label, wish, got)
            state = "committed" if label == LABELS[0] else "tentative"
            self._expect(got == Entry(9, user, state), f"{user} got {got}, and not 9:00, {state}")
        self._see(
            {
                "one": (Entry(9, "vish", "committed"),),
                "two": (Entry(9, "priyal", "tentative"),),
                "three": (Entry(9, "neil", "tentative"),),
            },
            "each replica holds one reservation",
        )

    def meet_without_primary(self) -> None:
        name = self._stage.name
        self._stage.step(f"{name('two')} and {name('three')} meet without the primary. priyal asked first: neil moves.")
        self._links(("two", "three"), up=True)
        met = (Entry(9, "priyal", "tentative"), Entry(10, "neil", "tentative"))
        self._see(
            {"one": (Entry(9, "vish", "committed"),), "two": met, "three": met},
            "two and three believe the same, with neil at 10",
        )

    def primary_comes_back(self) -> None:
        name = self._stage.name
        self._stage.step(f"The primary, {name('one')}, comes back: vish has 9 for good, the others what is left.")
        self._links(("one", "two"), ("one", "three"), up=True)
        users = ("vish", "priyal", "neil")
        final = tuple(Entry(hour, user, "committed") for hour, user in zip(HOURS, users, strict=True))
        self._see(dict.fromkeys(LABELS, final), "all believe the same: vish at 9, priyal at 10, neil at 11, committed")

    def agree(self) -> None:
        """Equal to the last byte: page for page, by digest."""
        wait_until(lambda: len({str(self._digest(label)) for label in LABELS}) == 1, STATE_TIMEOUT_S,
                   "all replicas have the same digest", self._stopping)  # fmt: skip
        held = [self._rest[label].get("/replica") for label in LABELS]
        counts = [(replica["committed"], replica["tentative"]) for replica in held]
        self._expect(counts == [(3, 0)] * 3, f"the replicas hold {counts} (committed, tentative) writes, not (3, 0)")
        self._stage.agreement(len(LABELS), 3)

    def _links(self, *pairs: tuple[str, str], up: bool) -> None:
        """Cut or heal these, and show how all are. Each end has its own switch."""
        for one, other in pairs:
            for here, there in ((one, other), (other, one)):
                self._rest[here].put(f"/replica/links/{there}", {"up": up})
        self._stage.links({(one, other): self._link(one, other) for one, other in PAIRS})

    def _link(self, one: str, other: str) -> str:
        """up or cut, as its ends say."""
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

    def _see(self, told: Calendars, awaited: str) -> None:
        """Wait until each replica believes what is told, and show it; what they believe instead where they do not."""
        try:
            wait_until(lambda: self._believed() == told, STATE_TIMEOUT_S, awaited, self._stopping)
        except TooLong:
            self._stage.calendars(self._believed())
            raise
        self._stage.calendars(self._believed())

    def _believed(self) -> Calendars:
        span = {"from": self._day.isoformat(), "to": (self._day + timedelta(days=1)).isoformat()}
        return {label: entries(rest.get(f"/rooms/{ROOM}/calendar", **span)) for label, rest in self._rest.items()}

    def _digest(self, label: str) -> Any:
        return self._rest[label].get("/replica/digest")

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise Unexpected(f"It did not go as told: {otherwise}.")
