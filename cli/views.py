"""What a replica's answers look like to a person: reservations, calendars, rooms. It asks nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from cli.rest import Json
from cli.show import Cell, Screen, brief, clean, shorten, width_of
from cli.times import Slot, day_bounds, parse_iso, show_slot, show_zone

HALF_HOUR = timedelta(minutes=30)
FIRST_HOUR, LAST_HOUR = 7, 21  # what a day's chart shows at least


@dataclass(frozen=True)
class Viewer:
    """Who looks, on which screen, in which time zone."""

    screen: Screen
    user: str
    zone: tzinfo


def slot_of(data: Mapping[str, str]) -> Slot:
    return Slot(parse_iso(data["start"]), parse_iso(data["end"]))


def when(reservation: Json, zone: tzinfo) -> str:
    """Where it stands in time; what it asked for first, in brackets, if it stands nowhere."""
    if slot := reservation.get("slot"):
        held = slot_of(slot)
        return show_slot(held.start, held.end, zone)
    asked = reservation.get("asked") or []
    if not asked:
        return "–"
    first = slot_of(asked[0])
    return f"({show_slot(first.start, first.end, zone)})"


def reason_of(reservation: Json) -> str:
    reason = reservation.get("reason")
    return f"{reason.get('message', '')} [{reason.get('code', '')}]" if isinstance(reason, dict) else ""


def show_reservation(screen: Screen, reservation: Json, zone: tzinfo) -> None:
    """One reservation in a line, and under it why it is not where it was wanted, if it is not."""
    slot = reservation.get("slot")
    moment = parse_iso(slot["start"]) if slot else None
    parts = [
        screen.state(str(reservation["state"])),
        screen.paint(clean(reservation["room"]), bold=True),
        when(reservation, zone) + (f" {show_zone(zone, moment)}" if moment else ""),
    ]
    if reservation.get("purpose"):
        parts.append(clean(reservation["purpose"]))
    screen.line("  ".join(parts))
    lines = [("id", clean(reservation["id"]))]
    if reservation["state"] == "rejected":
        lines.append(("why", clean(reason_of(reservation))))
    elif choice := _choice(reservation):
        lines.append(("note", choice))
    if reservation.get("series"):
        lines.append(("series", clean(reservation["series"])))
    if not reservation.get("final", True):
        lines.append(("note", "not final: it may still change when replicas meet, until the primary commits it"))
    for name, text in lines:
        screen.line(f"  {screen.paint(f'{name:<6}', 'dark_grey')} {text}")


def show_reservations(screen: Screen, reservations: Sequence[Json], zone: tzinfo) -> None:
    """Reservations in columns: mark, id, room, time, purpose or the reason of a rejection."""
    rows = []
    for one in reservations:
        rejected = one["state"] == "rejected"
        rows.append(
            (
                screen.mark(str(one["state"])),
                brief(str(one["request"])),
                str(one["room"]),
                when(one, zone),
                Cell(reason_of(one), "red") if rejected else str(one.get("purpose", "")),
            )
        )
    screen.table(rows)


def show_day(viewer: Viewer, day: date, calendars: Mapping[str, Sequence[Json]]) -> None:
    """A day of several rooms: a chart of half hours, then each room's reservations."""
    screen, today = viewer.screen, day_bounds(day, 1, viewer.zone)
    touching = {room: [one for one in entries if _touches(one, today)] for room, entries in calendars.items()}
    screen.line(screen.paint(f"{day:%A} {day.day} {day:%B %Y}", bold=True))
    show_chart(screen, {room: (today, entries) for room, entries in touching.items()})
    for room, entries in touching.items():
        if not entries:
            continue
        screen.line()
        screen.line(screen.paint(clean(room), bold=True))
        _show_entries(viewer, entries, today)


def show_days(viewer: Viewer, room: str, days: Sequence[date], entries: Sequence[Json]) -> None:
    """Several days of one room: a chart with a line for each day, then each day's reservations."""
    screen = viewer.screen
    bounds = {f"{day:%a %d %b}": day_bounds(day, 1, viewer.zone) for day in days}
    touching = {name: [one for one in entries if _touches(one, today)] for name, today in bounds.items()}
    screen.line(screen.paint(clean(room), bold=True))
    show_chart(screen, {name: (bounds[name], taken) for name, taken in touching.items()})
    for day, (name, taken) in zip(days, touching.items(), strict=True):
        if taken:
            screen.line()
            screen.line(screen.paint(f"{day:%A} {day.day} {day:%B %Y}", bold=True))
            _show_entries(viewer, taken, bounds[name])


