"""Computes the occurrences of a recurrence rule (RFC 5545, RRULE and EXRULE) as local times without a zone.

python-dateutil does most of the work. This module adds four things. It reads UNTIL in any form. It makes DTSTART the
first occurrence. It leaves out a local time that does not exist, because clocks go forward then. It detects a rule that
never matches.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, tzinfo
from itertools import takewhile

from dateutil.rrule import rrulestr  # type: ignore[import-untyped]

from cli.calendar_files.errors import UnusableError

OCCURRENCES_MAX = 1000  # of one event
HORIZON = datetime(2160, 1, 1)  # replicas hold no later time
_TOO_OFTEN = {"SECONDLY", "MINUTELY", "HOURLY"}
_LIKE_NOW = {"RSCALE": "GREGORIAN", "SKIP": "OMIT"}  # RFC 7529; other values are not followed


class Rule:
    """A recurrence rule. Raise UnusableError if the rule cannot be followed."""

    def __init__(self, text: str) -> None:
        parts: dict[str, str] = {}
        for part in filter(None, text.upper().replace(" ", "").split(";")):
            name, sign, value = part.partition("=")
            if not sign or not value or name in parts:
                raise UnusableError(f"its rule {text} cannot be read")
            parts[name] = value
        self.text = ";".join(f"{name}={value}" for name, value in parts.items())
        if parts.get("FREQ") in _TOO_OFTEN:
            # With a condition that is never true, the search would take hours.
            raise UnusableError("it repeats more often than daily; write each time as a separate event")
        for name, value in _LIKE_NOW.items():
            if parts.pop(name, value) != value:
                raise UnusableError(f"its rule {text} has a value of {name} that is not supported")
        try:
            self.count = int(parts.pop("COUNT")) if "COUNT" in parts else None
            interval = int(parts.get("INTERVAL", 1))
        except ValueError:
            raise UnusableError(f"its rule {text} cannot be read") from None
        if interval < 1:
            raise UnusableError(f"its rule {text} has an INTERVAL of less than 1")
        if self.count is not None and self.count < 1:
            raise UnusableError(f"its rule {text} has no occurrence")
        self.until = parts.pop("UNTIL", None)
        self._parts = ";".join(f"{name}={value}" for name, value in parts.items())

    @property
    def has_end(self) -> bool:
        return self.count is not None or self.until is not None

    def last(self, zone: tzinfo | None) -> datetime | None:
        """Return the local time of UNTIL; None if the rule has no UNTIL. If UNTIL is a date, return the end of this
        day."""
        if self.until is None:
            return None
        try:
            if "T" not in self.until:
                return datetime.combine(datetime.strptime(self.until, "%Y%m%d"), time(23, 59, 59))
            moment = datetime.strptime(self.until[:15], "%Y%m%dT%H%M%S")
            if self.until.endswith("Z") and zone is not None:
                return moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
        except (ValueError, OverflowError):
            raise UnusableError(f"its UNTIL={self.until} cannot be read") from None
        return moment

    def starts(
        self,
        first: datetime,
        zone: tzinfo | None,
        last: datetime | None,
        exists: Callable[[datetime], bool] = lambda _: True,
        *,
        with_first: bool = True,
    ) -> list[datetime]:
        """Return the local times of the occurrences until `last` or UNTIL, whichever is earlier. Return at most
        OCCURRENCES_MAX + 1 times.

        `first` is DTSTART. If `with_first` is true, `first` is an occurrence even if the rule does not match it (RFC
        5545, 3.8.5.3). A local time is left out if it does not exist, because clocks go forward then (RFC 5545,
        3.3.10). `exists` returns whether a local time exists.
        """
        end = min(filter(None, [HORIZON, last, self.last(zone)]))
        found = [first] if with_first else []
        try:
            if self._ever_matches(first):
                rule = rrulestr(self._parts, dtstart=first)
                for start in takewhile(lambda one: one <= end, rule):
                    if len(found) > OCCURRENCES_MAX or len(found) == self.count:
                        break
                    if (start != first or not with_first) and exists(start):
                        found.append(start)
        except (ValueError, TypeError, IndexError, OverflowError, KeyError) as error:
            raise UnusableError(f"its rule {self.text} cannot be followed: {error}") from None
        return found

    def _ever_matches(self, first: datetime) -> bool:
        """Return whether the rule matches at least once in several decades.

        For a rule that never matches, python-dateutil would search all years up to 9999, which takes minutes. So this
        method searches only the last decades before 9999. It begins with a year that has the same calendar as the year
        of `first`.
        """
        new_year, leap = date(first.year, 1, 1).weekday(), _is_leap(first.year)
        year = next(y for y in range(9915, 9945) if _is_leap(y) == leap and date(y, 1, 1).weekday() == new_year)
        return next(iter(rrulestr(self._parts, dtstart=first.replace(year=year))), None) is not None


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
