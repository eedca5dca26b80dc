"""Turns a recurrence rule (RFC 5545, RRULE) into the local dates on which a series has occurrences.

python-dateutil computes the dates. This module refuses invalid rules, and series that are too long. The dates belong to
the time zone of the series. So all occurrences have the local time of the first occurrence, even if clocks change.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from apps.rooms.times import YEAR_LAST
from bayou.errors import BadInput

REACH_DAYS_MAX = 3660  # from the first occurrence to the last: ten years
COUNT_MAX = 4000
_DAYS = "MO|TU|WE|TH|FR|SA|SU"
_NUMBERS = r"[+-]?[0-9]{1,2}(,[+-]?[0-9]{1,2}){0,61}"
_PARTS = {
    "FREQ": "DAILY|WEEKLY|MONTHLY|YEARLY",
    "INTERVAL": "[1-9][0-9]{0,2}",
    "COUNT": "[1-9][0-9]{0,3}",
    "UNTIL": "[0-9]{8}(T[0-9]{6}Z?)?",
    "BYDAY": rf"([+-]?[0-9]{{1,2}})?({_DAYS})(,([+-]?[0-9]{{1,2}})?({_DAYS})){{0,61}}",
    "BYMONTHDAY": _NUMBERS,
    "BYMONTH": "[0-9]{1,2}(,[0-9]{1,2}){0,11}",
    "BYSETPOS": _NUMBERS,
    "WKST": _DAYS,
}


def dates(rule: str, first: datetime, zone: ZoneInfo) -> list[date]:
    """Return the dates of a rule in the time zone `zone`. `first` is the local time at which the first occurrence
    begins. Raise BadInput if the rule is invalid."""
    from dateutil.rrule import rrulestr  # type: ignore[import-untyped]  # noqa: PLC0415 (a MiB, for those who ask)

    parts = _parts(rule)
    if first.year > YEAR_LAST - 11:
        raise _bad(f"a series must begin in the year {YEAR_LAST - 11} at the latest")
    if ("COUNT" in parts) == ("UNTIL" in parts):
        raise _bad("a rule must have either COUNT, such as COUNT=10, or UNTIL, such as UNTIL=20261231")
    reach = first + timedelta(days=REACH_DAYS_MAX)
    until, count = reach, COUNT_MAX
    if "UNTIL" in parts:
        until = _until(parts["UNTIL"], zone)
        if until > reach + timedelta(days=1):
            raise _bad("a series reaches ten years at most; choose an earlier UNTIL")
    else:
        count = int(parts["COUNT"])
    _begins_with(parts, first)
    text = ";".join(f"{name}={value}" for name, value in parts.items() if name not in {"COUNT", "UNTIL"})
    try:
        found = rrulestr(text, dtstart=first).replace(until=until)
        days = [moment.date() for moment in islice(found, count)]
    except (ValueError, OverflowError, TypeError, IndexError) as reason:
        raise _bad(f"this is not a valid rule ({reason}); write it like FREQ=WEEKLY;COUNT=10") from None
    if not days or days[0] != first.date():
        begins = f"the first day of the rule is {days[0]}" if days else "the rule has no day"
        raise _bad(f"the first slot is on {first.date():%A}, {first.date()}, but {begins}. Change the slot or the rule")
    if "COUNT" in parts and len(days) < count:
        raise _bad(f"only {len(days)} of {count} occurrences fall within ten years; choose a smaller COUNT")
    return days


def with_until(rule: str, until: date) -> str:
    """Return the rule with the last date `until`. Raise BadInput if `rule` is empty. The rule may be empty if the
    series was made from a list of occurrences."""
    if not rule:
        raise BadInput(
            "bad_input", "The series has no rule to continue. Give the dates to add in `dates`.", field="until"
        )
    parts = {name: value for name, value in _parts(rule).items() if name not in {"COUNT", "UNTIL"}}
    return ";".join(f"{name}={value}" for name, value in {**parts, "UNTIL": f"{until:%Y%m%d}"}.items())


def without(days: Iterable[date], excluded: Iterable[date]) -> list[date]:
    """Return the dates that are not excluded. Raise BadInput if all dates are excluded."""
    gone = set(excluded)
    left = [day for day in days if day not in gone]
    if not left:
        raise BadInput(
            "bad_input",
            "The field `except` has the dates of all occurrences. Give fewer dates in this field.",
            field="except",
        )
    return left


def _parts(rule: str) -> Mapping[str, str]:
    """Return the parts of a rule, NAME -> VALUE. Raise BadInput if a part is unknown or invalid."""
    parts: dict[str, str] = {}
    for part in rule.upper().removeprefix("RRULE:").rstrip(";").split(";"):
        name, _, value = part.partition("=")
        if name not in _PARTS:
            raise _bad(f"{part[:40]!r} is unknown; use {', '.join(_PARTS)}, as in FREQ=WEEKLY;COUNT=10")
        if name in parts:
            raise _bad(f"{name} appears twice; keep one")
        if not re.fullmatch(_PARTS[name], value):
            raise _bad(f"{part[:40]!r} is not valid; write it like FREQ=MONTHLY;BYDAY=1TU;UNTIL=20271231 (RFC 5545)")
        parts[name] = value
    if "FREQ" not in parts:
        raise _bad("FREQ is missing; write the rule like FREQ=WEEKLY;COUNT=10")
    often = parts["FREQ"] in {"DAILY", "WEEKLY"}
    if often and ("BYSETPOS" in parts or re.search("[0-9]", parts.get("BYDAY", ""))):
        raise _bad("BYSETPOS and numbers in BYDAY need FREQ=MONTHLY or FREQ=YEARLY")
    return parts


def _begins_with(parts: Mapping[str, str], first: datetime) -> None:
    """Raise BadInput if the rule leaves out the first day. This check also refuses a rule without any date, such as a
    rule for 30 February. For such a rule, python-dateutil would search all future years."""
    month_days = calendar.monthrange(first.year, first.month)[1]
    are = {"BYMONTH": {first.month}, "BYMONTHDAY": {first.day, first.day - month_days - 1}}
    wrong = [name for name, own in are.items() if name in parts and not own & {int(n) for n in parts[name].split(",")}]
    if "BYDAY" in parts and _DAYS.split("|")[first.weekday()] not in re.findall("[A-Z]{2}", parts["BYDAY"]):
        wrong.append("BYDAY")
    if wrong:
        day = f"{first.date():%A}, {first.date()}"
        raise _bad(f"the first slot is on {day}, which {wrong[0]} leaves out. Change the slot or {wrong[0]}")


def _until(text: str, zone: ZoneInfo) -> datetime:
    """Return the local time of UNTIL. If UNTIL is a date, return the end of that day."""
    try:
        moment = datetime.strptime(text[:15], "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d")
        if text.endswith("Z"):
            return moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise _bad(f"UNTIL={text} is not a date; write it like UNTIL=20271231") from None
    return moment if "T" in text else datetime.combine(moment, time(23, 59, 59))


def _bad(sentence: str) -> BadInput:
    return BadInput("bad_input", f"rule: {sentence}.", field="rule")
