"""A model of Bayou in plain Python that tests compare with the engine. It follows the papers and uses no Redis or Lua.

A replica is a list of committed writes and a list of tentative writes. Everything else, such as vectors and views, is
computed from these two lists each time. The models of most applications are at the end of this file. The models of
rooms and records are in tests/support/model_rooms.py and tests/support/model_records.py.
Papers: Terry 1995 (write, order, views), Petersen 1997 (anti-entropy, membership).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bayou.stamps import stamp_text
from bayou.write import Draft, Write
from tests.support.model_desk import Desk, Failed, Pages
from tests.support.model_records import play_records
from tests.support.model_rooms import play_rooms, reject

LOGGED = {"updated", "merged"}
ROLES = ("guest", "user", "manager")  # a later one may do what an earlier one may


@dataclass
class Vector:
    """A version vector: the newest stamp of each server. It also names the founders that have retired."""

    stamps: dict[str, int] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()

    def cover(self, write: Write) -> None:
        """Add a write to the vector. The writes of a server must come in the order of their stamps."""
        self.stamps[write.origin] = write.stamp
        if write.app == "members/1" and write.op == "create":
            self.stamps[f"{stamp_text(write.stamp)}:{write.origin}"] = write.stamp
        if write.app == "members/1" and write.op == "retire":
            del self.stamps[write.origin]
            if ":" not in write.origin:
                self.gone |= {write.origin}

    def complete(self, server: str) -> float:
        """Return the entry of CompleteV for a server (Petersen 1997, 4.4).

        The entry is infinity for a retired server, and minus infinity for a server that is not yet created.
        """
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
    """Return the sort key of tentative writes: stamp, then server (Terry 1995, 4.3)."""
    return write.stamp, write.origin.encode()


def covered(writes: Iterable[Write]) -> Vector:
    """Return the version vector of these writes. The writes must be in the order of the log."""
    vector = Vector()
    for write in writes:
        vector.cover(write)
    return vector


def replay(writes: Iterable[Write], pages: Pages | None = None, *, commits: bool) -> tuple[Pages, list[str]]:
    """Play these writes on the pages, as commits or as tentative writes. Return the changed pages and the outcome of
    each write."""
    pages, outcomes = dict(pages or {}), []
    for write in writes:
        outcome, changes = play(write, pages, commits=commits)
        outcomes.append(outcome)
        pages.update(changes)
    return pages, outcomes


class Replica:
    """The model of one server: its committed and its tentative writes. A session delivers everything at once."""

    def __init__(self, server: str, primary: str, clock: int = 0) -> None:
        self.server, self.primary, self.clock = server, primary, clock
        self.committed: list[Write] = []  # all ever committed, including those dropped from the log
        self.tentative: list[Write] = []  # sorted by `by_stamp`
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
        """Return the tentative and the committed pages."""
        committed, _ = replay(self.committed, commits=True)
        return replay(self.tentative, committed, commits=False)[0], committed

    @property
    def log(self) -> list[tuple[str, int | None, str]]:
        """Return (write id, CSN, outcome) of each write in the log; the CSN of a tentative write is None."""
        writes = [*self.committed, *self.tentative]
        pages, outcomes = replay(self.committed, commits=True)
        outcomes += replay(self.tentative, pages, commits=False)[1]
        numbers: list[int | None] = [*range(1, self.csn + 1), *itertools.repeat(None, len(self.tentative))]
        return list(zip((write.id for write in writes), numbers, outcomes, strict=True))[self.osn :]

    def accept(self, draft: Draft, now: int) -> str:
        """Accept a write of a client, and return its outcome. Only a write with an outcome in LOGGED joins the log."""
        stamp = max(now, self.clock + 1)
        prev = int(self.vector.complete(self.server))
        fields = {name: getattr(draft, name) for name in Draft.__slots__}
        write = Write(**fields, stamp=stamp, prev=prev, origin=self.server)
        commits = self.primary == self.server and not self.tentative
        outcome, _ = play(write, self.views[0], commits=commits)
        if outcome.split()[0] not in LOGGED:
            return outcome
        self.take(write)
        if write.op == "retire":
            self.retired = True
        return outcome

    def take(self, write: Write) -> None:
        """Add a tentative write; the primary commits it at once if no other write is tentative."""
        self.clock = max(self.clock, write.stamp)
        self.tentative = sorted([*self.tentative, write], key=by_stamp)
        if self.primary == self.server and len(self.tentative) == 1:
            self.commit()

    def commit(self) -> None:
        """Commit all tentative writes, the oldest first, as the primary does."""
        for write in self.tentative[:]:
            self.commit_next(write)

    def commit_next(self, write: Write) -> None:
        """Commit this write with the next CSN."""
        self.clock = max(self.clock, write.stamp)
        self.committed.append(write)
        self.tentative = [other for other in self.tentative if other.id != write.id]
        if write.op == "primary" and write.app == "members/1" and write.args["from"] == self.primary:
            self.primary = write.args["to"]

    def truncate(self, keep: int) -> None:
        """Drop the committed writes from the log, except the newest `keep`."""
        self.osn = max(self.osn, self.csn - keep)

    def give(self, peer: Replica) -> None:
        """Send all writes that the peer lacks (Petersen 1997, 3 and 4). If some of these writes are no longer in the
        log, first send the full state and the log."""
        if self.osn > peer.csn:
            peer.committed, peer.osn, peer.primary = self.committed[:], self.osn, self.primary
            peer.clock = max(peer.clock, self.clock)
            held = peer.committed_vector
            kept, peer.tentative = peer.tentative, []
            for write in kept:
                if not held.holds(write):
                    held.cover(write)
                    peer.take(write)
        for write in self.committed[peer.csn :]:
            peer.commit_next(write)
        for write in self.tentative:
            if not peer.vector.holds(write):
                peer.take(write)


def play(write: Write, pages: Mapping[str, dict[str, str]], *, commits: bool) -> tuple[str, Pages]:
    """Play one write, as a commit or as a tentative write. Return its outcome and the pages that it changes."""
    desk = Desk(pages, write.pages)
    refusal = refusal_of(write, pages) if commits else None
    try:
        if refusal:
            if write.app.startswith("rooms/"):
                reject(desk, write)
            return f"forbidden {refusal}", desk.changes
        return APPLICATIONS[write.app](desk, write), desk.changes
    except Failed:
        return "failed", {}


def refusal_of(write: Write, pages: Mapping[str, dict[str, str]]) -> str | None:
    """Check whether the user may make this write (Terry 1995, 6). `pages` are the committed pages.

    Return the reason for a refusal, or None if the write is allowed.
    """
    back = write.args.get("back")
    actor = back["by"] if back else write.user
    needs_manager = back or write.args.get("by_manager") or write.op in {"define", "drop"}
    needed = "manager" if needs_manager else "user"
    person = pages.get(f"person:{actor}", {})
    if write.app == "members/1" or actor == "operator" or not person:
        return None
    if "role" not in person:
        return "revoked"
    return f"needs {needed}" if ROLES.index(person["role"]) < ROLES.index(needed) else None


def play_members(desk: Desk, write: Write) -> str:
    """Play the creation or retirement of a server on the page `members`, and return the outcome."""
    page = desk.open("members")
    servers = {name: value.split("\t") for name, value in page.items() if name.startswith("server:")}
    if write.op == "create":
        if any(parts[3] == write.request for parts in servers.values()):
            return "duplicate"
        parts = (write.args["label"], write.args["rest"], write.args["anti_entropy"], write.request)
        page[f"server:{stamp_text(write.stamp)}:{write.origin}"] = "\t".join(parts)
    if write.op == "forget":
        page[f"forgotten:{write.args['label']}"] = stamp_text(write.stamp)
    if write.op in {"return", "retire"}:
        page.pop(f"forgotten:{write.args['label']}", None)
    if write.op == "retire":
        page.pop(f"server:{write.origin}", None)
        if ":" not in write.origin:
            page[f"gone:{write.origin}"] = stamp_text(write.stamp)
            for name, parts_of_server in servers.items():
                if parts_of_server[0] == write.args["label"]:
                    page.pop(name, None)
    return "updated"


def play_playlist(desk: Desk, write: Write) -> str:
    """Play a write of the playlist, and return the outcome. The last write to a song wins."""
    page = desk.open(f"song:{write.args['song']}")
    requests, mine = page.get("requests", "").split(), f"{write.user}/{write.request}="
    own = mine + checksum(f"{write.op} {write.args.get('url', '')}")
    if earlier := next((one for one in requests if one.startswith(mine)), None):
        return "duplicate" if earlier == own else "differs"
    if write.op == "put":
        page["url"] = write.args["url"]
    else:
        page.pop("url", None)
    page["requests"] = " ".join([*requests, own][-8:])
    return "updated"


def checksum(text: str) -> str:
    """Return a 32-bit checksum of the content of a request, as 8 hexadecimal digits."""
    return f"{functools.reduce(lambda sum_, byte: (sum_ * 31 + byte) % 2**32, text.encode(), 0):08x}"


def play_people(desk: Desk, write: Write) -> str:
    """Play a write that adds, changes or removes a person, and return the outcome."""
    page, op, args = desk.open(f"person:{write.args['name']}"), write.op, write.args
    if write.user != "operator" and desk.read(f"person:{write.user}").get("role") != "manager":
        return "forbidden"
    if op == "add" and "role" in page:
        return "exists"
    if op != "add" and "role" not in page:
        return "unknown"
    if op == "revoke":
        del page["role"], page["hash"]
    page.update({name: args[name] for name in ("role", "hash") if name in args}, write=write.id)
    return "updated"


APPLICATIONS: dict[str, Callable[[Desk, Write], str]] = {
    "members/1": play_members,
    "people/1": play_people,
    "playlist/1": play_playlist,
    "records/1": play_records,
    "rooms/1": play_rooms,
    "rooms/2": play_rooms,
}
