"""Plays a script on Bayou for the comparison. The real code runs in the simulation of cluster/drivers/simulated.py."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence

from bayou.frames import Batch, Frame
from cluster.compare.booking import Booking
from cluster.compare.story import Row, Story
from cluster.drivers.simulated import SimulatedDriver
from cluster.language.parser import read_line, read_reserve, read_slot
from cluster.language.runner import Runner
from cluster.language.world import client_of

NAME = "Bayou"
IDEA = "writes carry a check and a merge procedure; a primary makes their order final"


def play_bayou(driver: SimulatedDriver, lines: Sequence[str], note: Callable[[str], object]) -> Story:
    """Play a script and return its story. Call `note` with each complaint about a line."""
    printed: list[str] = []
    notes: list[str] = []
    runner = Runner(driver, printed.append, notes.append)
    counter = _Counter()
    driver.watch = counter.count
    story = Story(NAME, IDEA)
    for line in lines:
        printed.clear()
        runner.step(line)
        command = read_line(line)
        if command is not None and command.name == "reserve" and (printed or "is dropped" in "".join(notes[-1:])):
            wanted = read_reserve(command)
            choices = tuple(Booking(wanted.client, wanted.room, slot) for slot in wanted.slots)
            story.rows.append(_row(wanted.client, choices, printed, notes))
        elif command is not None and command.name == "cancel" and printed:
            _cancelled(story, command.words[1], printed[0])
    for text in notes:
        note(text)
    for row in story.rows:
        printed.clear()
        if row.answer is not None and not row.cancelled:
            runner.step(f"status {row.user} {row.name}")
            _look_up(row, printed)
    story.sent = counter.sent
    story.held = {server.id: _held(runner, server.id) for server in runner.world.running()}
    return story


class _Counter:
    """Counts the writes that sessions send for the application `rooms`. Also counts the notifications that commit these
    writes."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self._ids: set[str] = set()  # of the writes of rooms

    def count(self, _here: str, _there: str, frame: Frame) -> None:
        for item in frame.selection.items if isinstance(frame, Batch) else ():
            if item.body and json.loads(item.body)["app"].startswith("rooms/"):
                self._ids.add(item.id)
                self.sent["writes"] += 1
            elif item.is_notification and item.id in self._ids:
                self.sent["commit numbers"] += 1


def _row(user: str, choices: tuple[Booking, ...], printed: Sequence[str], notes: Sequence[str]) -> Row:
    if not printed:
        name = notes[-1].partition(": ")[2].split()[0]
        return Row(name, user, choices, None, "the session is ahead of this server")
    name, room, when, state = printed[0].split()
    if when == "-":
        return Row(name, user, choices, None, "taken")
    answer = Booking(user, room, read_slot(when))
    return Row(name, user, choices, answer, belief=answer, was_final=state == "committed")


def _cancelled(story: Story, name: str, line: str) -> None:
    row = next((row for row in story.rows if row.name == name and row.answer), None)
    if row is None:
        return
    if line.endswith(" cancelled"):
        row.cancelled, row.belief = "done", None
    elif not line.endswith("ERR_OWNER"):
        row.cancelled = "not known here"


def _look_up(row: Row, printed: Sequence[str]) -> None:
    """Set the belief of a row from the output of the command `status`. Change nothing if the output is empty or an
    error."""
    if not printed or "ERR_" in printed[0]:
        return
    _, room, when, state = printed[0].split()
    row.belief = None if when == "-" else Booking(row.user, room, read_slot(when))
    row.is_final = state == "committed"


def _held(runner: Runner, identifier: str) -> tuple[Booking, ...]:
    """Return the reservations in the tentative view of a server. The function computes them from the outcomes in the
    log."""
    found: dict[str, Booking] = {}
    for write in runner.log(runner.world.servers[identifier]):
        described = write["describe"]
        if write["app"].startswith("rooms/") and write["op"] == "cancel" and write["outcome"].startswith("updated"):
            found.pop(described["reservation"], None)
        elif write["app"].startswith("rooms/") and described["result"]:
            result = described["result"]
            slot = read_slot(f"{result['start'][:16]}/{result['end'][:16]}")
            found[described["reservation"]] = Booking(client_of(write["user"]), result["room"], slot)
    return tuple(found.values())
