"""Bayou in plain Python, to be held against the engine: written from the papers, knowing nothing of Redis and Lua.

A replica is a list of committed writes and a set of tentative ones; everything else (vectors, views, what a peer lacks)
is computed from those two, from scratch, whenever somebody asks. What the three applications mean is at the end.
Papers: Terry 1995 (write, order, views), Petersen 1997 (anti-entropy, membership).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from bayou.stamps import stamp_text
from bayou.write import Draft, Write

Pages = dict[str, dict[str, str]]
LOGGED = {"updated", "merged"}
FREE = 4  # members of the value of a room's entry


@dataclass
class Vector:
    """What a set of writes amounts to: the newest stamp of each server, and the minted servers that have retired."""

    stamps: dict[str, int] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()

    def cover(self, write: Write) -> None:
        self.stamps[write.origin] = write.stamp
        if write.app == "members/1" and write.op == "create":
            self.stamps[f"{stamp_text(write.stamp)}:{write.origin}"] = write.stamp
        if write.app == "members/1" and write.op == "retire":
            del self.stamps[write.origin]
            if ":" not in write.origin:
                self.gone |= {write.origin}

    def complete(self, server: str) -> float:
        """CompleteV (Petersen 1997, 4.4): retired is plus infinity, never heard of is minus infinity."""
        if server in self.stamps:
            return self.stamps[server]
        created, colon, creator = server.partition(":")
        if colon:
            return math.inf if self.complete(creator) >= int(created) else -math.inf
        return math.inf if server in self.gone else 0

    def holds(self, write: Write) -> bool:
        return self.complete(write.origin) >= write.stamp

    def copy(self) -> Vector:
        return Vector(dict(self.stamps), self.gone)


def by_stamp(write: Write) -> tuple[int, bytes]:
    """The order of tentative writes (Terry 1995, 4.3)."""
    return write.stamp, write.origin.encode()


def covered(writes: Iterable[Write]) -> Vector:
    vector = Vector()
    for write in writes:
        vector.cover(write)
    return vector


def replay(writes: Iterable[Write], pages: Pages | None = None) -> tuple[Pages, list[str]]:
    """The pages after these writes, and the outcome of each."""
    pages, outcomes = dict(pages or {}), []
    for write in writes:
        outcome, changes = play(write, pages)
        outcomes.append(outcome)
        pages.update(changes)
    return pages, outcomes


class Replica:
    """One server. `peers` below are other replicas; a session hands over everything at once."""

    def __init__(self, server: str, primary: str, clock: int = 0) -> None:
        self.server, self.primary, self.clock = server, primary, clock
        self.committed: list[Write] = []  # all that ever were, those dropped from the log too
        self.tentative: list[Write] = []  # in their order
        self.osn = 0
        self.retired = False

    @property
    def csn(self) -> int:
        return len(self.committed)

    @property
    def vector(self) -> Vector:
        return covered([*self.committed, *self.tentative])

    @property
    def committed_vector(self) -> Vector:
        return covered(self.committed)

    @property
    def omitted_vector(self) -> Vector:
        return covered(self.committed[: self.osn])

    @property
    def views(self) -> tuple[Pages, Pages]:
        """(tentative, committed)"""
        committed, _ = replay(self.committed)
        return replay(self.tentative, committed)[0], committed

    @property
    def log(self) -> list[tuple[str, int | None, str]]:
        """(write id, CSN, outcome) of what is in the log."""
        writes = [*self.committed, *self.tentative]
        _, outcomes = replay(writes)
        numbers: list[int | None] = [*range(1, self.csn + 1), *itertools.repeat(None, len(self.tentative))]
        return list(zip((write.id for write in writes), numbers, outcomes, strict=True))[self.osn :]

    def accept(self, draft: Draft, now: int) -> str:
        """A client's write; returns its outcome. It is in the log only where that is one of LOGGED."""
        stamp = max(now, self.clock + 1)
        prev = int(self.vector.complete(self.server))
        members = {name: getattr(draft, name) for name in Draft.__slots__}
        write = Write(**members, stamp=stamp, prev=prev, origin=self.server)
        outcome, _ = play(write, self.views[0])
        if outcome.split()[0] not in LOGGED:
            return outcome
        self.take(write)
        if write.op == "retire":
            self.retired = True
        return outcome

    def take(self, write: Write) -> None:
        self.clock = max(self.clock, write.stamp)
        self.tentative = sorted([*self.tentative, write], key=by_stamp)
        if self.primary == self.server and len(self.tentative) == 1:
            self.commit()

    def commit(self) -> None:
        """The primary commits, oldest first."""
        for write in self.tentative[:]:
            self.settle(write)

    def settle(self, write: Write) -> None:
        """The write is the next one that is final."""
        self.clock = max(self.clock, write.stamp)
        self.committed.append(write)
        self.tentative = [other for other in self.tentative if other.id != write.id]
        if write.op == "primary" and write.app == "members/1" and write.args["from"] == self.primary:
            self.primary = write.args["to"]

    def truncate(self, keep: int) -> None:
        self.osn = max(self.osn, self.csn - keep)

    def give(self, peer: Replica) -> None:
        """One way of anti-entropy (Petersen 1997, 3 and 4)."""
        if self.osn > peer.csn:
            peer.committed, peer.osn, peer.primary = self.committed[:], self.csn, self.primary
            peer.clock = max(peer.clock, self.clock)
            held = peer.committed_vector
            kept, peer.tentative = peer.tentative, []
            for write in kept:
                if not held.holds(write):
                    held.cover(write)
                    peer.take(write)
        for write in self.committed[peer.csn :]:
            peer.settle(write)
        for write in self.tentative:
            if not peer.vector.holds(write):
                peer.take(write)


