"""Makes the draft of a write from a user's request to reserve, move or cancel.

A write must give the same result at every replica, even if the configurations differ. So this module looks up the
rooms, the local day and the opening hours once. The write carries the results as values. The write also declares every
page that a play of the write may touch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from apps.api.service import Rules, new_draft
from apps.people.pages import person_page
from apps.rooms.pages import (
    Reservation,
    RoomSlot,
    decode_slots,
    encode_detail,
    encode_slots,
    owner_of,
    reservation_page,
    rooms_of,
    user_page,
)
from apps.rooms.policies import NO_POLICIES, Policies
from apps.rooms.schema import AnotherRoom, GiveUp, Merge, NearestFreeTime, ReservationChangeBody, ReserveBody, Slot
from apps.rooms.times import encode_offsets, minute_of
from bayou.errors import BadInput, Forbidden, TooLarge
from bayou.write import PAGES_MAX, Draft

WITHOUT_LOCAL_TIMES = "rooms/1"
TAGS = (WITHOUT_LOCAL_TIMES, "rooms/2")

_CHECKS = {
    "reserve": "first_choice_free",
    "move": "first_choice_free",
    "cancel": "reservation_stands",
    "edit": "reservation_stands",
    "reserve_series": "every_first_choice_free",
    "move_series": "every_first_choice_free",
    "extend_series": "every_first_choice_free",
    "cancel_series": "every_reservation_stands",
    "edit_series": "every_reservation_stands",
}


_SEARCHES = {"first_choice_free", "every_first_choice_free"}  # the checks of writes that want a slot


@dataclass(frozen=True, slots=True)
class DraftContext:
    """The values that the drafts of one request share: the user, the request id, the time (UTC) and the policies.

    zone      the time zone of the building; the policies use local times of this zone
    own_zone  the time zone that the request names for its local times; None if the request names none
    app       the application that plays the writes, as NAME/VERSION
    manages   whether the user may make reservations for others, and hand over reservations that others own
    """

    user: str
    request: str
    at: datetime
    zone: ZoneInfo
    listed_rooms: Collection[str]
    policies: Policies = NO_POLICIES
    role: str = "user"
    own_zone: ZoneInfo | None = None
    app: str = WITHOUT_LOCAL_TIMES
    manages: bool = False

    @property
    def local_zone(self) -> ZoneInfo:
        """The time zone of the local times in the request."""
        return self.own_zone or self.zone

    @property
    def at_min(self) -> int:
        return minute_of(self.at)


def reserve(context: DraftContext, body: ReserveBody) -> Draft:
    """Return the draft of a new reservation. Raise BadInput, TooLarge or Conflict if the request cannot be granted."""
    search = search_of(context, body.room, body.slots, body.merge)
    limit = limit_of(context, body.owner or context.user)
    args: dict[str, Any] = {**search.args, **limit.args, **made_for(context, body.owner), "purpose": body.purpose}
    if body.series is not None:
        args["series"] = body.series
    pages = [reservation_page(f"{context.user}/{context.request}"), *search.pages, *limit.pages]
    return draft_of(context, "reserve", body.merge.name, args, pages)


def move(
    context: DraftContext, identifier: str, reservation: Reservation, final: bool, body: ReservationChangeBody
) -> Draft:
    """Return the draft that moves a reservation. Raise BadInput, TooLarge or Conflict if the request cannot be
    granted."""
    assert body.slots is not None, "a move has slots"
    search = search_of(context, body.room or reservation.room, body.slots, body.merge)
    limit = limit_of(context, context.user)  # only the owner may move a reservation
    args = {**search.args, **limit.args, "reservation": identifier}
    if body.purpose is not None:
        args["purpose"] = body.purpose
    pages = [*pages_holding(identifier, reservation, final), *search.pages, *limit.pages]
    return draft_of(context, "move", body.merge.name, args, pages)


def move_back(context: DraftContext, identifier: str, held: Reservation, to: RoomSlot, by: str) -> Draft:
    """Return the draft that moves a reservation back to its requested local times. `to` is the slot at these local
    times. The user of the write is the owner; `by` is the user who asked for the move. If the owner moves the
    reservation before this write is played, the write does nothing. Raise Conflict if the policies forbid the slot."""
    assert held.slot is not None, "only a reservation with a slot has local times"
    body = ReservationChangeBody.model_construct(
        slots=[Slot.model_construct(start=to.start, end=to.end)], merge=GiveUp(name="give_up")
    )
    draft = move(context, identifier, held, False, body)
    return replace(draft, args={**draft.args, "back": {"by": by, "from": encode_detail(held.slot)}})


def cancel(context: DraftContext, identifier: str, reservation: Reservation, reason: str | None = None) -> Draft:
    """Return the draft that cancels a reservation. The draft also names the room, for people who read the log.

    The draft declares the pages of every slot that the reservation may get, even if the reservation is final. A forced
    promotion may revoke the commit of the reservation. Then a replay may move the reservation to another of these
    slots. A play of the cancel must remove the reservation from the pages of that slot.
    """
    args = {"reservation": identifier, "room": reservation.room}
    if reason is not None:
        args["reason"] = reason
    owner = owner_of(identifier, reservation)
    pages = [*pages_holding(identifier, reservation, final=False), *limit_of(context, owner).pages]
    return draft_of(context, "cancel", "give_up", args, [*pages, *managing_pages(context, owner, reason)])


def edit(
    context: DraftContext, identifier: str, reservation: Reservation, purpose: str | None, owner: str | None = None
) -> Draft:
    """Return the draft that gives a reservation another purpose, another owner, or both. Purpose and owner are on the
    pages of the room too, so the draft declares the same pages as a cancel."""
    args = {"reservation": identifier, "room": reservation.room}
    change = edited(context, owner_of(identifier, reservation), purpose, owner)
    pages = [*pages_holding(identifier, reservation, final=False), *change.pages]
    return draft_of(context, "edit", "give_up", args | change.args, pages)


def made_for(context: DraftContext, owner: str | None) -> dict[str, Any]:
    """Return the write arguments that give a new reservation or series to `owner`. The result is empty if `owner` is
    None or the user of the request. Raise Forbidden if the user of the request may not make reservations for others."""
    if owner in {None, context.user}:
        return {}
    if not context.manages:
        raise Forbidden(
            "forbidden",
            f"Only a manager can make a reservation for another user ({owner}). Make the reservation for yourself,"
            " without the field `owner`. Then hand the reservation over. Or ask a manager.",
            needs="manager",
        )
    return {"owner": owner, "by_manager": True}


def edited(context: DraftContext, before: str, purpose: str | None, owner: str | None) -> Needs:
    """Return the arguments of an edit, and the pages for these arguments. `before` is the present owner."""
    args: dict[str, Any] = {
        name: value for name, value in {"purpose": purpose, "owner": owner}.items() if value is not None
    }
    if owner is None:
        return Needs(args, [])
    if context.manages and context.user != before and purpose is None:
        args["by_manager"] = True
    limit = limit_of(context, owner)
    return Needs({**args, **limit.args}, [*limit.pages, *limit_of(context, before).pages])


def managing_pages(context: DraftContext, owner: str, reason: str | None) -> list[str]:
    """Return the extra pages of a cancel by a manager. If a manager cancels another user's reservation, the result is
    the page of the manager. Otherwise, the result is empty. Raise BadInput if the manager gives no reason."""
    if context.user == owner or context.role != "manager":
        return []
    if reason is None:
        raise BadInput(
            "bad_input", f"The field `reason` is missing. Give a reason, which {owner} will read.", field="reason"
        )
    return [person_page(context.user)]


@dataclass(frozen=True, slots=True)
class Needs:
    """Arguments of a write, and the pages that the write must declare for these arguments."""

    args: dict[str, Any]
    pages: list[str]


def limit_of(context: DraftContext, owner: str) -> Needs:
    """Return the argument `limit`, and the page that lists the owner's open reservations. The limit says how many open
    reservations the owner may have. Each play of the write checks the limit. The result is empty if the policies set no
    limit."""
    limit = context.policies.open_reservations
    if limit is None:
        return Needs({}, [])
    return Needs({"limit": {"open": limit, "at": context.at_min}}, [user_page(owner)])


def search_of(context: DraftContext, room: str, slots: Sequence[Slot], merge: Merge) -> Needs:
    """Return the arguments of the check and of the merge procedure. Also return all room pages that the check and the
    merge procedure may read.

    The merge procedure can only choose slots that the policies permit. Raise Conflict if the policies forbid a
    requested slot. Raise BadInput if the merge procedure is `another_room` and no other room is open.
    """
    args: dict[str, Any] = {"room": room, "slots": encode_slots((slot.start, slot.end) for slot in slots)}
    room_slots = [RoomSlot(room, slot.start, slot.end) for slot in slots]
    policies, first = context.policies, slots[0]
    for slot in room_slots:
        policies.check(slot, context.at_min, context.zone)
    if isinstance(merge, NearestFreeTime):
        day_start, day_end = policies.bounds(room_slots[0], context.at_min, context.zone)
        args |= {"window_min": merge.window_min, "day_start": day_start, "day_end": day_end}
        low, high = max(day_start, first.start - merge.window_min), min(day_end, first.end + merge.window_min)
        room_slots.append(RoomSlot(room, low, high))
    if isinstance(merge, AnotherRoom):
        elsewhere = [RoomSlot(other, first.start, first.end) for other in merge.rooms or context.listed_rooms]
        if merge.rooms:
            for slot in elsewhere:
                policies.check(slot, context.at_min, context.zone)
        else:
            elsewhere = [
                slot for slot in elsewhere if slot.room not in rooms_of(room) and policies.is_open(slot, context.zone)
            ]
        args["rooms"] = [slot.room for slot in elsewhere]
        if not args["rooms"]:
            raise BadInput(
                "bad_input",
                "No other room of the configuration is open at the requested time. Choose another time. Or name the"
                " rooms to try in `merge.rooms`.",
                field="merge.rooms",
            )
        room_slots += elsewhere
    return Needs(args, [page for slot in room_slots for page in slot.pages])


def pages_holding(identifier: str, reservation: Reservation, final: bool) -> list[str]:
    """Return the page of a reservation, and room pages. If `final` is true, the room pages are the pages of the present
    slot. Otherwise, the room pages are the pages of every slot that the reservation may get."""
    if final:
        room_pages: Iterable[str] = reservation.slot.pages if reservation.slot else ()
    else:
        room_pages = reservation.room_pages
    return [reservation_page(identifier), *room_pages]


def local_times(context: DraftContext, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that say how far local time is ahead of UTC, for every slot that the write may give to a
    reservation. `args` are the other arguments of the write. See lua/local_times.lua."""
    spans: list[tuple[int, int]] = []
    for occurrence in args.get("occurrences", [{}]):
        one = {**args, **occurrence}
        slots = decode_slots(one["slots"])
        spans += slots
        if "window_min" in one:
            (start, end), window_min = slots[0], one["window_min"]
            spans.append((max(one["day_start"], start - window_min), min(one["day_end"], end + window_min)))
    zone = context.local_zone
    named = {"zone": zone.key, "own_zone": True} if context.own_zone else {"zone": zone.key}
    return {**named, "offsets": encode_offsets(spans, zone)}


def draft_of(context: DraftContext, op: str, merge: str, args: dict[str, Any], pages: Iterable[str]) -> Draft:
    """Return the draft of a write. Raise TooLarge if the write would declare too many pages."""
    rules = Rules(context.app, _CHECKS[op], merge)
    if context.app != WITHOUT_LOCAL_TIMES and _CHECKS[op] in _SEARCHES:
        args = {**args, **local_times(context, args)}
    draft = new_draft(rules, op, args, pages, user=context.user, at=context.at, request=context.request)
    if len(draft.pages) > PAGES_MAX:
        raise TooLarge(
            "too_large",
            f"This request needs {len(draft.pages)} pages: one for each room and day, and one for the reservation. A"
            f" write may use at most {PAGES_MAX} pages. Request fewer slots, fewer rooms or shorter times.",
            pages=len(draft.pages),
            pages_max=PAGES_MAX,
        )
    return draft
