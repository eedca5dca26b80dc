"""Shows what an import did. For a preview, it shows what the import would do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cli.calendar_files.follow import Tally
from cli.calendar_files.plan import Plan
from cli.calendar_files.rooms import Rooms
from cli.calendar_files.timetable import Timetable, Wanted
from cli.context import Context
from cli.output.screen import Cell, Row, Screen, clean, shorten
from cli.problems import DONE, FAILED, NOTHING_FREE, Problem
from cli.rest import Json
from cli.times import show_slot

LISTED_MAX = 20  # lines of one list on the screen
LISTED_JSON_MAX = 1000


@dataclass
class Report:
    """The result of an import. `tally` is None for a preview."""

    name: str
    table: Timetable
    plan: Plan
    rooms: Rooms
    tally: Tally | None

    @property
    def refused(self) -> list[tuple[Wanted, Problem]]:
        """The wanted reservations that have no slot, each with the reason. Some were refused in this import. The others
        are rejected reservations of an earlier import."""
        found = list(self.tally.refused) if self.tally else []
        found += [(one, Problem("slot_taken", held.reason or "It has no slot.")) for one, held in self.plan.without]
        return sorted(found, key=lambda pair: (pair[0].slot.start, pair[0].room, pair[0].key))

    @property
    def skipped(self) -> list[tuple[str, str]]:
        return [(one.title, one.why) for one in (*self.table.skipped, *self.plan.skipped)]

    @property
    def status(self) -> int:
        """The exit status. FAILED if a part of the file could not be used, or a request failed for another reason than
        a taken slot. NOTHING_FREE if slots were taken, and nothing else failed. Otherwise, DONE."""
        lost = any(not one.expected for one in (*self.table.skipped, *self.plan.skipped))
        failed = self.tally is not None and bool(self.tally.not_cancelled)
        refused = self.refused
        if lost or failed or self.table.damage or self.plan.unknown:
            return FAILED
        if any(problem.code != "slot_taken" for _, problem in refused):
            return FAILED
        return NOTHING_FREE if refused else DONE

    def show(self, context: Context) -> None:
        context.screen.json(self._as_json())
        if not context.screen.as_json:
            self._print(context)

    def _as_json(self) -> Json:
        plan, tally, refused, skipped = self.plan, self.tally or Tally(), self.refused, self.skipped
        planned = plan if self.tally is None else Plan()  # what a preview would do
        return {
            "file": self.name,
            "dry_run": self.tally is None,
            "events": self.table.events,
            "reservations": len(self.table.wanted),
            "added": len(plan.added) if self.tally is None else tally.tentative + tally.committed,
            "accepted": {"tentative": tally.tentative, "committed": tally.committed},
            "changed": len(plan.changed) if self.tally is None else tally.changed,
            "cancelled": len(plan.cancels) if self.tally is None else tally.cancelled,
            "already_there": plan.unchanged,
            "kept": [{"id": identity, "why": why} for identity, why in plan.kept[:LISTED_JSON_MAX]],
            "to_add": [_shown(one) for one in planned.added[:LISTED_JSON_MAX]],
            "to_change": [{"id": one.held.id, **_shown(one.wanted)} for one in planned.changed[:LISTED_JSON_MAX]],
            "to_cancel": [one.held.id for one in planned.cancels[:LISTED_JSON_MAX]],
            "unsent": tally.unsent,
            "unknown_rooms": [
                {"room": room, "nearest": self.rooms.nearest(room), "reservations": len(wanted)}
                for room, wanted in plan.unknown.items()
            ],
            "refused_count": len(refused),
            "refused": [_refusal(one, problem) for one, problem in refused[:LISTED_JSON_MAX]],
            "not_cancelled": [
                {"id": one.held.id, **problem.as_json()} for one, problem in tally.not_cancelled[:LISTED_JSON_MAX]
            ],
            "skipped_count": len(skipped),
            "skipped": [{"title": title, "why": why} for title, why in skipped[:LISTED_JSON_MAX]],
            "damage": self.table.damage[:LISTED_JSON_MAX],
            "remarks": self.table.remarks[:LISTED_JSON_MAX],
        }

    def _print(self, context: Context) -> None:
        screen, zone = context.screen, context.zone
        wanted = self.table.wanted
        sizes = (self.table.events, "event"), (len(wanted), "reservation"), (len({one.room for one in wanted}), "room")
        events, reservations, rooms = (f"{count:,} {name}{'' if count == 1 else 's'}" for count, name in sizes)
        screen.line(
            f"{Path(self.name).name}: {events}, {reservations} in {rooms}, at {context.here}"
            + ("; a preview, nothing was sent" if self.tally is None else "")
        )
        counts = self._counts(screen)
        width = max((len(f"{count:,}") for _, count, _ in counts), default=1)
        rows: list[Row] = [(mark, f"{count:>{width},}", what) for mark, count, what in counts if count]
        screen.table(rows, indent=2)
        if self.tally is None:
            self._print_plan(context)
        sign = screen.paint("✗", "red")
        unknown = []
        for room, wanted in self.plan.unknown.items():
            near = self.rooms.nearest(room)
            hint = f"; the nearest name is {clean(near)}" if near else ""
            count = f"{len(wanted)} reservation{'' if len(wanted) == 1 else 's'}"
            unknown.append(f"  {sign} {clean(room)}: {count}{hint}")
        what = "unknown rooms; --map 'NAME=ROOM' gives the room of a name, --new-rooms accepts the names as new rooms:"
        _list(screen, what, unknown)
        _list(screen, "refused:", [
            f"  {sign} {clean(one.room)}  {show_slot(one.slot, zone)}  {shorten(clean(one.purpose), 40)}\n"
            f"    {clean(problem.message)} [{clean(problem.code)}]"
            for one, problem in self.refused
        ])  # fmt: skip
        failed = self.tally.not_cancelled if self.tally else []
        _list(screen, "not cancelled:", [
            f"  {sign} {clean(one.held.id)}: {clean(problem.message)} [{clean(problem.code)}]"
            for one, problem in failed
        ])  # fmt: skip
        _list(screen, "reservations that differ from the file (to change one, use `move` or `cancel`):", [
            f"  {clean(identity)}: {why}" for identity, why in self.plan.kept
        ])  # fmt: skip
        _list(screen, "skipped:", [f"  – {shorten(title, 40)}: {clean(why)}" for title, why in self.skipped])
        _list(screen, "could not be read:", [f"  {sign} {clean(one)}" for one in self.table.damage])
        _list(screen, "remarks:", [f"  · {clean(one)}" for one in self.table.remarks])

    def _counts(self, screen: Screen) -> list[tuple[Cell, int, str]]:
        plan, tally = self.plan, self.tally
        unknown = sum(map(len, plan.unknown.values()))
        there: list[tuple[Cell, int, str]] = [
            (Cell("="), plan.unchanged, "unchanged" if tally is None else "already there"),
            (Cell("?", "red"), unknown, "in unknown rooms"),
            (screen.mark("rejected"), len(self.refused), "refused"),
            (screen.mark("cancelled"), len(self.skipped), "events skipped"),
        ]
        if tally is None:
            return [
                (Cell("+", "green"), len(plan.added), "to be added"),
                (Cell("~", "cyan"), len(plan.changed), "to be changed"),
                (Cell("–"), len(plan.cancels), "to be cancelled"),
                *there,
            ]
        return [
            (screen.mark("committed"), tally.committed, "committed"),
            (screen.mark("tentative"), tally.tentative, "tentative"),
            (Cell("~", "cyan"), tally.changed, "changed"),
            (Cell("–"), tally.cancelled, "cancelled"),
            *there,
            (Cell("!", "red"), tally.unsent, "not sent; give the same command again to send them"),
        ]

    def _print_plan(self, context: Context) -> None:
        """List what a preview would do."""
        zone = context.zone
        _list(context.screen, "to be added:", [
            f"  + {clean(one.room)} {show_slot(one.slot, zone)}  {shorten(clean(one.purpose), 40)}"
            for one in self.plan.added
        ])  # fmt: skip
        _list(context.screen, "to be changed:", [
            f"  ~ {clean(one.held.id)}  {clean(one.held.room)} {show_slot(one.held.asked, zone)} →"
            f" {clean(one.wanted.room)} {show_slot(one.wanted.slot, zone)}  {shorten(clean(one.wanted.purpose), 40)}"
            for one in self.plan.changed
        ])  # fmt: skip
        _list(context.screen, "to be cancelled:", [
            f"  – {clean(one.held.id)}  {clean(one.held.room)} {show_slot(one.held.asked, zone)}"
            for one in self.plan.cancels
        ])  # fmt: skip


def _list(screen: Screen, title: str, lines: list[str]) -> None:
    if lines:
        screen.line("\n".join([title, *lines[:LISTED_MAX]]))
    if len(lines) > LISTED_MAX:
        screen.line(f"  … and {len(lines) - LISTED_MAX:,} more")


def _shown(one: Wanted) -> Json:
    return {"room": one.room, "date": one.key, **one.slot.as_json(), "purpose": one.purpose}


def _refusal(one: Wanted, problem: Problem) -> Json:
    return {**_shown(one), **problem.as_json()}
