"""Makes the notices about reservations. Most notices go to the owner. A notice says that a reservation is final, moved
or rejected, or that somebody else has changed the reservation.

A reservation may have several writes, and different replicas may have accepted them. A notice always describes the
present state of the reservation. So if a later write has moved, handed over or cancelled the reservation, there is no
notice about the earlier write. The replica that accepted the later write sends the notices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from apps.api.application import News, Notice
from apps.api.request import ClientSession
from apps.api.service import Service
from apps.rooms.answer_values import parts_of, slot_of
from apps.rooms.outcomes import why_no_effect
from apps.rooms.pages import (
    Reservation,
    RoomSlot,
    decode_days,
    decode_reservation,
    decode_slots,
    owner_of,
    reservation_page,
)
from bayou.application import DONE
from bayou.names import on_one_line
from bayou.session_token import Token
from bayou.write import Write

FINAL = "This is final."
NOT_FINAL = "This is not final yet and can still change."


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of a write that is about one reservation. `accepted`, `told` and `outcome` have the same meaning as in
    News, but for this reservation only. `held` is the reservation in the tentative view; None if there is no such
    reservation."""

    write: Write
    id: str
    op: str
    args: Mapping[str, Any]
    accepted: str | None
    told: str | None
    outcome: str
    is_final: bool
    held: Reservation | None

    @property
    def owner(self) -> str:
        return owner_of(self.id, self.held) if self.held else self.id.partition("/")[0]

    @property
    def is_by_owner(self) -> bool:
        """True if the owner asked for the write. False for a move back, because a manager asks for a move back in the
        owner's name."""
        return self.write.user == self.owner and "back" not in self.args

    @property
    def known(self) -> str | None:
        """The outcome that the owner knows; None if the owner was not told of the write."""
        return self.told or (self.accepted if self.is_by_owner else None)


@dataclass(frozen=True, slots=True)
class _Told:
    """A sentence for a user about the reservation `about`. `subject` is a subject for the message with this
    sentence."""

    user: str
    about: str
    subject: str
    sentence: str


def notices(service: Service, news: News) -> Iterator[Notice]:
    """Yield the notices about a write. A user gets at most one notice, even if the write is about several
    reservations."""
    zone = ZoneInfo(service.settings.timezone)
    told = [one for part in _parts(service, news) for one in _of_part(service, part, zone)]
    for user in dict.fromkeys(one.user for one in told):
        own = [one for one in told if one.user == user]
        about, subject, text = own[0].about, own[0].subject, own[0].sentence
        if len(own) > 1:
            about, subject = about.rpartition("~")[0], f"{subject}, and {len(own) - 1} more"
            text = "\n".join(f"- {one.sentence}" for one in own)
        yield Notice(user, about, subject, f"{text}\n\nTimes are in {zone.key}. The id is {about}.")


def _parts(service: Service, news: News) -> Iterator[_Part]:
    """Yield the parts of the write: one for each reservation that the write is about."""
    write = news.write
    parts = parts_of(write, news.outcome)
    earlier = [
        [None] * len(parts) if outcome is None else [part.outcome for part in parts_of(write, outcome)]
        for outcome in (news.accepted, news.told)
    ]
    views = service.read([reservation_page(part.id) for part in parts], ClientSession(Token())).pages
    for part, accepted, told in zip(parts, *earlier, strict=True):
        yield _Part(
            write=write,
            op=write.op.removesuffix("_series"),
            **part._asdict(),
            accepted=accepted,
            told=told,
            is_final=news.is_final,
            held=decode_reservation(views[reservation_page(part.id)].tentative),
        )


def _of_part(service: Service, part: _Part, zone: ZoneInfo) -> Iterator[_Told]:
    because = why_no_effect(part.op, part.outcome)
    if because is not None:
        yield from _without_effect(part, because, zone)
    elif part.outcome.partition(" ")[0] in DONE:
        if part.op == "cancel":
            yield from _cancelled(part, zone)
        elif (slot := slot_of(part.outcome)) and (part.op != "edit" or "owner" in part.args):
            yield from _standing(service, part, slot, zone)


