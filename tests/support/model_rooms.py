"""What writes of the meeting rooms mean, in plain Python: reservations, series, and how many a user may hold.

Written from what users are promised, not from the rules in Lua: a time is looked for minute by minute, and a series
that gives up leaves what was there before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bayou.write import Write
from tests.support.model_desk import Desk

FREE = 4  # members of the value of a room's entry
DONE = {"updated", "merged"}
KEPT = 8  # requests that a page remembers


@dataclass(frozen=True)
class Place:
    room: str
    start: int
    end: int

    @property
    def pages(self) -> list[str]:
        days = range(self.start // 1440, (self.end - 1) // 1440 + 1)
        return [f"room:{self.room}/{date(1970, 1, 1) + timedelta(days=day)}" for day in days]

    @property
    def text(self) -> str:
        return f"{self.start:08}/{self.end:08} {self.room}"


@dataclass(frozen=True)
class Found:
    """A place for a wish; `how` says whether it is the first choice."""

    how: str
    place: Place


def places(room: str, slots: str) -> list[Place]:
    """Those of the slots START8/END8 ... in this room."""
    return [Place(room, *map(int, slot.split("/"))) for slot in slots.split()]


def play_rooms(desk: Desk, write: Write) -> str:
    if write.op.endswith("_series"):
        return Series(desk, write).play()
    made = write.op == "reserve"
    identifier = f"{write.user}/{write.request}" if made else write.args["reservation"]
    wish = Wish(desk, write, write.op, identifier, write.args)
    if refusal := wish.refusal():
        return refusal
    if write.op == "cancel":
        return wish.cancel()
    found = wish.find()
    if isinstance(found, Found):
        forget_ended(desk, write, wish.owner)
        wish.take(found.place)
    return wish.settle(found)


def may_change(desk: Desk, write: Write, owner: str) -> bool:
    """The owner may; a manager may cancel for a reason, if the write declares who that is."""
    if write.user == owner:
        return True
    person = f"person:{write.user}"
    ends = write.op in {"cancel", "cancel_series"} and bool(write.args.get("reason"))
    return ends and desk.declares(person) and desk.read(person).get("role") == "manager"


def forget_ended(desk: Desk, write: Write, owner: str) -> None:
    if limit := write.args.get("limit"):
        page = desk.open(f"user:{owner}")
        for request in [request for request, end in page.items() if int(end) <= limit["at"]]:
            del page[request]


def remember(page: dict[str, str], request: str) -> None:
    page["requests"] = " ".join([*page.get("requests", "").split(), request][-KEPT:])


class Wish:
    """What a write asks about one reservation, alone or as a `member` of a series."""

    def __init__(
        self, desk: Desk, write: Write, op: str, identifier: str, args: Mapping[str, Any], *, member: bool = False
    ) -> None:
        self.desk, self.write, self.op, self.args, self.member = desk, write, op, args, member
        self.name = f"reservation:{identifier}"
        self.owner, _, self.request = identifier.partition("/")
        self.page = desk.read(self.name)
        self.choices = places(args["room"], args["slots"]) if op != "cancel" else []
        state, _, place = self.page.get("state", "").partition(" ")
        slot, _, room = place.partition(" ")
        self.own = places(room, slot)[0] if state == "reserved" else None

    def asked(self) -> list[Place]:
        """What was asked for last."""
        room, slots, _ = self.page["asked"].split("\t", 2)
        return places(room, slots)

    def refusal(self) -> str | None:
        """What stands in the way, whatever is free."""
        state = self.page.get("state", "").partition(" ")[0]
        if self.op == "reserve":
            return "duplicate" if state else None
        if state in {"", "series"}:
            return "unknown"
        if not may_change(self.desk, self.write, self.owner):
            return "forbidden"
        if not self.member and self.write.request in self.page.get("requests", "").split():
            return "duplicate"
        if state == "cancelled":
            return "cancelled"
        if self.own and not all(self.desk.declares(page) for page in self.own.pages):
            return "moved_meanwhile"
        return None

    def find(self) -> Found | str:
        """A place, or why there is none."""
        if self.holds_enough():
            return "open_reservations"
        if self.is_free(self.choices[0]):
            return Found("updated", self.choices[0])
        if found := self.alternative():
            return Found("merged", found)
        return "no_alternative"

    def holds_enough(self) -> bool:
        limit = self.write.args.get("limit")
        if not limit or (self.own and self.own.end > limit["at"]):
            return False
        ends = {request: int(end) for request, end in self.desk.read(f"user:{self.owner}").items()}
        held = sum(end > limit["at"] and request != self.request for request, end in ends.items())
        return bool(held >= limit["open"])

    def entries(self, place: Place) -> list[tuple[int, int]]:
        """What others hold on the days of the place, (start, end)."""
        found = []
        for page in place.pages:
            for start, value in self.desk.read(page).items():
                end, user, request, _ = value.split("\t", FREE - 1)
                if (user, request) != (self.owner, self.request):
                    found.append((int(start), int(end)))
        return found

    def is_free(self, place: Place) -> bool:
        """Days are looked at one after another, until one is taken."""
        for day in place.pages:
            for start, value in self.desk.read(day).items():
                end, user, request, _ = value.split("\t", FREE - 1)
                if int(start) < place.end and int(end) > place.start and (user, request) != (self.owner, self.request):
                    return False
        return True

    def alternative(self) -> Place | None:
        first, merge = self.choices[0], self.write.merge
        if merge == "give_up":
            return None
        if found := next(filter(self.is_free, self.choices[1:]), None):
            return found
        if merge == "another_room":
            rooms = (Place(room, first.start, first.end) for room in self.args["rooms"])
            return next(filter(self.is_free, rooms), None)
        return self.nearest(first) if merge == "nearest_free_time" else None

    def window(self) -> Place:
        """Where the nearest free time is looked for."""
        first, window = self.choices[0], self.args["window_min"]
        low, high = max(self.args["day_start"], first.start - window), min(self.args["day_end"], first.end + window)
        return Place(first.room, low, high)

    def nearest(self, first: Place) -> Place | None:
        """The free start that is nearest, the earlier of two: minute by minute."""
        length, window = first.end - first.start, self.window()
        taken = self.entries(window)
        starts = range(window.start, window.end - length + 1)
        for start in sorted(starts, key=lambda start: (abs(start - first.start), start)):
            if all(end <= start or start + length <= begin for begin, end in taken):
                return Place(first.room, start, start + length)
        return None

    def leave(self) -> None:
        if self.own:
            for page in self.own.pages:
                del self.desk.open(page)[f"{self.own.start:08}"]

    def take(self, place: Place) -> None:
        """In the room, and on the user's page."""
        self.leave()
        value = "\t".join((f"{place.end:08}", self.owner, self.request, self.purpose()))
        for day in place.pages:
            self.desk.open(day)[f"{place.start:08}"] = value
        if self.desk.declares(f"user:{self.owner}"):
            self.desk.open(f"user:{self.owner}")[self.request] = f"{place.end:08}"

    def settle(self, found: Found | str) -> str:
        """The page of the reservation says what became of the wish."""
        if isinstance(found, Found):
            self.ask()["state"] = f"reserved {found.place.text}"
            return f"{found.how} {found.place.text}"
        if self.op == "reserve":
            self.ask()["state"] = f"rejected {found}"
            return f"rejected {found}"
        if found == "open_reservations":
            return found
        status = "kept" if found == "series" else "unmoved"
        return f"{status} {self.own.text}" if self.own else status

    def cancel(self) -> str:
        self.leave()
        if self.desk.declares(f"user:{self.owner}"):
            self.desk.open(f"user:{self.owner}").pop(self.request, None)
        reason = self.args.get("reason")
        self.sign()["state"] = f"cancelled {self.write.user}\t{reason}" if reason else "cancelled"
        return "updated"

    def purpose(self) -> str:
        return str(self.args["purpose"] if self.op == "reserve" else self.page["asked"].split("\t", 2)[2])

    def ask(self) -> dict[str, str]:
        """Note what was asked, and where the reservation may be from now on."""
        beyond, purpose, args = self.beyond(), self.purpose(), self.args
        page = self.sign()
        page["asked"] = "\t".join([args["room"], args["slots"], purpose])
        page.pop("pages", None)
        if beyond:
            page["pages"] = "\n".join(beyond)
        if self.op == "reserve" and "series" in args:
            page["series"] = args["series"]
        return page

    def beyond(self) -> list[str]:
        """Room pages where it may be, beside those of the slots: all of the write; of a member's those about it."""
        usual = {page for choice in self.choices for page in choice.pages}
        if not self.member:
            return [name for name in self.write.pages if name.startswith("room:") and name not in usual]
        found: list[str] = []
        if self.op == "move":
            found += [page for place in self.asked() for page in place.pages]
            found += self.page.get("pages", "").split("\n")
        if "window_min" in self.args:
            found += self.window().pages
        for room in self.args.get("rooms", ()):
            found += Place(room, self.choices[0].start, self.choices[0].end).pages
        return [page for page in dict.fromkeys(found) if page not in usual and self.desk.declares(page)]

    def sign(self) -> dict[str, str]:
        page = self.desk.open(self.name)
        if self.op != "reserve":
            page["write"] = self.write.id
            if not self.member:
                remember(page, self.write.request)
        return page