def show_chart(screen: Screen, rows: Mapping[str, tuple[Slot, Sequence[Json]]]) -> None:
    """A line for each name, a character for each half hour."""
    first, last = FIRST_HOUR, LAST_HOUR
    for today, entries in rows.values():
        for one in entries:
            slot = _within(one, today)
            start, end = _wall(slot.start, today), _wall(slot.end, today)
            first, last = min(first, int(start // 1)), max(last, -int(-end // 1))
    names = min(max(width_of(clean(name)) for name in rows), 22)
    ruler = "".join(f"{hour:<4}" if (hour - first) % 2 == 0 else "" for hour in range(first, last))
    screen.line(f"{' ' * names}  {screen.paint(ruler.rstrip(), 'dark_grey')}")
    for name, (today, entries) in rows.items():
        label = shorten(clean(name), names)
        cells = [_half_hour(screen, entries, today, half) for half in range(first * 2, last * 2)]
        screen.line(f"{label}{' ' * (names - width_of(label))}  {''.join(cells)}")


def show_rooms(screen: Screen, answer: Json) -> None:
    rows = []
    for room in answer.get("rooms", []):
        listed = room.get("listed", True)
        rows.append((str(room["name"]), Cell("" if listed else "not in the configuration", "dark_grey")))
    screen.table(rows)
    screen.line(screen.paint(f"times are in {clean(answer.get('timezone', 'UTC'))}", "dark_grey"))


def _choice(reservation: Json) -> str:
    """Which of the asked slots it has, where that is not the first."""
    slot, asked = reservation.get("slot"), reservation.get("asked") or []
    if not slot or not asked:
        return ""
    held, room = slot_of(slot), reservation.get("room")
    for position, one in enumerate(asked, start=1):
        if slot_of(one) == held and one.get("room", room) == room:
            return f"the slots before it were taken; this is choice {position}" if position > 1 else ""
    return "what was asked for was taken; the merge procedure found this"


def _show_entries(viewer: Viewer, entries: Sequence[Json], today: Slot) -> None:
    screen, zone = viewer.screen, viewer.zone
    rows = []
    for one in entries:
        own = one["user"] == viewer.user
        slot = slot_of(one)
        start = f"{slot.start.astimezone(zone):%H:%M}" if slot.start >= today.start else "…    "
        end = f"{slot.end.astimezone(zone):%H:%M}" if slot.end <= today.end else "…    "
        name = Cell(str(one["user"]), "cyan" if own else None)
        identity = Cell(brief(str(one["request"])) if own else "", "dark_grey")
        rows.append((screen.mark(str(one["state"])), f"{start}–{end}", name, str(one["purpose"]), identity))
    screen.table(rows, indent=2, cut=3)


def _half_hour(screen: Screen, entries: Sequence[Json], today: Slot, half: int) -> str:
    """The mark where a reservation begins, a line where it goes on, so that two in a row stay two."""
    shown = screen.paint("·", "dark_grey")
    for one in entries:
        slot = _within(one, today)
        first, last = int(_wall(slot.start, today) * 2), -int(-_wall(slot.end, today) * 2 // 1)
        mark = screen.mark(str(one["state"]))
        if first == half:
            return screen.paint(mark.text, mark.color)
        if first < half < last:
            shown = screen.paint("━", mark.color)
    return shown


def _touches(entry: Json, today: Slot) -> bool:
    slot = slot_of(entry)
    return slot.start < today.end and slot.end > today.start


def _within(entry: Json, today: Slot) -> Slot:
    slot = slot_of(entry)
    return Slot(max(slot.start, today.start), min(slot.end, today.end))


def _wall(moment: datetime, today: Slot) -> float:
    """Hours on the wall clock since the day's midnight, 24 at its end."""
    if moment >= today.end:
        return 24.0
    local = moment.astimezone(today.start.tzinfo)
    return local.hour + local.minute / 60