def _standing(service: Service, part: _Part, slot: RoomSlot, zone: ZoneInfo) -> Iterator[_Told]:
    """Yield the sentence that tells the owner the present slot of the reservation. There is a sentence in three cases:
    the owner does not know of the write, the owner knows another slot, or the reservation is final. But there is no
    sentence if the slot or the owner has changed since this write."""
    held = part.held
    if held is None or held.slot != slot or part.args.get("owner", part.write.user) != part.owner:
        return
    before = slot_of(part.known) if part.known else None
    end = FINAL if part.is_final else NOT_FINAL
    where, name = _place(slot, zone), _quoted(held.purpose)
    if part.known is None:
        by = part.args.get("back", {}).get("by", part.write.user)
        if part.op == "move":
            sentence = f"{by} has moved your reservation{name} to {where}. {end}"
            yield _Told(part.owner, part.id, f"moved to {where}", sentence)
        elif part.op == "edit":
            sentence = f"{by} has handed a reservation over to you: {where}{name}. {end}"
            yield _Told(part.owner, part.id, f"{where}: handed over to you", sentence)
        else:
            sentence = f"{by} has made a reservation for you: {where}{name}. {end}"
            yield _Told(part.owner, part.id, f"{where}: reserved for you", sentence)
    elif before and before != slot:
        sentence = f"{_place(before, zone)}{name} was moved to {where}{_because(service, part.id, before, zone)}. {end}"
        yield _Told(part.owner, part.id, f"moved to {where}", sentence)
    elif part.is_final:
        yield _Told(part.owner, part.id, f"{where}: final", f"{where}{name} is yours. This is final.")


def _cancelled(part: _Part, zone: ZoneInfo) -> Iterator[_Told]:
    """Yield the sentence that tells the owner about a cancel by somebody else."""
    if part.is_by_owner or part.told == part.outcome or part.held is None:
        return
    reason = f": {on_one_line(part.args['reason']).rstrip('.')}" if part.args.get("reason") else ""
    where, by = _place(part.held.asked[0], zone), part.write.user
    sentence = (
        f"{by} has cancelled your reservation{_quoted(part.held.purpose)}{reason}. The requested slot was {where}."
    )
    yield _Told(part.owner, part.id, f"{where}: cancelled by {by}", sentence)


def _without_effect(part: _Part, because: str, zone: ZoneInfo) -> Iterator[_Told]:
    """Yield the sentences that say that a write had no effect. The user of the write gets a sentence. If the write
    names a new owner, the new owner gets the same sentence. If the write is a cancel by somebody else, and the owner of
    the reservation was told of the cancel, the owner gets a sentence that the reservation is not cancelled."""
    asks = "slots" in part.args
    if part.told == part.outcome and not (asks and part.is_final):
        return
    held, end = part.held, f" {FINAL if part.is_final else NOT_FINAL}" if asks else ""
    name = _quoted(held.purpose) if held else ""
    stands = f" The reservation has the slot {_place(held.slot, zone)}." if held and held.slot else ""
    if part.op in {"reserve", "extend"}:
        where = _place(RoomSlot(part.args["room"], *decode_slots(part.args["slots"])[0]), zone)
        subject, sentence = f"{where}: rejected", f"{where}{name} was rejected: {because}.{end}"
    else:
        subject = f"{part.id}: the {part.op} had no effect"
        sentence = f"The {part.op} of {part.id}{name} had no effect: {because}.{stands}{end}"
    for user in dict.fromkeys([part.write.user, part.args.get("owner", part.write.user)]):
        yield _Told(user, part.id, subject, sentence)
    if part.op == "cancel" and not part.is_by_owner and part.told and held and held.slot:
        where = _place(held.slot, zone)
        yield _Told(
            part.owner,
            part.id,
            f"{where}: not cancelled",
            f"{where}{name} is yours again: the cancel by {part.write.user} had no effect.",
        )


def _because(service: Service, identifier: str, slot: RoomSlot, zone: ZoneInfo) -> str:
    """Return the end of a sentence, which says who has a slot that a reservation lost. Return an empty text if nobody
    has the slot."""
    pages = service.read(slot.pages, ClientSession(Token())).pages
    for one in slot.in_each_room:
        for entry in decode_days(one.room, (pages[page].tentative for page in one.pages)):
            if entry.slot.overlaps(one) and entry.id != identifier:
                return f", because {entry.owner} has {one.room} at {_hours(entry.slot, zone)}"
    return ""


def _place(slot: RoomSlot, zone: ZoneInfo) -> str:
    """Return a slot as text, such as `6.12 on Monday 2026-11-30 09:00–10:00`."""
    start = datetime.fromtimestamp(slot.start * 60, zone)
    return f"{slot.room} on {start:%A %Y-%m-%d} {_hours(slot, zone)}"


def _hours(slot: RoomSlot, zone: ZoneInfo) -> str:
    """Return the times of a slot as text, such as `09:00–10:00`. If the slot ends on a later day, the text names that
    day."""
    start, last, end = (datetime.fromtimestamp(minute * 60, zone) for minute in (slot.start, slot.end - 1, slot.end))
    if last.date() != start.date():
        until = f"{end:%A %Y-%m-%d %H:%M}"
    else:
        until = f"{end:%H:%M}" if end.date() == start.date() else "24:00"
    return f"{start:%H:%M}–{until}"


def _quoted(purpose: str) -> str:
    return f" (“{on_one_line(purpose)}”)" if purpose else ""