class Series:
    """A write about a series: a wish for each occurrence, one after another."""

    def __init__(self, desk: Desk, write: Write) -> None:
        self.desk, self.write, self.args = desk, write, write.args
        self.op = write.op.removesuffix("_series")
        self.id = f"{write.user}/{write.request}" if self.op == "reserve" else write.args["series"]
        self.owner, _, self.request = str(self.id).partition("/")

    def play(self) -> str:
        if refusal := self.refusal():
            return refusal
        forget_ended(self.desk, self.write, self.owner)
        self.note()
        outcomes = list(self.outcomes())
        became = [outcome.split(" ")[0] for outcome in outcomes]
        status = became[0]
        if DONE & set(became):
            status = "updated" if set(became) == {"updated"} else "merged"
        return "\t".join([f"{status} {outcomes[0]}", *outcomes[1:]])

    def refusal(self) -> str | None:
        page = self.desk.read(f"reservation:{self.id}")
        if self.op == "reserve":
            return "duplicate" if "state" in page else None
        if page.get("state") != "series":
            return "unknown"
        if not may_change(self.desk, self.write, self.owner):
            return "forbidden"
        return "duplicate" if self.write.request in page.get("requests", "").split() else None

    def note(self) -> None:
        page, args = self.desk.open(f"reservation:{self.id}"), self.args
        page["write"] = self.write.id
        if self.op != "reserve":
            remember(page, self.write.request)
            return
        page.update({"state": "series", "wanted": args["occurrences_wanted"]})
        page.update({name: args[name] for name in ("rule", "zone", "except")})
        page["dates"] = " ".join(occurrence["date"] for occurrence in args["occurrences"])

    def wishes(self) -> Iterable[Wish]:
        for occurrence in self.args["occurrences"]:
            args = {**self.args, **occurrence, "series": self.request}
            yield Wish(self.desk, self.write, self.op, f"{self.id}~{occurrence['date']}", args, member=True)

    def outcomes(self) -> Iterable[str]:
        """Of each occurrence: places first, all or as many as can be; then what their pages say."""
        before = {name: dict(fields) for name, fields in self.desk.changes.items()}
        tried: list[tuple[Wish, Found | str, str | None]] = []
        for wish in self.wishes():
            refusal = wish.refusal()
            found = "" if refusal or self.op == "cancel" else wish.find()
            if isinstance(found, Found):
                wish.take(found.place)
            tried.append((wish, found, refusal))
        whole = all(isinstance(found, Found) for _, found, _ in tried)
        if self.args.get("occurrences_wanted") == "all_or_nothing" and not whole:
            self.desk.changes = before
            tried = [(wish, "series" if isinstance(found, Found) else found, refusal) for wish, found, refusal in tried]
        for wish, found, refusal in tried:
            yield refusal or (wish.cancel() if self.op == "cancel" else wish.settle(found))
