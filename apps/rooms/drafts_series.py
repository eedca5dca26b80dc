"""Makes the draft of one write from a user's request about a series. The write has arguments for each occurrence.

This module converts local dates and times to minutes, because the write holds minutes. Local times are in the time zone
that the request names. If the request names no time zone, the local times are in the zone of the building.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from apps.rooms import recurrence
from apps.rooms.drafts import (
    DraftContext,
    Needs,
    draft_of,
    edited,
    limit_of,
    made_for,
    managing_pages,
    pages_holding,
    search_of,
)
from apps.rooms.pages import (
    Reservation,
    RoomSlot,
    Series,
    decode_reservation,
    decode_slots,
    is_final,
    owner_of,
    reservation_page,
)
from apps.rooms.schema import ReserveBody, SeriesBody, SeriesChangeBody, SeriesExtendBody, Slot
from apps.rooms.times import local_date, shifted
from bayou.application import PageViews
from bayou.errors import BadInput, TooLarge
from bayou.write import PAGES_MAX, Draft

_SHARED = ("window_min", "rooms")  # arguments that are the same for nearly all occurrences


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence of a series. `final` says whether its reservation is final."""

    day: str
    id: str
    reservation: Reservation
    final: bool


def not_cancelled(occurrences: Iterable[tuple[str, str, PageViews]], first: str | None = None) -> list[Occurrence]:
    """Return the occurrences that are not cancelled. If the date `first` is given, leave out the occurrences before
    this date. Each item of `occurrences` is (date, id, page)."""
    return [
        Occurrence(day, identifier, held, is_final(views))
        for day, identifier, views in occurrences
        if (held := decode_reservation(views.tentative)) and held.state != "cancelled" and day >= (first or "")
    ]


def reserve(context: DraftContext, body: ReserveBody) -> Draft:
    """Return the draft of a new series. Raise BadInput, TooLarge or Conflict if the request cannot be granted."""
    assert body.rule is not None, "a rule makes a series"
    zone, first = context.local_zone, body.slots[0]
    begins = datetime.fromtimestamp(first.start * 60, zone).replace(tzinfo=None)
    days = recurrence.without(recurrence.dates(body.rule, begins, zone), body.excluded)
    series = f"{context.user}/{context.request}"
    remedy = "Reserve the other occurrences as another series, or request fewer slots or rooms."
    collected = _Collected(series, len(days), limit_of(context, body.owner or context.user), remedy)
    left_out = []
    for day in days:
        slots = _slots_on(body.slots, (day - begins.date()).days, zone, day)
        if _may_skip(context, body.occurrences, body.room, slots[0], day != days[-1] or collected.occurrences):
            left_out.append(day)
            continue
        search = _without_room(search_of(context, body.room, slots, body.merge))
        collected.add({"date": day.isoformat()}, search, [reservation_page(f"{series}~{day}")])
    collected.require_apart()
    return _reserving(context, body, body.rule, body.excluded, left_out, collected)


def reserve_listed(context: DraftContext, body: SeriesBody) -> Draft:
    """Return the draft of a new series from a list of occurrences. Raise TooLarge or Conflict if the request cannot be
    granted."""
    series = f"{context.user}/{context.request}"
    remedy = "Reserve the other occurrences as another series."
    collected = _Collected(series, len(body.times), limit_of(context, body.owner or context.user), remedy)
    for one in body.times:
        day = one.day.isoformat()
        occurrence = {"date": day}
        if one.room not in {None, body.room}:
            occurrence["room"] = one.room
        if one.purpose not in {None, body.purpose}:
            occurrence["purpose"] = one.purpose
        search = _without_room(search_of(context, one.room or body.room, [one], body.merge))
        collected.add(occurrence, search, [reservation_page(f"{series}~{day}")])
    return _reserving(context, body, body.rule, (), (), collected)


