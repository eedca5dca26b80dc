"""The commands `import` and `export` for calendar files (iCalendar)."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.commands.slots import merge_of
from cli.context import Context
from cli.output.screen import clean
from cli.problems import Problem
from cli.rest import segment
from cli.times import read_date

BAR_WIDTH = 30


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
        raise Problem("file_unusable", f"Cannot write {target}: {error.strerror}. Name another file.") from error
    finally:
        part.unlink(missing_ok=True)
    context.screen.json({"file": str(target), "bytes": size})
    context.screen.line(f"{size} bytes from {context.here} in {clean(target)}")


def import_file(context: Context, arguments: Namespace) -> int:
    # icalendar takes a while to load
    from cli.calendar_files.follow import Follower  # noqa: PLC0415
    from cli.calendar_files.plan import PageCount, plan_of  # noqa: PLC0415
    from cli.calendar_files.report import Report  # noqa: PLC0415
    from cli.calendar_files.rooms import Rooms  # noqa: PLC0415
    from cli.calendar_files.timetable import read_timetable  # noqa: PLC0415

    merge = merge_of(arguments) or "give_up"
    try:
        content = Path(arguments.file).expanduser().read_bytes()
    except OSError as error:
        raise Problem(
            "file_unreadable", f"Cannot read {arguments.file}: {error.strerror}. Name another file."
        ) from error
    rooms = Rooms.of(context.rooms().get("rooms", []), arguments.map)
    until = read_date(arguments.until, context.zone, context.now()) if arguments.until else None
    cluster = str(context.replica.get("/replica")["cluster"])
    table = read_timetable(content, context.zone, rooms, arguments.part or (1, 1), until, context.user, cluster)
    window_min = int(arguments.window.total_seconds()) // 60 if arguments.window else 0
    plan = plan_of(
        table,
        context.reservations(),
        rooms,
        context.zone,
        until=until,
        new_rooms=arguments.new_rooms,
        pages_of=PageCount(window_min, len(arguments.else_rooms)),
    )
    if arguments.dry_run:
        report = Report(arguments.file, table, plan, rooms, None)
        report.show(context)
        return report.status
    replica = context.connect(context.address)
    try:
        with _progress(len(plan.cancels) + len(plan.steps)) as step:
            tally = Follower(replica, context.user, merge, arguments.new_rooms, step).follow(plan)
    finally:
        replica.close()
    report = Report(arguments.file, table, plan, rooms, tally)
    report.show(context)
    if tally.lost is not None:
        raise tally.lost
    return report.status


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
