"""Compares a calendar file with the reservations of earlier imports, and plans the changes.

The SEQUENCE of an event says which of two versions is newer. A newer version moves, changes and cancels the
reservations of older versions. The same version changes nothing, even if somebody has moved a reservation by hand.

A file may also change or remove a single occurrence (RECURRENCE-ID, EXDATE, CANCELLED). Many programs do not raise the
SEQUENCE for such a change. So the plan has such a change even if the SEQUENCE is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, tzinfo
from itertools import zip_longest

from cli.calendar_files import requests
from cli.calendar_files.rooms import Rooms
from cli.calendar_files.timetable import Course, Skipped, Timetable, Wanted
from cli.rest import Json
from cli.times import Slot, slot_of


@dataclass(frozen=True)
class Held:
    """A reservation that the user already has.

    request   the request id of the reservation; an occurrence of a series has the id of the series, `~` and a date
    made_by   the id of the request that made the reservation or the series
    key       the day that identifies an occurrence of a series; the start day of a single reservation
    asked     the first choice of the newest request; the reservation may have another slot
    sequence  the highest SEQUENCE that an import has followed for this reservation
    by_hand   True if the newest change does not come from an import of this event
    """

    id: str
    request: str
    made_by: str
    key: str
    room: str
    asked: Slot
    purpose: str
    state: str
    reason: str
    sequence: int
    by_hand: bool

    @property
    def active(self) -> bool:
        return self.state != "cancelled"

    def is_as(self, one: Wanted) -> bool:
        return (self.room, self.purpose) == (one.room, one.purpose) and self.asked == one.slot


@dataclass(frozen=True)
class Add:
    """Adds one series with the reservations `wanted`, or a single reservation."""

    request: str
    course: Course
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True)
class Change:
    """Moves a reservation, or gives it another room or purpose."""

    request: str
    course: Course
    held: Held
    wanted: Wanted


@dataclass(frozen=True)
class Cancel:
    request: str
    held: Held


@dataclass(frozen=True)
class PageCount:
    """Counts the pages that a write has to declare for a reservation. The merge procedure adds the pages of
    `window_min` minutes before and after the slot, and the pages of `other_rooms` rooms."""

    window_min: int = 0
    other_rooms: int = 0

    PAGES_MAX = 390  # of one series; a replica allows 400 and needs some for itself

    def of(self, one: Wanted) -> int:
        margin = self.window_min * 60
        first = int(one.slot.start.timestamp() - margin) // 86400
        last = int(one.slot.end.timestamp() + margin - 1) // 86400
        rooms = len(one.room.split("+"))
        return 1 + (last - first + 1) * (rooms + self.other_rooms)


@dataclass
class Plan:
    """The steps of an import. Reservations are made in the order of the file. If two events overlap, the earlier event
    in the file gets the room.

    unknown  unknown room -> the reservations that the file wants in this room
    kept     (id, reason) for each reservation that does not change, although the file differs from it; if an earlier
             import had a newer version of an event, there is one entry for the whole event
    without  (wanted reservation, held reservation) for each wanted reservation that exists already and is rejected
    """

    cancels: list[Cancel] = field(default_factory=list)
    steps: list[Add | Change] = field(default_factory=list)
    unchanged: int = 0
    unknown: dict[str, list[Wanted]] = field(default_factory=dict)
    kept: list[tuple[str, str]] = field(default_factory=list)
    without: list[tuple[Wanted, Held]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def added(self) -> list[Wanted]:
        return [one for step in self.steps if isinstance(step, Add) for one in step.wanted]

    @property
    def changed(self) -> list[Change]:
        return [step for step in self.steps if isinstance(step, Change)]


def plan_of(
    table: Timetable,
    reservations: Iterable[Json],
    rooms: Rooms,
    zone: tzinfo,
    *,
    until: date | None,
    new_rooms: bool,
    pages_of: PageCount,
) -> Plan:
    """Return the plan of an import. `reservations` has all reservations that the user owns, as GET
    /users/USER/reservations returns them.

    If another user made one of these reservations, it does not come from an import by the owner. The plan compares such
    a reservation only with an event that was exported from the reservation.
    """
    by_base: dict[str, list[Held]] = defaultdict(list)
    by_id: dict[str, Held] = {}
    for one in reservations:
        held = held_of(one, zone)
        if one["user"] == table.user:
            by_base[requests.split(held.made_by)[0]].append(held)
        by_id[held.id] = held
    plan = Plan()
    for course in table.courses:
        if course.own and course.own in by_id:
            _compare_own(plan, course, by_id[course.own])
        else:
            _Following(plan, course, by_base[course.request], rooms, until, new_rooms, pages_of).run()
    return plan


def held_of(one: Json, zone: tzinfo) -> Held:
    made_by = str(one["request"]).partition("~")[0]
    base, sequence = requests.split(made_by)
    changes = [requests.split(request) for request in one.get("changed_by", [])]
    asked = one["asked"][0]
    slot = slot_of(asked)
    return Held(
        id=str(one["id"]),
        request=str(one["request"]),
        made_by=made_by,
        key=str(one.get("occurrence") or slot.start.astimezone(zone).date().isoformat()),
        room=str(asked["room"]),
        asked=Slot(slot.start.astimezone(UTC), slot.end.astimezone(UTC)),
        purpose=str(one.get("purpose", "")),
        state=str(one["state"]),
        reason=str((one.get("reason") or {}).get("message", "")),
        sequence=max([sequence, *(number for name, number in changes if name == base)]),
        by_hand=bool(changes) and changes[-1][0] != base,
    )


def _compare_own(plan: Plan, course: Course, held: Held) -> None:
    """Compare an exported event with its reservation. The reservation does not change, because the export shows an
    older state of the reservation. Only the difference is reported."""
    plan.unchanged += 1
    if course.wanted and held.active and not held.is_as(course.wanted[0]):
        plan.kept.append((held.id, "it was made here, and the file has another time, room or purpose"))


@dataclass
class _Following:
    """Plans the changes for the events of one UID."""

    plan: Plan
    course: Course
    held: list[Held]
    rooms: Rooms
    until: date | None
    new_rooms: bool
    pages_of: PageCount
    changes: list[Change] = field(default_factory=list)
    adds: list[Wanted] = field(default_factory=list)

    def run(self) -> None:
        course = self.course
        known = max((one.sequence for one in self.held), default=-1)
        if course.newest < known:
            why = f"the file has an older version of it than the one imported last (SEQUENCE {known})"
            self.plan.kept.append((course.request, why))
            self.plan.unchanged += sum(one.active for one in self.held)
            return
        if course.cancelled:
            active = [one for one in self.held if one.active]
            for one in active:
                self.cancel(one, course.sequence)
            if not active:
                self.plan.skipped.append(Skipped(course.title, "it is cancelled", expected=True))
            return
        self.cancel_removed()
        pairs, wanted, held = self.matched()
        for pair in pairs:
            self.compare(*pair)
        self.match_the_rest(wanted, held)
        # If all move to later times, the last one moves first: another reservation may need its old slot.
        self.changes.sort(key=lambda one: one.wanted.slot.start)
        later = [one for one in self.changes if one.wanted.slot.start > one.held.asked.start]
        self.plan.steps += [one for one in self.changes if one not in later] + later[::-1]
        self.add_all()

    def cancel_removed(self) -> None:
        again = {one.key for one in self.course.wanted}
        for one in self.held:
            if one.active and one.key in self.course.removed and one.key not in again:
                self.cancel(one, self.course.removed[one.key])
        if not self.course.wanted and not self.held:
            self.plan.skipped.append(Skipped(self.course.title, "it is cancelled", expected=True))

    def matched(self) -> tuple[list[tuple[Wanted, Held]], list[Wanted], list[Held]]:
        """Pair each wanted reservation with a held reservation that has the same key. Return three lists: the pairs,
        the wanted reservations without a pair, and the held reservations without a pair.

        The third list has no reservation that is cancelled, or that the file removes.
        """
        pairs, wanted_left, held_left = [], [], []
        keys = {one.key for one in self.course.wanted}
        for key in sorted(keys | {one.key for one in self.held}):
            wanted = sorted((one for one in self.course.wanted if one.key == key), key=lambda one: one.slot.start)
            held = sorted(
                (one for one in self.held if one.key == key), key=lambda one: (not one.active, one.asked.start)
            )
            for one, other in zip_longest(wanted, held):
                if one and other:
                    pairs.append((one, other))
                elif one:
                    wanted_left.append(one)
                elif other and other.active and key not in self.course.removed:
                    held_left.append(other)
        return pairs, wanted_left, held_left

    def match_the_rest(self, wanted: list[Wanted], held: list[Held]) -> None:
        """Pair the reservations that `matched` did not pair: the first wanted with the first held reservation, and so
        on. So the event keeps its reservations if it moves to other days.

        Then plan to add the wanted reservations that are left, and to cancel the held reservations that are left.
        """
        if not self.course.complete:
            held = []
        if self.until and self.course.repeats:
            held = [one for one in held if one.key <= self.until.isoformat()]
        for one, other in zip_longest(wanted, held):
            if one and other:
                self.compare(one, other)
            elif one:
                self.adds.append(one)
            elif other:
                self.cancel(other, self.course.sequence, needs_newer=True)

    def compare(self, one: Wanted, other: Held) -> None:
        newer = one.sequence > other.sequence
        if not other.active:
            if newer and not other.by_hand:
                self.adds.append(one)
            else:
                self.plan.unchanged += 1
                if newer:
                    self.plan.kept.append((other.id, "the file has a newer version, but it was cancelled here"))
            return
        if other.is_as(one):
            if other.state == "rejected":
                self.plan.without.append((one, other))
            else:
                self.plan.unchanged += 1
            return
        is_new_exception = one.sequence == other.sequence and one.unmoved == other.asked.start
        if not newer and not is_new_exception:
            self.plan.unchanged += 1
            why = "it was changed here" if other.by_hand else "the SEQUENCE of the event is not higher"
            self.plan.kept.append((other.id, f"the file has another time, room or purpose, but {why}"))
        elif self.is_known(one):
            request = requests.to_change(self.course.request, one.sequence)
            self.changes.append(Change(request, self.course, other, one))

    def cancel(self, one: Held, sequence: int, *, needs_newer: bool = False) -> None:
        sequence = max(sequence, self.course.sequence)
        if sequence > one.sequence or (sequence == one.sequence and not needs_newer):
            self.plan.cancels.append(Cancel(requests.to_cancel(self.course.request, sequence), one))
            return
        self.plan.unchanged += 1
        self.plan.kept.append((one.id, "the file no longer has it, but the SEQUENCE of the event is not higher"))

    def is_known(self, one: Wanted) -> bool:
        """Return whether a wanted reservation may use its room. If not, add the room to `plan.unknown`."""
        if self.rooms.is_known(one.room) or self.new_rooms:
            return True
        self.plan.unknown.setdefault(one.room, []).append(one)
        return False

    def add_all(self) -> None:
        """Plan the new reservations. A repeating event becomes one series, or several series if the occurrences do not
        fit into one. Any other event becomes single reservations."""
        used = {one.made_by for one in self.held}
        left = [one for one in self.adds if self.is_known(one)]
        while left:
            part = _first_part(left, self.pages_of) if self.course.repeats else left[:1]
            left = [one for one in left if one not in part]
            sequence = 0 if self.course.keeps_request else max(self.course.sequence, 0)
            request = requests.to_reserve(self.course.request, sequence, part[0].key, used)
            used.add(request)
            self.plan.steps.append(Add(request, self.course, tuple(part)))


def _first_part(wanted: Sequence[Wanted], pages_of: PageCount) -> list[Wanted]:
    """Return as many of the wanted reservations as fit into one series. The reservations of a series have different
    keys, and need at most PAGES_MAX pages together."""
    part: list[Wanted] = []
    days: set[str] = set()
    pages = 0
    for one in wanted:
        pages += pages_of.of(one)
        if part and pages > PageCount.PAGES_MAX:
            break
        if one.key not in days:
            part.append(one)
            days.add(one.key)
    return part