class Failed(Exception):
    """The application cannot play the write, as an error() in its rules."""


class Desk:
    """The pages that a write declares, as it changes them; the pages themselves stay as they are."""

    def __init__(self, pages: Mapping[str, dict[str, str]], declared: Iterable[str]) -> None:
        self._pages = pages
        self._declared = frozenset(declared)
        self.changes: Pages = {}

    def declares(self, page: str) -> bool:
        return page in self._declared

    def read(self, page: str) -> Mapping[str, str]:
        if page not in self._declared:
            raise Failed
        return self.changes[page] if page in self.changes else self._pages.get(page, {})

    def open(self, page: str) -> dict[str, str]:
        """The page, to be changed."""
        if page not in self.changes:
            self.changes[page] = dict(self.read(page))
        return self.changes[page]


def play(write: Write, pages: Mapping[str, dict[str, str]]) -> tuple[str, Pages]:
    """(outcome, changed pages)"""
    desk = Desk(pages, write.pages)
    try:
        return APPLICATIONS[write.app](desk, write), desk.changes
    except Failed:
        return "failed", {}


# Membership: the page `members`.


def play_members(desk: Desk, write: Write) -> str:
    page = desk.open("members")
    servers = {name: value.split("\t") for name, value in page.items() if name.startswith("server:")}
    if write.op == "create":
        if any(parts[3] == write.request for parts in servers.values()):
            return "duplicate"
        parts = (write.args["label"], write.args["rest"], write.args["anti_entropy"], write.request)
        page[f"server:{stamp_text(write.stamp)}:{write.origin}"] = "\t".join(parts)
    if write.op == "retire":
        page.pop(f"server:{write.origin}", None)
        if ":" not in write.origin:
            page[f"gone:{write.origin}"] = stamp_text(write.stamp)
            for name, parts_of_server in servers.items():
                if parts_of_server[0] == write.args["label"]:
                    page.pop(name, None)
    return "updated"


# The playlist: the last write in the order says where a song is.


def play_playlist(desk: Desk, write: Write) -> str:
    page = desk.open(f"song:{write.args['song']}")
    requests, mine = page.get("requests", "").split(), f"{write.user}/{write.request}"
    if mine in requests:
        return "duplicate"
    if write.op == "put":
        page["url"] = write.args["url"]
    else:
        page.pop("url", None)
    page["requests"] = " ".join([*requests, mine][-8:])
    return "updated"


# The meeting rooms.


def play_rooms(desk: Desk, write: Write) -> str:
    return Wish(desk, write).play()


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


