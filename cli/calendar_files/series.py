"""Computes the occurrences of a repeating event and its exceptions.

An exception is an event with a RECURRENCE-ID. It replaces one occurrence of the repeating event, or an occurrence and
all later occurrences.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, tzinfo

from cli.calendar_files.errors import UnusableError
from cli.calendar_files.events import Event, Length, When
from cli.calendar_files.recurrence import OCCURRENCES_MAX
from cli.calendar_files.zones import is_skipped


@dataclass(frozen=True)
class Occurrence:
    """One time at which an event takes place.

    key      the day of `unmoved`; it identifies the occurrence and never changes
    unmoved  the start that the repeating event gives
    start    the real start; differs from `unmoved` if an exception moves the occurrence
    event    the repeating event, or the exception that replaces this occurrence
    """

    key: date
    unmoved: When
    start: When
    length: Length
    event: Event

    @property
    def is_exception(self) -> bool:
        return self.event.key is not None


@dataclass
class Occurrences:
    """The occurrences of a series. `kept` has the occurrences that take place. `removed` maps the key of every other
    occurrence to the SEQUENCE of the event that removes the occurrence."""

    kept: list[Occurrence] = field(default_factory=list)
    removed: dict[date, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def occurrences_of(
    series: Event | None, exceptions: Sequence[Event], zone: tzinfo, until: date | None = None
) -> Occurrences:
    """Return the occurrences of an event that may repeat. Raise UnusableError if its rule cannot be followed.

    series      the repeating event; None if the file has only exceptions
    exceptions  the exceptions of this event
    zone        the time zone of the building; the key of an occurrence is a day in this zone
    """
    found = Occurrences()
    starts = [] if series is None else _starts(series, zone, until, found)
    changes: dict[When, Event] = {}
    later: list[tuple[When, Event]] = []
    for exception in exceptions:
        hits = _hits(exception.key, (start for start, _ in starts), zone)
        if exception.onwards and series is not None:
            later.append((_resolved(exception.key, series, zone), exception))
        elif not hits and not _is_after(exception.start, until, zone):
            _add_alone(exception, series, zone, found)
        changes.update({start: exception for start in hits if not exception.onwards})
    for start, length in starts:
        assert series is not None, "it has starts"
        earlier = [pair for pair in later if _instant(pair[0], zone) <= _instant(start, zone)]
        if start in changes:
            _add(found, start, changes[start].start, changes[start].length, changes[start], zone)
        elif earlier:
            base, exception = max(earlier, key=lambda pair: _instant(pair[0], zone))
            _add(found, start, _shifted(start, base, exception.start), exception.length, exception, zone)
        else:
            _add(found, start, start, length, series, zone)
    found.kept.sort(key=lambda one: (one.key, _instant(one.start, zone)))
    return found


def _add(found: Occurrences, unmoved: When, start: When, length: Length, event: Event, zone: tzinfo) -> None:
    key = day_of(unmoved, zone)
    if event.cancelled:
        found.removed[key] = event.sequence
    else:
        found.kept.append(Occurrence(key, unmoved, start, length, event))


def _add_alone(exception: Event, series: Event | None, zone: tzinfo, found: Occurrences) -> None:
    """Add an exception that fits no occurrence. The exception takes place at its own time, unless it is cancelled."""
    base = _resolved(exception.key, series, zone)
    _add(found, base, exception.start, exception.length, exception, zone)
    if series is not None and not exception.cancelled:
        found.remarks.append(
            f"its exception for {_shown(base)} fits no occurrence; the exception counts as a single event"
        )
    if series is None and exception.onwards:
        found.remarks.append(f"it changes a series from {_shown(base)} on, but the file has only this occurrence")


def day_of(when: When, zone: tzinfo) -> date:
    """Return the day of a start in the building's time zone."""
    return when.astimezone(zone).date() if isinstance(when, datetime) else when


