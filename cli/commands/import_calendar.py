"""The command `import`: reserve what a calendar file asks for, over a few connections, and sum up what became of it."""

from __future__ import annotations

import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from cli.commands.booking import merge_of
from cli.context import Context
from cli.problems import DONE, FAILED, NOTHING_FREE, Problem, Unreachable
from cli.rendering import slot_of
from cli.rest import Json, Replica
from cli.screen import Cell, Screen, clean, shorten
from cli.times import Slot, read_date, show_slot

if TYPE_CHECKING:
    from cli.ics import Skipped, Timetable, Wanted

CONNECTIONS = 4
LISTED_MAX = 20  # refusals and skipped events on the screen
LISTED_JSON_MAX = 1000
BAR_WIDTH = 30

Progress = Callable[[], None]


@dataclass
class Tally:
    """What became of the reservations of a file."""

    tentative: int = 0
    committed: int = 0
    already: int = 0
    elsewhere: list[tuple[Wanted, str]] = field(default_factory=list)  # there already, asked for other times
    refused: list[tuple[Wanted, Problem]] = field(default_factory=list)
    unsent: int = 0

    @property
    def status(self) -> int:
        if not self.refused:
            return DONE
        return NOTHING_FREE if all(problem.code == "slot_taken" for _, problem in self.refused) else FAILED


def import_file(context: Context, arguments: Namespace) -> int:
    from cli.ics import read_timetable  # noqa: PLC0415 (icalendar takes a while to load)

    merge = merge_of(arguments) or "give_up"
    try:
        content = Path(arguments.file).expanduser().read_bytes()
    except OSError as error:
        raise Problem("file_unreadable", f"Cannot read {arguments.file}: {error.strerror}.") from error
    known = {str(room["name"]) for room in context.rooms().get("rooms", [])}
    until = read_date(arguments.until, context.zone, context.now()) if arguments.until else None
    table = read_timetable(content, context.zone, arguments.part or (1, 1), until, context.user)
    tally, lost = _send_all(context, table.wanted, known, merge)
    _sum_up(context, arguments.file, table, tally)
    if lost is not None:
        raise lost
    return tally.status


def _send_all(
    context: Context, wanted: list[Wanted], known: set[str], merge: str | Json
) -> tuple[Tally, Unreachable | None]:
    """Send all, in any order. A replica that is gone ends it: the rest counts as unsent."""
    tally = Tally()
    lock, gone = threading.Lock(), threading.Event()
    lost: list[Unreachable] = []
    lines = threading.local()
    opened: list[Replica] = []

    def send(one: Wanted) -> None:
        if gone.is_set():
            with lock:
                tally.unsent += 1
            return
        if not hasattr(lines, "replica"):
            lines.replica = context.replica.another()
            with lock:
                opened.append(lines.replica)
        try:
            status, answer = lines.replica.write("POST", "/reservations", one.request, _body(one, known, merge))
        except Unreachable as problem:
            gone.set()
            with lock:
                lost.append(problem)
                tally.unsent += 1
        except Problem as problem:
            with lock:
                tally.refused.append((one, problem))
        else:
            with lock:
                _count(tally, one, status, answer)

    with _progress(len(wanted)) as step, ThreadPoolExecutor(max_workers=CONNECTIONS) as pool:
        try:
            for _ in pool.map(send, wanted):
                step()
        except KeyboardInterrupt:
            gone.set()
            raise
        finally:
            for replica in opened:
                replica.close()
    return tally, lost[0] if lost else None


def _body(one: Wanted, known: set[str], merge: str | Json) -> Json:
    body: Json = {"room": one.room, "slots": [one.slot.as_json()], "purpose": one.purpose, "merge": merge}
    if one.series:
        body["series"] = one.series
    if one.room not in known:
        body["new_room"] = True
    return body


def _count(tally: Tally, one: Wanted, status: int, answer: Json) -> None:
    if status == 200:
        tally.already += 1
        asked = answer.get("asked") or []
        if asked and slot_of(asked[0]) != one.slot:
            tally.elsewhere.append((one, str(answer.get("id", ""))))
    elif answer.get("state") == "rejected":
        reason = answer.get("reason") or {}
        tally.refused.append((one, Problem("slot_taken", str(reason.get("message", "Nothing is free.")))))
    elif answer.get("state") == "committed":
        tally.committed += 1
    else:
        tally.tentative += 1


