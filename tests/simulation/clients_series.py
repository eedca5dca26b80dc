"""Drafts of the writes that simulated clients make to series. The writes are reserve_series, move_series,
extend_series, edit_series and cancel_series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from apps.rooms import drafts_series
from apps.rooms.drafts import DraftContext
from apps.rooms.drafts_series import Occurrence
from apps.rooms.pages import Series, owner_of
from apps.rooms.schema import ReserveBody, SeriesChangeBody, SeriesExtendBody
from bayou.write import Draft
from tests.simulation.clients import REASON, ROOMS, merge, room_name, slot

RULES = ("FREQ=DAILY;COUNT=2", "FREQ=DAILY;COUNT=3", "FREQ=DAILY;INTERVAL=2;COUNT=2", "FREQ=DAILY;COUNT=4")
WANTED = ("all_or_nothing", "best_effort")


def reserve(context: DraftContext, room: int, number: int, how: int) -> Draft:
    """Return the draft of a reserve_series.

    Half of the series begin on the same day as the single reservations. The other series begin a day later, and can
    conflict only with series.
    """
    name, days = room_name(room), how >> 5 & 1
    body = ReserveBody.model_construct(
        room=name,
        slots=[slot(number, days), slot(number + 5, days)][: 1 + how % 2],
        purpose="lecture" if how % 3 else "",
        merge=merge(how >> 2, name),
        rule=RULES[how % len(RULES)],
        excluded=[date(2026, 12, 26)] if how % 5 == 0 else [],
        occurrences=WANTED[how >> 4 & 1],
    )
    return drafts_series.reserve(context, body)


def move(context: DraftContext, of: str, members: Sequence[Occurrence], number: int, how: int, heir: str) -> Draft:
    """Return the draft of a move, an edit or an extension. If the draft hands over the series, `heir` becomes the
    owner."""
    if number % 5 == 4:
        purpose, owner = (f"lecture {how % 4}", None) if how % 3 else (None, heir)
        return drafts_series.edit(context, of, _owner_of(of, members), members, purpose, owner)
    if number % 5 == 3:
        return extend(context, of, members, how)
    room, days = room_name(how), how >> 5 & 1
    body = SeriesChangeBody.model_construct(
        room=room if how % 3 else None,
        slots=[slot(number, days), slot(number + 3, days)][: 1 + how % 2],
        merge=merge(how >> 2, room),
        occurrences=WANTED[how >> 4 & 1],
    )
    return drafts_series.move(context, of, members, body)


def extend(context: DraftContext, of: str, members: Sequence[Occurrence], how: int) -> Draft:
    """Return the draft of an extend_series. The draft adds the one or two dates after the last date of `members`.

    The series may already have an occurrence on an added date, because `members` need not have all occurrences.
    """
    last = date.fromisoformat(members[-1].day)
    known = {member.day: (member.reservation, member.final) for member in members}
    series = Series("FREQ=DAILY", "UTC", (), "", tuple(known), ())
    new = [last + timedelta(days=1 + more) for more in range(1 + how % 2)]
    by_rule = how % 3 == 0
    body = SeriesExtendBody.model_construct(
        dates=[] if by_rule else new,
        merge=merge(how >> 2, ROOMS[0]),
        occurrences=WANTED[how >> 4 & 1],
        until=new[-1] if by_rule else None,
    )
    return drafts_series.extend(context, of, series, known, body)


def cancel(context: DraftContext, of: str, members: Sequence[Occurrence]) -> Draft:
    owner = _owner_of(of, members)
    return drafts_series.cancel(context, of, owner, members, REASON if context.user != owner else None)


def hand_over(context: DraftContext, of: str, members: Sequence[Occurrence], heir: str) -> Draft:
    return drafts_series.edit(context, of, _owner_of(of, members), members, None, heir)


def _owner_of(of: str, members: Sequence[Occurrence]) -> str:
    return owner_of(of, members[0].reservation)