def _reserving(
    context: DraftContext,
    body: ReserveBody | SeriesBody,
    rule: str,
    excluded: Iterable[date],
    closed: Iterable[date],
    collected: _Collected,
) -> Draft:
    """Return the draft of a series. `closed` are dates that the series leaves out because the room is closed."""
    args = {
        **collected.args,
        **made_for(context, body.owner),
        "room": body.room,
        "purpose": body.purpose,
        "rule": rule,
        "except": _encode_dates({*excluded, *closed}),
        "zone": context.local_zone.key,
        "occurrences_wanted": body.occurrences,
    }
    if closed := set(closed) - set(excluded):
        args["closed"] = _encode_dates(closed)
    return draft_of(context, "reserve_series", body.merge.name, args, collected.pages)


def _encode_dates(days: Iterable[date]) -> str:
    return " ".join(sorted(day.isoformat() for day in days))


def move(context: DraftContext, series: str, occurrences: Sequence[Occurrence], body: SeriesChangeBody) -> Draft:
    """Return the draft that moves these occurrences, which must be in the order of their dates. Raise BadInput,
    TooLarge or Conflict if the request cannot be granted.

    The first occurrence gets the slots of the body. For another occurrence, these slots move by some days and keep
    their local times. The number of days is the distance from the date of the first occurrence to the date of the other
    occurrence.

    If the policies refuse reservations in the past (`notice_min`), the write does not move an occurrence that is over.
    But if all occurrences are over, the write moves all of them.
    """
    assert body.slots is not None, "a move has slots"
    zone, first = context.local_zone, date.fromisoformat(occurrences[0].day)
    remedy = (
        "Move the occurrences one by one. Or cancel the occurrences that do not fit, and make a new series for them."
    )
    limit = limit_of(context, context.user)  # only the owner may move a series
    collected = _Collected(series, len(occurrences), limit, remedy)
    over = {one.id for one in occurrences if one.reservation.slot and one.reservation.slot.end <= context.at_min}
    may_stay = context.policies.notice_min is not None and len(over) < len(occurrences)
    for occurrence in occurrences:
        if may_stay and occurrence.id in over:
            continue
        day = date.fromisoformat(occurrence.day)
        slots = _slots_on(body.slots, (day - first).days, zone, day)
        room = body.room or occurrence.reservation.room
        search = search_of(context, room, slots, body.merge)
        pages = pages_holding(occurrence.id, occurrence.reservation, occurrence.final)
        collected.add({"date": occurrence.day, "room": room}, search, pages)
    collected.require_apart()
    # If the occurrences move to later times, the last one moves first, to make room for the one before it.
    slot = occurrences[0].reservation.slot
    if slot is not None and body.slots[0].start > slot.start:
        collected.occurrences.reverse()
    args = {**collected.args, "series": series, "occurrences_wanted": body.occurrences}
    if body.purpose is not None:
        args["purpose"] = body.purpose
    return draft_of(context, "move_series", body.merge.name, args, collected.pages)