class Wish:
    """One write about one reservation."""

    def __init__(self, desk: Desk, write: Write) -> None:
        self.desk, self.write, self.args = desk, write, write.args
        self.id = write.args["reservation"] if write.op != "reserve" else f"{write.user}/{write.request}"
        self.owner, _, self.request = str(self.id).partition("/")
        self.page = desk.read(f"reservation:{self.id}")
        self.choices = [Place(self.args["room"], *slot) for slot in self.args.get("slots", ())]
        self.own = None
        if place := self.page.get("place"):
            room, _, slots = self.page["asked"].partition("\t")
            slot, _, room = (f"{slots.split()[int(place) - 1]} {room}" if place.isdecimal() else place).partition(" ")
            self.own = Place(room, *map(int, slot.split("/")))

    def play(self) -> str:
        if refusal := self.refusal():
            return refusal
        if self.write.op == "cancel":
            self.leave()
            page = self.sign()
            for name in {"place", "reason"} & page.keys():
                del page[name]
            page["state"] = "cancelled"
            return "updated"
        if self.is_free(self.choices[0]):
            return f"updated {self.stand(self.choices[0])}"
        if found := self.alternative():
            return f"merged {self.stand(found)}"
        if self.write.op == "move":
            return f"unmoved {self.own.text}" if self.own else "unmoved"
        self.ask().update(state="rejected", reason="no_alternative")
        return "rejected no_alternative"

    def refusal(self) -> str | None:
        """What stands in the way, whatever is free."""
        state = self.page.get("state")
        if self.write.op == "reserve":
            return "duplicate" if state else None
        if not state:
            return "unknown"
        if self.write.user != self.owner:
            return "forbidden"
        if self.write.request in self.page.get("requests", "").split():
            return "duplicate"
        if state == "cancelled":
            return "cancelled"
        if self.own and not all(self.desk.declares(page) for page in self.own.pages):
            return "moved_meanwhile"
        return None

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

    def nearest(self, first: Place) -> Place | None:
        """The free start that is nearest, the earlier of two: minute by minute."""
        length, window = first.end - first.start, self.args["window_min"]
        low, high = max(self.args["day_start"], first.start - window), min(self.args["day_end"], first.end + window)
        taken = self.entries(Place(first.room, low, high))
        starts = range(low, high - length + 1)
        for start in sorted(starts, key=lambda start: (abs(start - first.start), start)):
            if all(end <= start or start + length <= begin for begin, end in taken):
                return Place(first.room, start, start + length)
        return None

    def leave(self) -> None:
        if self.own:
            for page in self.own.pages:
                del self.desk.open(page)[f"{self.own.start:08}"]

    def stand(self, place: Place) -> str:
        self.leave()
        page = self.ask()
        for day in place.pages:
            value = (f"{place.end:08}", self.owner, self.request, page["purpose"])
            self.desk.open(day)[f"{place.start:08}"] = "\t".join(value)
        page.pop("reason", None)
        page.update(state="reserved", place=str(self.choices.index(place) + 1) if place in self.choices else place.text)
        return place.text

    def ask(self) -> dict[str, str]:
        """Note what was asked, and where the reservation may be from now on."""
        page, args = self.sign(), self.args
        page["asked"] = f"{args['room']}\t" + " ".join(choice.text.split()[0] for choice in self.choices)
        page.pop("pages", None)
        usual = {page for choice in self.choices for page in choice.pages}
        if beyond := [name for name in self.write.pages if name.startswith("room:") and name not in usual]:
            page["pages"] = "\n".join(beyond)
        if self.write.op == "reserve":
            page.update({name: args[name] for name in ("purpose", "series") if name in args})
        return page

    def sign(self) -> dict[str, str]:
        page = self.desk.open(f"reservation:{self.id}")
        if self.write.op != "reserve":
            page["write"] = self.write.id
            page["requests"] = " ".join([*page.get("requests", "").split(), self.write.request][-8:])
        return page


APPLICATIONS: dict[str, Callable[[Desk, Write], str]] = {
    "members/1": play_members,
    "playlist/1": play_playlist,
    "rooms/1": play_rooms,
}