def _sum_up(context: Context, name: str, table: Timetable, tally: Tally) -> None:
    screen = context.screen
    refused = sorted(tally.refused, key=lambda pair: (pair[0].slot.start, pair[0].room, pair[0].request))
    screen.json(
        {
            "file": name,
            "events": table.events,
            "reservations": len(table.wanted),
            "accepted": {"tentative": tally.tentative, "committed": tally.committed},
            "already_there": tally.already,
            "already_there_at_other_times": [identity for _, identity in tally.elsewhere[:LISTED_JSON_MAX]],
            "unsent": tally.unsent,
            "refused_count": len(refused),
            "refused": [_refusal_json(one, problem) for one, problem in refused[:LISTED_JSON_MAX]],
            "skipped_count": len(table.skipped),
            "skipped": [{"title": one.title, "why": one.why} for one in table.skipped[:LISTED_JSON_MAX]],
        }
    )
    if screen.as_json:
        return
    rooms = len({one.room for one in table.wanted})
    screen.line(
        f"{Path(name).name}: {table.events:,} events, {len(table.wanted):,} reservations in {rooms} rooms, "
        f"at {context.label(context.place.label)}"
    )
    counts = [
        (screen.mark("committed"), tally.committed, "committed"),
        (screen.mark("tentative"), tally.tentative, "tentative"),
        (Cell("="), tally.already, "already there"),
        (screen.mark("rejected"), len(refused), "refused"),
        (screen.mark("cancelled"), len(table.skipped), "events skipped"),
        (Cell("!", "red"), tally.unsent, "not sent; the same command goes on where it stopped"),
    ]
    width = max(len(f"{count:,}") for _, count, _ in counts)
    screen.table([(mark, f"{count:>{width},}", what) for mark, count, what in counts if count], indent=2)
    if refused:
        _list_refused(context, refused)
    if table.skipped:
        _list_skipped(screen, table.skipped)
    if tally.elsewhere:
        count = len(tally.elsewhere)
        screen.line(
            f"{count} of those already there were asked for at other times and stay as they are; `move` moves them:"
        )
        for one, identity in tally.elsewhere[:LISTED_MAX]:
            screen.line(f"  {clean(identity)}  {_when(context, one.slot)}")
        _more(screen, count)


def _list_refused(context: Context, refused: list[tuple[Wanted, Problem]]) -> None:
    screen = context.screen
    screen.line("refused:")
    for one, problem in refused[:LISTED_MAX]:
        mark = screen.paint("✗", "red")
        screen.line(f"  {mark} {clean(one.room)}  {_when(context, one.slot)}  {shorten(clean(one.purpose), 40)}")
        screen.line(f"    {clean(problem.message)} [{clean(problem.code)}]")
    _more(screen, len(refused))


def _list_skipped(screen: Screen, skipped: list[Skipped]) -> None:
    screen.line("skipped:")
    for one in skipped[:LISTED_MAX]:
        screen.line(f"  – {shorten(one.title, 40)}: {one.why}")
    _more(screen, len(skipped))


def _more(screen: Screen, count: int) -> None:
    if count > LISTED_MAX:
        screen.line(f"  … and {count - LISTED_MAX:,} more")


def _refusal_json(one: Wanted, problem: Problem) -> Json:
    return {"request": one.request, "room": one.room, **one.slot.as_json(), "purpose": one.purpose, **problem.as_json()}


def _when(context: Context, slot: Slot) -> str:
    return show_slot(slot.start, slot.end, context.zone)


class _Bar:
    """A progress bar that redraws itself only when it looks different."""

    def __init__(self, total: int, out: TextIO) -> None:
        self._total, self._out = total, out
        self._done, self._drawn = 0, ""

    def step(self) -> None:
        self._done += 1
        filled = self._done * BAR_WIDTH // self._total
        bar = f"{'█' * filled}{'░' * (BAR_WIDTH - filled)} {self._done * 100 // self._total:3d} %"
        if bar != self._drawn:
            self._out.write(f"\r{bar}")
            self._out.flush()
            self._drawn = bar

    def clear(self) -> None:
        self._out.write("\r\x1b[K")
        self._out.flush()


@contextmanager
def _progress(total: int) -> Iterator[Progress]:
    """A bar on standard error while it is a terminal, and gone afterwards."""
    if not sys.stderr.isatty() or not total:
        yield lambda: None
        return
    bar = _Bar(total, sys.stderr)
    try:
        yield bar.step
    finally:
        bar.clear()