def extend(
    context: DraftContext,
    identifier: str,
    series: Series,
    known: Mapping[str, tuple[Reservation, bool]],
    body: SeriesExtendBody,
) -> Draft:
    """Return the draft that adds occurrences to a series. The draft can also give cancelled or rejected occurrences a
    slot again. Raise BadInput, TooLarge or Conflict if the request cannot be granted.

    `known` has an entry for each date of the series: the reservation, and whether the reservation is final. A new
    occurrence has the room, the local times and the purpose of the occurrence before it. If no occurrence comes before
    the new occurrence, the new occurrence is like the earliest occurrence.
    """
    zone = context.local_zone
    like = {day: held for day, (held, _) in known.items() if held.state != "cancelled"}
    like = like or {day: held for day, (held, _) in known.items()}
    rule, days = None, list(body.dates)
    if body.until is not None:
        first = min(known)
        begins = datetime.combine(date.fromisoformat(first), _begins(like[min(like)], zone))
        rule = recurrence.with_until(series.rule, body.until)
        last = max([*known, *series.excluded])
        days = [day for day in recurrence.dates(rule, begins, zone) if day.isoformat() > last]
    days = [day for day in days if (found := known.get(day.isoformat())) is None or found[0].slot is None]
    if not days:
        field, other = (
            ("dates", "`dates` on which the series has no occurrence with a slot")
            if body.until is None
            else ("until", "a later `until`")
        )
        raise BadInput("bad_input", f"This request would add no occurrence to the series. Give {other}.", field=field)
    remedy = "Extend the series in several steps."
    collected = _Collected(identifier, len(days), limit_of(context, context.user), remedy)
    shared = like[max(like)]
    for day in sorted(days):
        before = [other for other in like if other < day.isoformat()]
        template = max(before) if before else min(like)
        held, own = like[template], f"{identifier}~{day}"
        shifted_days, room = (day - date.fromisoformat(template)).days, held.asked[0].room
        asked = [Slot.model_construct(start=slot.start, end=slot.end) for slot in held.asked]
        slots = _slots_on(asked, shifted_days, zone, day)
        others = body.until is not None and (day != max(days) or collected.occurrences)
        if _may_skip(context, body.occurrences, room, slots[0], others):
            continue
        search = search_of(context, room, slots, body.merge)
        occurrence = {"date": day.isoformat()}
        if held.purpose != shared.purpose:
            occurrence["purpose"] = held.purpose
        found = known.get(day.isoformat())
        pages = pages_holding(own, *found) if found else [reservation_page(own)]
        collected.add(occurrence, search, pages)
    collected.require_apart()
    args = {
        **collected.args,
        "series": identifier,
        "room": shared.asked[0].room,
        "purpose": shared.purpose,
        "occurrences_wanted": body.occurrences,
    }
    if rule is not None:
        args["rule"] = rule
    return draft_of(context, "extend_series", body.merge.name, args, collected.pages)


def _may_skip(context: DraftContext, wanted: str, room: str, slot: Slot, others: object) -> bool:
    """Return whether a series may leave out an occurrence. Three conditions must be true: the room is closed on that
    day, the request wants `best_effort`, and `others` says that the series keeps another occurrence."""
    is_closed = context.policies.closed_on(RoomSlot(room, slot.start, slot.end), context.zone)
    return bool(is_closed and wanted == "best_effort" and others)


def _begins(held: Reservation, zone: ZoneInfo) -> time:
    """Return the local time at which the first requested slot of a reservation begins."""
    return datetime.fromtimestamp(held.asked[0].start * 60, zone).time()


def cancel(
    context: DraftContext, series: str, owner: str, occurrences: Sequence[Occurrence], reason: str | None
) -> Draft:
    """Return the draft that cancels these occurrences of a series, which `owner` owns. Raise BadInput if a manager
    cancels for another user without a reason, and TooLarge if the write would declare too many pages."""
    pages = [*_pages_of_owners(context, occurrences), *managing_pages(context, owner, reason)]
    more = {} if reason is None else {"reason": reason}
    remedy = "Cancel the later occurrences first: give their first date as `from`."
    return _changing(context, "cancel_series", series, occurrences, Needs(more, pages), remedy)


def edit(
    context: DraftContext,
    series: str,
    before: str,
    occurrences: Sequence[Occurrence],
    purpose: str | None,
    owner: str | None = None,
) -> Draft:
    """Return the draft that gives these occurrences another purpose, another owner, or both. `before` owns the series.
    Raise TooLarge if the write would declare too many pages."""
    change = edited(context, before, purpose, owner)
    pages = [*change.pages, *(_pages_of_owners(context, occurrences) if owner else [])]
    remedy = (
        "To change the occurrences from a date on, give this date as `from`. Change earlier occurrences one by one."
    )
    return _changing(context, "edit_series", series, occurrences, Needs(change.args, pages), remedy)


def _pages_of_owners(context: DraftContext, occurrences: Iterable[Occurrence]) -> list[str]:
    """Return one page for each owner of these occurrences: the page that lists the owner's open reservations. The
    result is empty if the policies set no limit of open reservations."""
    owners = {owner_of(one.id, one.reservation) for one in occurrences}
    return [page for owner in sorted(owners) for page in limit_of(context, owner).pages]


