"""The commands `import` and `export` for calendar files (iCalendar)."""

from __future__ import annotations

import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from cli.commands.slots import merge_of
from cli.context import Context
from cli.output.screen import Cell, Screen, clean, shorten
from cli.problems import DONE, FAILED, NOTHING_FREE, Problem, Refused, Unreachable
from cli.rest import Json, Replica, segment
from cli.times import read_date, show_slot, slot_of

if TYPE_CHECKING:
    from cli.calendar_file import Timetable, Wanted

CONNECTIONS = 4
LISTED_MAX = 20  # refusals and skipped events on the screen
LISTED_JSON_MAX = 1000
BAR_WIDTH = 30


@dataclass
class Tally:
    """Counts the results of an import, and lists the reservations that the replica refused."""

    tentative: int = 0
    committed: int = 0
    already: int = 0
    at_other_times: list[tuple[Wanted, str]] = field(default_factory=list)  # of those already there
    refused: list[tuple[Wanted, Problem]] = field(default_factory=list)
    unsent: int = 0

    @property
    def status(self) -> int:
        if not self.refused:
            return DONE
        return NOTHING_FREE if all(problem.code == "slot_taken" for _, problem in self.refused) else FAILED


def export_file(context: Context, arguments: Namespace) -> None:
    """Write the calendar of a room or user to a file.

    The download is written to FILE.part. When the download is complete, FILE.part is renamed to FILE.
    """
    if arguments.room:
        path = f"/rooms/{segment(arguments.room)}/calendar.ics"
    else:
        path = f"/users/{segment(arguments.of or context.user)}/calendar.ics"
    target = Path(arguments.file).expanduser()
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as file:
            size = context.replica.download(path, {}, file.write)
        part.replace(target)
    except OSError as error:
        raise Problem("file_unusable", f"Cannot write {target}: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
    context.screen.json({"file": str(target), "bytes": size})
    context.screen.line(f"{size} bytes from {context.here} in {clean(target)}")


def import_file(context: Context, arguments: Namespace) -> int:
    from cli.calendar_file import read_timetable  # noqa: PLC0415 (icalendar takes a while to load)

    merge = merge_of(arguments) or "give_up"
    try:
        content = Path(arguments.file).expanduser().read_bytes()
    except OSError as error:
        raise Problem("file_unreadable", f"Cannot read {arguments.file}: {error.strerror}.") from error
    known = {str(room["name"]) for room in context.rooms().get("rooms", [])}
    until = read_date(arguments.until, context.zone, context.now()) if arguments.until else None
    table = read_timetable(content, context.zone, arguments.part or (1, 1), until, context.user)
    tally, lost = _send_all(context, table.wanted, known, merge)
    _summarise(context, arguments.file, table, tally)
    if lost is not None:
        raise lost
    return tally.status


def _send_all(
    context: Context, wanted: list[Wanted], known: set[str], merge: str | Json
) -> tuple[Tally, Unreachable | None]:
    """Send all reservations over several connections, and return the tally.

    If the replica becomes unreachable, the remaining reservations count as unsent, and the error is returned too.
    """
    tally, lost = Tally(), None
    gone = threading.Event()
    replicas = [context.connect(context.address) for _ in range(CONNECTIONS)]
    idle: SimpleQueue[Replica] = SimpleQueue()
    for replica in replicas:
        idle.put(replica)

    def send(one: Wanted) -> tuple[int, Json] | Problem | None:
        if gone.is_set():
            return None
        replica = idle.get()
        try:
            return _send_one(replica, context.user, one, _body(one, known, merge))
        except Problem as problem:
            if isinstance(problem, Unreachable):
                gone.set()
            return problem
        finally:
            idle.put(replica)

    with _progress(len(wanted)) as step, ThreadPoolExecutor(max_workers=CONNECTIONS) as pool:
        try:
            for one, result in zip(wanted, pool.map(send, wanted), strict=True):
                step()
                if result is None or isinstance(result, Unreachable):
                    tally.unsent += 1
                    lost = lost or result
                elif isinstance(result, Problem):
                    tally.refused.append((one, result))
                else:
                    _count(tally, one, *result)
        except KeyboardInterrupt:
            gone.set()
            raise
        finally:
            for replica in replicas:
                replica.close()
    return tally, lost


def _send_one(replica: Replica, user: str, one: Wanted, body: Json) -> tuple[int, Json]:
    try:
        return replica.write("POST", "/reservations", one.request, body)
    except Refused as problem:
        if problem.code != "request_differs":
            raise
        # The event was imported before, and the file or the options have changed since.
        return 200, replica.get(f"/reservations/{segment(user)}/{segment(one.request)}")


def _body(one: Wanted, known: set[str], merge: str | Json) -> Json:
    body: Json = {"room": one.room, "slots": [one.slot.as_json()], "purpose": one.purpose, "merge": merge}
    if one.series:
        body["series"] = one.series
    if one.timezone:
        body["timezone"] = one.timezone
    if one.room not in known:
        body["new_room"] = True
    return body


def _count(tally: Tally, one: Wanted, status: int, answer: Json) -> None:
    if status == 200:
        tally.already += 1
        asked = answer.get("asked") or []
        if asked and slot_of(asked[0]) != one.slot:
            tally.at_other_times.append((one, str(answer.get("id", ""))))
    elif answer.get("state") == "rejected":
        reason = answer.get("reason") or {}
        tally.refused.append((one, Problem("slot_taken", str(reason.get("message", "Nothing is free.")))))
    elif answer.get("state") == "committed":
        tally.committed += 1
    else:
        tally.tentative += 1


def _summarise(context: Context, name: str, table: Timetable, tally: Tally) -> None:
    screen = context.screen
    refused = sorted(tally.refused, key=lambda pair: (pair[0].slot.start, pair[0].room, pair[0].request))
    screen.json(
        {
            "file": name,
            "events": table.events,
            "reservations": len(table.wanted),
            "accepted": {"tentative": tally.tentative, "committed": tally.committed},
            "already_there": tally.already,
            "already_there_at_other_times": [identity for _, identity in tally.at_other_times[:LISTED_JSON_MAX]],
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
        f"at {context.here}"
    )
    counts = [
        (screen.mark("committed"), tally.committed, "committed"),
        (screen.mark("tentative"), tally.tentative, "tentative"),
        (Cell("="), tally.already, "already there"),
        (screen.mark("rejected"), len(refused), "refused"),
        (screen.mark("cancelled"), len(table.skipped), "events skipped"),
        (Cell("!", "red"), tally.unsent, "not sent; give the same command again to send them"),
    ]
    width = max(len(f"{count:,}") for _, count, _ in counts)
    screen.table([(mark, f"{count:>{width},}", what) for mark, count, what in counts if count], indent=2)
    zone, sign = context.zone, screen.paint("✗", "red")
    _list(screen, "refused:", [
        f"  {sign} {clean(one.room)}  {show_slot(one.slot, zone)}  {shorten(clean(one.purpose), 40)}\n"
        f"    {clean(problem.message)} [{clean(problem.code)}]"
        for one, problem in refused
    ])  # fmt: skip
    _list(screen, "skipped:", [f"  – {shorten(one.title, 40)}: {one.why}" for one in table.skipped])
    moved = [f"  {clean(identity)}  {show_slot(one.slot, zone)}" for one, identity in tally.at_other_times]
    what = "of those already there asked for another time than the file, and stay as they are. `move` moves them:"
    _list(screen, f"{len(moved)} {what}", moved)


def _list(screen: Screen, title: str, lines: list[str]) -> None:
    if lines:
        screen.line("\n".join([title, *lines[:LISTED_MAX]]))
    if len(lines) > LISTED_MAX:
        screen.line(f"  … and {len(lines) - LISTED_MAX:,} more")


def _refusal_json(one: Wanted, problem: Problem) -> Json:
    return {"request": one.request, "room": one.room, **one.slot.as_json(), "purpose": one.purpose, **problem.as_json()}


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on standard error while the block runs, if standard error is a terminal.

    Yields a function, which the caller calls after each of the `total` steps.
    """
    if not sys.stderr.isatty() or not total:
        yield lambda: None
        return
    done, drawn = 0, ""

    def step() -> None:
        nonlocal done, drawn
        done += 1
        filled = done * BAR_WIDTH // total
        bar = f"{'█' * filled}{'░' * (BAR_WIDTH - filled)} {done * 100 // total:3d} %"
        if bar != drawn:
            print(f"\r{bar}", end="", file=sys.stderr, flush=True)
            drawn = bar

    try:
        yield step
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
