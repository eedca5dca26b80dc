"""A model of the meeting rooms in plain Python: reservations, series, and the limit on open reservations.

It is written from the documentation for users, not from the Lua that the engine runs. It favours simple code over
speed: for example, it searches for a free time minute by minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bayou.write import Write
from tests.support.model_desk import Desk, Failed

DONE = {"updated", "merged"}
REQUESTS_MAX = 8  # request ids that a page keeps


@dataclass(frozen=True)
class RoomSlot:
    """A time in one or more rooms. `room` has the names of the rooms, joined by `+`.

    `start` and `end` are minutes since 1970-01-01, UTC.
    """

    room: str
    start: int
    end: int

    @property
    def pages(self) -> list[str]:
        """Return the pages of the rooms for the days of the slot."""
        days = range(self.start // 1440, (self.end - 1) // 1440 + 1)
        dates = [date(1970, 1, 1) + timedelta(days=day) for day in days]
        return [f"room:{room}/{day}" for room in self.room.split("+") for day in dates]

    @property
    def text(self) -> str:
        """Return the slot as outcomes show it: START/END ROOM."""
        return f"{self.start:08}/{self.end:08} {self.room}"


@dataclass(frozen=True)
class Found:
    """A free slot; `status` is `updated` for the first choice, and `merged` for an alternative."""

    status: str
    slot: RoomSlot


def room_slots(room: str, slots: str) -> list[RoomSlot]:
    """Parse `START/END START/END …` as slots of this room. Each START and each END has 8 digits."""
    return [RoomSlot(room, *map(int, slot.split("/"))) for slot in slots.split()]


def offset_at(offsets: str, minute: int) -> int:
    """Return the offset from UTC at a minute.

    `offsets` is `OFFSET MINUTE:OFFSET ...`. The first offset applies from the beginning. Each later offset applies from
    its minute on.
    """
    first, *changes = offsets.split()
    known = [(int(since), int(offset)) for since, offset in (change.split(":") for change in changes)]
    return next((offset for since, offset in reversed(known) if since <= minute), int(first))


def local_text(args: Mapping[str, Any], slot: RoomSlot) -> str:
    """Return the local times of a slot, as text for the page of a reservation."""
    start, end = offset_at(args["offsets"], slot.start), offset_at(args["offsets"], slot.end)
    words = [f"{slot.start:08}", str(start) if start == end else f"{start}/{end}"]
    return " ".join([*words, args["zone"]] if args.get("own_zone") else words)


def play_rooms(desk: Desk, write: Write) -> str:
    """Play a write about a reservation or a series, and return the outcome."""
    needs_manager = write.op.startswith("reserve") and write.args.get("owner", write.user) != write.user
    if needs_manager and not write.args.get("by_manager"):
        raise Failed
    if write.op.endswith("_series"):
        return Series(desk, write).play()
    made = write.op == "reserve"
    identifier = f"{write.user}/{write.request}" if made else write.args["reservation"]
    change = ReservationChange(desk, write, write.op, identifier, write.args)
    if obstacle := change.obstacle():
        return obstacle
    if not change.choices:
        return change.change()
    found = change.find()
    if isinstance(found, Found):
        forget_ended(desk, write, change.owner)
        change.take(found.slot)
    return change.record(found)


def reject(desk: Desk, write: Write) -> None:
    """Play a write that the user is not allowed to make. Reject a new reservation, or each reservation of a
    new series. Any other write changes nothing."""
    new = f"reservation:{write.user}/{write.request}"
    if not write.op.startswith("reserve") or "state" in desk.read(new):
        return
    changes: Iterable[ReservationChange]
    if write.op == "reserve_series":
        series = Series(desk, write)
        series.note_series()
        changes = series.reservation_changes()
    else:
        changes = [ReservationChange(desk, write, "reserve", f"{write.user}/{write.request}", write.args)]
    for change in changes:
        if "state" not in change.page:
            change.record("forbidden")


def may_change(desk: Desk, write: Write, owner: str) -> bool:
    """Return True if the user may make this change.

    The owner may make any change. A manager may hand over, or cancel with a reason.
    """
    if write.user == owner:
        return True
    if write.op.startswith("edit"):
        return bool(write.args.get("by_manager") and "owner" in write.args and "purpose" not in write.args)
    person = f"person:{write.user}"
    ends = write.op in {"cancel", "cancel_series"} and bool(write.args.get("reason"))
    return ends and desk.declares(person) and desk.read(person).get("role") == "manager"


def give(page: dict[str, str], user: str, owner: str) -> None:
    """Change the page of a reservation or series so that `owner` is the owner.

    `user` is the user who made the reservation or series. The page has the field `owner` only if the owner is not
    `user`. When the owner changes for the first time, the page gets the field `made_for` with the previous owner.
    """
    before = page.get("owner", user)
    if before != owner:
        page.setdefault("made_for", before)
        page.pop("owner", None)
        page.update({} if owner == user else {"owner": owner})


def forget_ended(desk: Desk, write: Write, owner: str) -> None:
    """If a limit on open reservations applies, remove the ended reservations from the page of the owner."""
    if limit := write.args.get("limit"):
        page = desk.open(f"user:{owner}")
        for request in [request for request, end in page.items() if int(end) <= limit["at"]]:
            del page[request]


def remember(page: dict[str, str], write: Write) -> None:
    """Add a request to the page, which keeps only the newest REQUESTS_MAX requests."""
    own = f"{remembered_as(write)}={what_is_asked(write)}"
    page["requests"] = " ".join([*page.get("requests", "").split(" "), own][-REQUESTS_MAX:]).strip(" ")


def remembered_as(write: Write) -> str:
    """Return the name of a request on the page of a reservation or series.

    The name includes the user, unless the same user made the reservation or series.
    """
    maker = str(write.args.get("series" if write.op.endswith("_series") else "reservation")).partition("/")[0]
    return write.request if write.user == maker else f"{write.user}/{write.request}"


def what_is_asked(write: Write) -> str:
    """Return a text that describes a change of a reservation or series. Two writes ask for the same change if their
    texts are equal."""
    args = {**write.args, **write.args.get("occurrences", [{}])[0]}
    if write.op == "extend_series":
        return f"extend/{args['date']}"
    if "slots" not in args:
        words = ["owner", args["owner"]] if "owner" in args else ["edit" if "purpose" in args else "cancel"]
        return "/".join([*words, args["purpose"]] if "purpose" in args else words).replace(" ", "\t")
    purpose = f"/{args['purpose']}" if args.get("purpose") is not None else ""
    return f"{args['slots'].split(' ')[0]}@{args['room']}{purpose}".replace(" ", "\t")


def asked_before(page: Mapping[str, str], write: Write) -> str | None:
    """Return None if no earlier write on the page has the request id of this write.

    Return `duplicate` if an earlier write with this id asked for the same change. Otherwise return `differs`.
    """
    known = dict(request.split("=", 1) for request in page.get("requests", "").split(" ") if request)
    if remembered_as(write) not in known:
        return None
    return "duplicate" if known[remembered_as(write)] == what_is_asked(write) else "differs"


def was_handed_over(write: Write, outcome: str | None) -> bool:
    """Return True if the write repeats a hand-over that was done before."""
    return outcome == "duplicate" and "owner" in write.args


class ReservationChange:
    """The part of a write that makes or changes one reservation. `in_series` is true if the reservation belongs to a
    series."""

    def __init__(
        self, desk: Desk, write: Write, op: str, identifier: str, args: Mapping[str, Any], *, in_series: bool = False
    ) -> None:
        self.desk, self.write, self.op, self.args, self.in_series = desk, write, op, args, in_series
        self.name, self.identifier = f"reservation:{identifier}", identifier
        self.user, _, self.request = identifier.partition("/")
        self.page = desk.read(self.name)
        self.owner = self.page.get("owner", self.user)
        if op == "reserve":
            self.owner = args.get("owner", self.user)
        if op == "extend":
            self.owner = write.user
        self.choices = room_slots(args["room"], args["slots"]) if op in {"reserve", "move", "extend"} else []
        state, _, slot = self.page.get("state", "").partition(" ")
        times, _, room = slot.partition(" ")
        self.current_slot = room_slots(room, times)[0] if state == "reserved" else None

    def last_choices(self) -> list[RoomSlot]:
        """Return the slots in the last request for this reservation."""
        room, slots, _ = self.page["asked"].split("\t", 2)
        return room_slots(room, slots)

    def is_same(self) -> bool:
        """Return True if the first request for the reservation had the same rooms, slots, purpose and owner."""
        made = self.page.get("first") or self.page.get("asked")
        made_for = self.page.get("made_for") or self.page.get("owner") or self.user
        same = made == "\t".join([self.args["room"], self.args["slots"], self.args["purpose"]])
        return same and made_for == self.owner

    def obstacle(self) -> str | None:
        """Check everything except free slots and limits.

        Return the outcome if the change is refused or is a repeat. Return None for any other change.
        """
        state = self.page.get("state", "").partition(" ")[0]
        if self.op == "reserve":
            return ("duplicate" if self.is_same() else "differs") if state else None
        if self.op == "extend":
            return "duplicate" if self.current_slot else None
        if state in {"", "series"}:
            return "unknown"
        outcome = None if self.in_series else asked_before(self.page, self.write)
        if not may_change(self.desk, self.write, self.owner) and not was_handed_over(self.write, outcome):
            return "forbidden"
        if outcome:
            return outcome
        if state == "cancelled":
            return "cancelled"
        if self.current_slot and not all(self.desk.declares(page) for page in self.current_slot.pages):
            return "moved_meanwhile"
        return None

    def find(self) -> Found | str:
        """Return a free slot, or the reason why there is none."""
        if self.limit_reached():
            return "open_reservations"
        if self.is_free(self.choices[0]):
            return Found("updated", self.choices[0])
        if found := self.alternative():
            return Found("merged", found)
        return "no_alternative"

    def limit_reached(self) -> bool:
        """Return True if the limit on open reservations forbids a new slot for the owner."""
        limit = self.write.args.get("limit")
        if not limit or (self.current_slot and self.current_slot.end > limit["at"]):
            return False
        return self.holds_limit(self.owner)

    def holds_limit(self, owner: str) -> bool:
        """Return True if this user has reached the limit on open reservations. The reservation of this write does not
        count."""
        limit = self.write.args["limit"]
        ends = {name: int(end) for name, end in self.desk.read(f"user:{owner}").items()}
        held = sum(end > limit["at"] and name != self.name_for(owner) for name, end in ends.items())
        return bool(held >= limit["open"])

    def name_for(self, owner: str) -> str:
        """Return the name of the reservation on the page of this owner."""
        return self.request if owner == self.user else self.identifier

    def entries(self, slot: RoomSlot) -> list[tuple[int, int]]:
        """Return (start, end) of every other reservation on the days of the slot."""
        found = []
        for page in slot.pages:
            for start, value in self.desk.read(page).items():
                end, people, request, *_ = value.split("\t")
                if (people.split(" ")[0], request) != (self.user, self.request):
                    found.append((int(start), int(end)))
        return found

    def is_free(self, slot: RoomSlot) -> bool:
        """Return True if no other reservation overlaps the slot. Stop at the first day that is taken."""
        for day in slot.pages:
            for start, value in self.desk.read(day).items():
                end, people, request, *_ = value.split("\t")
                is_own = (people.split(" ")[0], request) == (self.user, self.request)
                if int(start) < slot.end and int(end) > slot.start and not is_own:
                    return False
        return True

    def alternative(self) -> RoomSlot | None:
        """Return the slot that the merge procedure chooses when the first choice is taken, or None."""
        first, merge = self.choices[0], self.write.merge
        if merge == "give_up":
            return None
        if found := next(filter(self.is_free, self.choices[1:]), None):
            return found
        if merge == "another_room":
            return self.with_other_rooms(first)
        return self.nearest(first) if merge == "nearest_free_time" else None

    def with_other_rooms(self, first: RoomSlot) -> RoomSlot | None:
        """Return the first choice, with each taken room replaced by a free room. Return None if too few rooms are
        free."""
        wanted = first.room.split("+")
        free = [
            room
            for room in dict.fromkeys([*wanted, *self.args["rooms"]])
            if self.is_free(RoomSlot(room, first.start, first.end))
        ]
        others = (room for room in free if room not in wanted)
        rooms = [room if room in free else next(others, "") for room in wanted]
        return RoomSlot("+".join(rooms), first.start, first.end) if all(rooms) else None

    def window(self) -> RoomSlot:
        """Return the period in which to search for the nearest free time, as a slot with the rooms of the first
        choice."""
        first, window = self.choices[0], self.args["window_min"]
        low, high = max(self.args["day_start"], first.start - window), min(self.args["day_end"], first.end + window)
        return RoomSlot(first.room, low, high)

    def nearest(self, first: RoomSlot) -> RoomSlot | None:
        """Return the free slot nearest to the first choice; None if there is no free slot. Of two equally near slots,
        return the earlier slot."""
        length, window = first.end - first.start, self.window()
        taken = self.entries(window)
        starts = range(window.start, window.end - length + 1)
        for start in sorted(starts, key=lambda start: (abs(start - first.start), start)):
            if all(end <= start or start + length <= begin for begin, end in taken):
                return RoomSlot(first.room, start, start + length)
        return None

    def free_current_slot(self) -> None:
        """Remove the reservation from the pages of its room."""
        if self.current_slot:
            for page in self.current_slot.pages:
                del self.desk.open(page)[f"{self.current_slot.start:08}"]

    def take(self, slot: RoomSlot) -> None:
        """Remove the reservation from its current slot, and write it to the room pages of the new slot. If the write
        declares the page of the owner, write the reservation there too."""
        self.free_current_slot()
        self.enter(slot)

    def enter(self, slot: RoomSlot) -> None:
        people = self.user if self.owner == self.user else f"{self.user} {self.owner}"
        value = "\t".join((f"{slot.end:08}", people, self.request, self.purpose()))
        value += f"\t{slot.room}" if "+" in slot.room else ""
        for day in slot.pages:
            self.desk.open(day)[f"{slot.start:08}"] = value
        if self.desk.declares(f"user:{self.owner}"):
            self.desk.open(f"user:{self.owner}")[self.name_for(self.owner)] = f"{slot.end:08}"

    def leave_owner(self) -> None:
        """Remove the reservation from the page of its owner, if the write declares that page."""
        if self.desk.declares(f"user:{self.owner}"):
            self.desk.open(f"user:{self.owner}").pop(self.name_for(self.owner), None)

    def record(self, found: Found | str) -> str:
        """Write the result to the page of the reservation, and return the outcome."""
        if isinstance(found, Found):
            page = self.note_request()
            page["state"] = f"reserved {found.slot.text}"
            if "offsets" in self.args:
                page["local"] = local_text(self.args, found.slot)
            return f"{found.status} {found.slot.text}"
        if self.op == "reserve" or (self.op == "extend" and "state" not in self.page):
            self.note_request()["state"] = f"rejected {found}"
            return f"rejected {found}"
        if found == "open_reservations":
            return found
        status = "kept" if found == "series" else "unmoved"
        return f"{status} {self.current_slot.text}" if self.current_slot else status

    def change(self) -> str:
        """Do a change that needs no slot (a cancel or an edit), and return the outcome."""
        return self.cancel() if self.op == "cancel" else self.edit()

    def edit(self) -> str:
        """Change the purpose or the owner of the reservation, or both, and return the outcome."""
        owner, slot, limit = self.args.get("owner"), self.current_slot, self.write.args.get("limit")
        is_open = limit and slot and slot.end > limit["at"]
        if owner and owner != self.owner and is_open and self.holds_limit(owner):
            return "open_reservations"
        page = self.note_write()
        if owner:
            forget_ended(self.desk, self.write, owner)
            self.leave_owner()
            give(page, self.user, owner)
            self.owner = owner
        if "purpose" in self.args:
            page.setdefault("first", page["asked"])
            page["asked"] = "\t".join([*page["asked"].split("\t", 2)[:2], self.args["purpose"]])
        self.page = page
        if not slot:
            return "updated"
        self.enter(slot)
        return f"updated {slot.text}"

    def cancel(self) -> str:
        """Free the slot, mark the reservation as cancelled, and return the outcome."""
        self.free_current_slot()
        self.leave_owner()
        reason = self.args.get("reason")
        self.note_write()["state"] = f"cancelled {self.write.user}\t{reason}" if reason else "cancelled"
        return "updated"

    def purpose(self) -> str:
        """Return the purpose in the write. If the write has no purpose, as in a move, return the purpose on the page of
        the reservation."""
        return str(self.args["purpose"] if "purpose" in self.args else self.page["asked"].split("\t", 2)[2])

    def note_request(self) -> dict[str, str]:
        """Write the request to the page of the reservation, and return the page. The page also gets the names that
        `other_pages` returns."""
        others, purpose, args = self.other_pages(), self.purpose(), self.args
        page = self.note_write()
        if self.op != "reserve" and "asked" in page:
            page.setdefault("first", page["asked"])
        page["asked"] = "\t".join([args["room"], args["slots"], purpose])
        page.pop("pages", None)
        if others:
            page["pages"] = "\n".join(others)
        if self.op in {"reserve", "extend"} and "series" in args:
            page["series"] = args["series"]
        if self.op == "extend":
            give(page, self.user, self.owner)
        if self.op == "reserve" and self.owner != self.user:
            page["owner"] = self.owner
        return page

    def other_pages(self) -> list[str]:
        """Return the names of room pages where the reservation may be. Leave out the pages of the requested slots."""
        usual = {page for choice in self.choices for page in choice.pages}
        if not self.in_series:
            return [name for name in self.write.pages if name.startswith("room:") and name not in usual]
        found: list[str] = []
        if self.op != "reserve" and "asked" in self.page:
            found += [page for slot in self.last_choices() for page in slot.pages]
            found += self.page.get("pages", "").split("\n")
        if "window_min" in self.args:
            found += self.window().pages
        for room in self.args.get("rooms", ()):
            found += RoomSlot(room, self.choices[0].start, self.choices[0].end).pages
        return [page for page in dict.fromkeys(found) if page not in usual and self.desk.declares(page)]

    def note_write(self) -> dict[str, str]:
        """Open the page of the reservation for changes and return it. If the write is not a `reserve`, record the write
        in the page."""
        page = self.desk.open(self.name)
        if self.op != "reserve":
            page["write"] = self.write.id
            if not self.in_series:
                remember(page, self.write)
        return page


class Series:
    """A write about a series: it makes one change for each occurrence, in order."""

    def __init__(self, desk: Desk, write: Write) -> None:
        self.desk, self.write, self.args = desk, write, write.args
        self.op = write.op.removesuffix("_series")
        self.id = f"{write.user}/{write.request}" if self.op == "reserve" else write.args["series"]
        self.user, _, self.request = str(self.id).partition("/")
        self.owner = write.args.get("owner", write.user)  # the owner of what the write makes, or the new owner

    def play(self) -> str:
        """Play the write, and return its outcome: a status, and the outcome of each occurrence."""
        if obstacle := self.obstacle():
            return obstacle
        forget_ended(self.desk, self.write, self.owner)
        self.note_series()
        outcomes = list(self.outcomes())
        statuses = [outcome.split(" ")[0] for outcome in outcomes]
        status = statuses[0]
        if DONE & set(statuses) and self.op == "edit" and "owner" in self.args:
            give(self.desk.open(f"reservation:{self.id}"), self.user, self.owner)
        if DONE & set(statuses):
            status = "updated" if set(statuses) == {"updated"} else "merged"
        return status if status == "forbidden" else "\t".join([f"{status} {outcomes[0]}", *outcomes[1:]])

    def obstacle(self) -> str | None:
        """Return the outcome if the whole write is refused or is a repeat. Return None for any other write."""
        page = self.desk.read(f"reservation:{self.id}")
        if self.op == "reserve":
            if "state" not in page:
                return None
            same = page["state"] == "series" and page["wanted"] == self.args["occurrences_wanted"]
            same = same and all(change.is_same() for change in self.reservation_changes())
            return "duplicate" if same else "differs"
        if page.get("state") != "series":
            return "unknown"
        outcome = asked_before(page, self.write)
        may = may_change(self.desk, self.write, page.get("owner", self.user))
        return outcome if may or was_handed_over(self.write, outcome) else "forbidden"

    def note_series(self) -> None:
        """Record the write on the page of its series.

        The write that makes the series stores the rule and the dates. Each later write adds its request. A write that
        extends the series also adds dates.
        """
        page, args = self.desk.open(f"reservation:{self.id}"), self.args
        page["write"] = self.write.id
        if self.op != "reserve":
            remember(page, self.write)
            if self.op == "extend":
                self.add_dates(page)
            return
        page.update({"state": "series", "wanted": args["occurrences_wanted"]})
        page.update({name: args[name] for name in ("rule", "zone", "except")})
        page["dates"] = " ".join(occurrence["date"] for occurrence in args["occurrences"])
        if self.owner != self.user:
            page["owner"] = self.owner

    def add_dates(self, page: dict[str, str]) -> None:
        """Add the dates of the write to the series. A date that the series excluded before is no longer excluded."""
        added = {occurrence["date"] for occurrence in self.args["occurrences"]}
        page["dates"] = " ".join(sorted(added | set(page["dates"].split())))
        page["except"] = " ".join(day for day in page["except"].split() if day not in added)
        if "rule" in self.args:
            page.setdefault("first", page["rule"])
            page["rule"] = self.args["rule"]

    def reservation_changes(self) -> Iterable[ReservationChange]:
        """Yield the change for each occurrence that the write names."""
        for occurrence in self.args["occurrences"]:
            args = {**self.args, **occurrence, "series": self.request}
            yield ReservationChange(
                self.desk, self.write, self.op, f"{self.id}~{occurrence['date']}", args, in_series=True
            )

    def outcomes(self) -> Iterable[str]:
        """Yield the outcome of each occurrence.

        Before the first outcome, try to take a slot for every occurrence. If one occurrence gets no slot, an
        all-or-nothing write gives back all slots.
        """
        before = {name: dict(fields) for name, fields in self.desk.changes.items()}
        tried: list[tuple[ReservationChange, Found | str, str | None]] = []
        for change in self.reservation_changes():
            obstacle = change.obstacle()
            found = "" if obstacle or not change.choices else change.find()
            if isinstance(found, Found):
                change.take(found.slot)
            tried.append((change, found, obstacle))
        complete = all(isinstance(found, Found) for _, found, _ in tried)
        if self.args.get("occurrences_wanted") == "all_or_nothing" and not complete:
            self.desk.changes = before
            tried = [
                (change, "series" if isinstance(found, Found) else found, obstacle) for change, found, obstacle in tried
            ]
        for change, found, obstacle in tried:
            yield obstacle or (change.record(found) if change.choices else change.change())