def _changing(
    context: DraftContext, op: str, series: str, occurrences: Sequence[Occurrence], needs: Needs, remedy: str
) -> Draft:
    """Return the draft of a change that needs no slot. `needs` are the arguments and pages that do not depend on the
    occurrences. If there are too many occurrences, the error ends with the advice `remedy`."""
    collected = _Collected(series, len(occurrences), needs, remedy)
    for occurrence in occurrences:
        held_on = pages_holding(occurrence.id, occurrence.reservation, final=False)
        collected.add({"date": occurrence.day}, Needs({}, []), held_on)
    args = {**collected.args, "series": series, "room": occurrences[0].reservation.room}
    return draft_of(context, op, "give_up", args, collected.pages)


class _Collected:
    """Collects the occurrences of a write about a series. The write may declare at most PAGES_MAX pages.

    count   how many occurrences the request has
    needs   the arguments and pages of the write that do not depend on the occurrences
    remedy  the last sentence of the error if the occurrences need too many pages
    """

    def __init__(self, series: str, count: int, needs: Needs, remedy: str) -> None:
        self._count = count
        self._needs = needs
        self._remedy = remedy
        self.pages = {reservation_page(series), *needs.pages}
        self.occurrences: list[dict[str, Any]] = []
        self._shared: dict[str, Any] = {}

    @property
    def args(self) -> dict[str, Any]:
        """The arguments of `needs`, the argument `occurrences`, and the arguments in _SHARED that the first occurrence
        has. The caller adds the other arguments of the write."""
        return {**self._shared, **self._needs.args, "occurrences": self.occurrences}

    def add(self, occurrence: dict[str, Any], search: Needs, pages: Sequence[str]) -> None:
        """Add an occurrence and the pages that the occurrence needs. Raise TooLarge if the write would then declare too
        many pages. The error says how many occurrences fit."""
        together = self.pages.union(search.pages, pages)
        if len(together) > PAGES_MAX:
            fit = len(self.occurrences)
            raise TooLarge(
                "too_large",
                f"These {self._count} occurrences are too many for one write. Only the first {fit} fit. A write can use"
                f" at most {PAGES_MAX} pages: one for each room and day, and one for each reservation. {self._remedy}",
                pages=len(together),
                pages_max=PAGES_MAX,
                occurrences=self._count,
                occurrences_max=fit,
            )
        self.pages = together
        if not self.occurrences:
            self._shared = {name: value for name, value in search.args.items() if name in _SHARED}
        own = {name: value for name, value in search.args.items() if self._shared.get(name) != value}
        self.occurrences.append({**own, **occurrence})

    def require_apart(self) -> None:
        """Raise BadInput if the first slot of an occurrence overlaps the first slot of the next occurrence."""
        for before, after in pairwise(decode_slots(occurrence["slots"])[0] for occurrence in self.occurrences):
            if after[0] < before[1]:
                raise BadInput(
                    "bad_input",
                    "The first slot (`slots.0`) is so long that two occurrences would overlap. Request a shorter slot.",
                    field="slots.0",
                )


def _without_room(search: Needs) -> Needs:
    return Needs({name: value for name, value in search.args.items() if name != "room"}, search.pages)


def _slots_on(slots: Sequence[Slot], days: int, zone: ZoneInfo, day: date) -> list[Slot]:
    """Return the slots moved by `days` days, at the same local times. Raise BadInput if a moved slot does not exist,
    because clocks change or because the year is too late. The error names `day`, the date of the occurrence."""
    found = []
    for number, slot in enumerate(slots):
        try:
            start, end = shifted(slot.start, days, zone), shifted(slot.end, days, zone)
        except ValueError as reason:
            raise BadInput(
                "bad_input",
                f"slots.{number}: {reason}; choose another time. A new series can also leave out {day} with the field"
                " `except`.",
                field=f"slots.{number}",
            ) from None
        if end <= start:
            message = (
                f"slots.{number}: clocks change on {local_date(slot.start, zone)}. At the same local times on {day},"
                " the slot would not end after its start. Choose other times."
            )
            raise BadInput("bad_input", message, field=f"slots.{number}")
        found.append(Slot.model_construct(start=start, end=end))
    return found