def _starts(series: Event, zone: tzinfo, until: date | None, found: Occurrences) -> list[tuple[When, Length]]:
    """Return the start and the length of each occurrence that comes from the rules and dates of the series."""
    own, first = series.zone, _local(series.start)
    last = None
    if until is not None:
        end = datetime.combine(until, time(23, 59, 59), zone)
        last = (end.astimezone(own) if own else end).replace(tzinfo=None)

    def exists(local: datetime) -> bool:
        return own is None or not is_skipped(local, own)

    if last is None and not all(rule.has_end for rule in series.rules):
        raise UnusableError("it repeats without an end; give one with --until DATE")
    locals_ = {first}
    for rule in series.rules:
        locals_.update(rule.starts(first, own, last, exists))
    for rule in series.without_rules:
        end_of_all = max(locals_)
        locals_.difference_update(rule.starts(first, own, end_of_all, with_first=False))
    starts: dict[When, Length] = {_placed(local, series.start): series.length for local in locals_}
    for when, length in series.more:
        starts[_as_start(when, series)] = length or series.length
    for when in series.without:
        hits = _hits(when, starts, zone)
        for start in hits:
            del starts[start]
            found.removed[day_of(start, zone)] = series.sequence
        if not hits and not _is_after(_resolved(when, series, zone), until, zone):
            found.remarks.append(f"its EXDATE {_shown(when)} fits no occurrence")
    kept = sorted(
        ((start, length) for start, length in starts.items() if not _is_after(start, until, zone)),
        key=lambda pair: _instant(pair[0], zone),
    )
    if len(kept) > OCCURRENCES_MAX:
        raise UnusableError(f"it repeats more than {OCCURRENCES_MAX} times; give an earlier end with --until DATE")
    if series.rules and len(kept) + len(series.without) <= 1:
        found.remarks.append("its rule has no occurrence after its start")
    return kept


def _local(when: When) -> datetime:
    """Return a start as a local time without a zone. A start that is a day becomes 0:00 of that day."""
    return when.replace(tzinfo=None) if isinstance(when, datetime) else datetime.combine(when, time())


def _placed(local: datetime, like: When) -> When:
    """Convert a local time to a start of the same kind as `like`. If `like` is a time, return a time in the same zone.
    If `like` is a day, return a day."""
    return local.replace(tzinfo=like.tzinfo) if isinstance(like, datetime) else local.date()


def _as_start(when: When, series: Event) -> When:
    """Return a date of RDATE as a start of this series. A date without a time gets the time of DTSTART."""
    if not isinstance(series.start, datetime):
        return when.date() if isinstance(when, datetime) else when
    if not isinstance(when, datetime):
        return datetime.combine(when, series.start.timetz())
    return when if when.tzinfo else when.replace(tzinfo=series.zone)


def _resolved(when: When | None, series: Event | None, zone: tzinfo) -> When:
    """Return the start that a RECURRENCE-ID or EXDATE names. A floating time is in the zone of the series."""
    assert when is not None, "an exception has a key"
    if isinstance(when, datetime):
        return when if when.tzinfo else when.replace(tzinfo=(series and series.zone) or zone)
    return when if series is None else _as_start(when, series)


def _hits(when: When | None, starts: Iterable[When], zone: tzinfo) -> list[When]:
    """Return the starts that a RECURRENCE-ID or EXDATE names. A day names all starts on this day. A time names the
    starts at this moment, and the all-day starts on the day of this moment.

    A floating time is a time in the zone of the series. If no occurrence starts at this time, the floating time is a
    time in the zone of the building.
    """
    all_starts = list(starts)
    if not isinstance(when, datetime):
        return [start for start in all_starts if _local(start).date() == when]
    days = {when.date(), when.astimezone(UTC).date()} if when.tzinfo else {when.date()}
    whole = [start for start in all_starts if not isinstance(start, datetime) and start in days]
    moments = [start for start in all_starts if isinstance(start, datetime)]
    if when.tzinfo:
        return whole + [start for start in moments if start.astimezone(UTC) == when.astimezone(UTC)]
    exact = [start for start in moments if start.replace(tzinfo=None) == when]
    here = [start for start in moments if start.astimezone(zone).replace(tzinfo=None) == when]
    return whole + (exact or here)


def _shifted(start: When, base: When, moved: When) -> When:
    """Return the new start of the occurrence at `start`, if an exception moves the occurrence at `base` to `moved`.
    Both occurrences move by the same number of days and hours, in local time."""
    return _placed(_local(moved) + (_local(start) - _local(base)), moved)


def _instant(when: When, zone: tzinfo) -> datetime:
    whole = when if isinstance(when, datetime) else datetime.combine(when, time(), zone)
    return (whole if whole.tzinfo else whole.replace(tzinfo=zone)).astimezone(UTC)


def _is_after(when: When, until: date | None, zone: tzinfo) -> bool:
    return until is not None and day_of(when, zone) > until


def _shown(when: When) -> str:
    return f"{when:%Y-%m-%d %H:%M}" if isinstance(when, datetime) else when.isoformat()
