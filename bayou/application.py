"""What an application gives to the store, and what a replica gives to an application's REST resources.

An application is a Lua chunk of pure functions over pages (see docs/design.md), a way to describe a write to people,
and REST resources that turn requests into drafts of writes. It never sees Redis, gRPC or another replica.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from bayou.operation import Operation
from bayou.write import Draft, Write

MEMBERSHIP = "members/1"  # the protocol's own application, which every replica plays; see storage/members.py


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a submitted draft.

    `outcome` is `STATUS DETAIL`. It is logged only if STATUS is `updated` or `merged`; otherwise nothing was recorded
    anywhere and `id` is None. `committed` is true where the primary accepted it. `pages` are those that were to be
    shown, as they are behind it; none where it was not logged.
    """

    id: str | None
    outcome: str
    committed: bool
    pages: Mapping[str, PageViews] = field(default_factory=dict)

    @property
    def logged(self) -> bool:
        return self.id is not None

    @property
    def status(self) -> str:
        return self.outcome.partition(" ")[0]

    @property
    def detail(self) -> str:
        return self.outcome.partition(" ")[2]


@dataclass(frozen=True, slots=True)
class PageViews:
    """One page, field to value, in both views of the same moment."""

    tentative: Mapping[str, str]
    committed: Mapping[str, str]
    notes: Mapping[int, str] = field(default_factory=dict)  # by CSN: what the application noted of commits


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Pages and the vectors of the same moment (server id to stamp); `history` is that of bayou/history.py, as JSON."""

    vector: Mapping[str, int]
    committed_vector: Mapping[str, int]
    csn: int
    pages: Mapping[str, PageViews]
    history: str = "[]"


@dataclass(frozen=True, slots=True)
class Sighting:
    """What this replica has shown of a thing: `number` grows with each change, `changed_s` is when the last one was
    seen (seconds since 1970), `here` is False once the thing is gone, `text` is what is (or was last) shown."""

    number: int
    changed_s: int
    here: bool
    text: str


@dataclass(frozen=True, slots=True)
class History:
    """What became of a page: notes of commits by CSN, and the tentative writes that declare it, in order, each with its
    outcome."""

    notes: Mapping[int, str]
    tentative: tuple[tuple[Write, str], ...]


class Change(NamedTuple):
    """What a transaction did to a write: its CSN if it is committed by now, its outcome before (None: it is new here),
    and after."""

    write: str
    csn: int | None
    was: str | None
    now: str
    is_membership: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """A write that came to another outcome here, when it was played again. `others` are the outcomes of the other
    writes of the same transaction, among them those that caused it."""

    at: datetime
    write: str
    was: str
    now: str
    others: Mapping[str, str]


class Service(Protocol):
    """A replica, as an application's REST resources see it."""

    @property
    def settings(self) -> Any:
        """The configuration (replica/config.py)."""

    def now(self) -> datetime:
        """The present moment in UTC; a test may own it."""

    def user(self) -> str:
        """Who makes the present request; raises Unauthorized."""

    def role(self) -> str:
        """Who asks, as a role: user | manager | guest; `user` where no tokens are asked for."""

    def submit(self, draft: Draft, shown: Sequence[str] = ()) -> Accepted:
        """Atomically accept and play a write, and read the pages `shown` behind it; or refuse it and record nothing."""

    def read(self, pages: Sequence[str]) -> Snapshot:
        """Pages in both views, of one moment; a page that does not exist is empty."""

    def members(self, name: str) -> list[str]:
        """An append-only list that the application's `lists` keeps: a superset, sorted bytewise."""

    def history(self, page: str) -> History:
        """Of one moment."""

    def turns(self, ids: Collection[str]) -> tuple[list[Turn], datetime | None]:
        """How these writes moved here, oldest first, and since when that is kept; None when nothing is."""

    def writes(self, ids: Sequence[str]) -> Mapping[str, Write]:
        """Those of these writes that are still in the log."""

    def label(self, server: str) -> str:
        """The name for people of a server id."""

    def sightings(self, name: str, shown: Mapping[str, tuple[str, int]]) -> Mapping[str, Sighting]:
        """Note what is shown under a name (thing -> text without tabs, and until when it is kept once it is gone, in
        seconds since 1970); returns all that is noted, gone things too."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The dependency check and the merge procedure of a write, by their names in the application's Lua."""

    check: str
    merge: str


def draft_by(
    service: Service, app: str, op: str, args: Mapping[str, Any], pages: Sequence[str], rules: Rules, request: str = ""
) -> Draft:
    """The draft of what the present user asks for now; where the client named no `request`, it is a new one.

    Raises Unauthorized where nobody says who asks.
    """
    return Draft(
        app=app,
        op=op,
        check=rules.check,
        merge=rules.merge,
        args=args,
        pages=tuple(pages),
        user=service.user(),
        request=request or secrets.token_hex(6),
        accepted_at=service.now().astimezone(UTC).isoformat(timespec="milliseconds"),
    )


def describe_plainly(write: Write, outcome: str) -> dict[str, Any]:
    """What was asked, and as its place the detail of the outcome, where it was done."""
    status, _, detail = outcome.partition(" ")
    return {**write.args, "place": {"detail": detail} if status in {"updated", "merged"} else None}


@dataclass(frozen=True, slots=True)
class Application:
    """One application: `lua` returns {check, update, merge, lists}; `describe(write, outcome)` is what screens show;
    `register(api, service)` adds its REST resources to a flask_restful.Api."""

    name: str
    version: int
    lua: str
    register: Callable[[Any, Service], None]
    describe: Callable[[Write, str], dict[str, Any]] = describe_plainly
    operations: tuple[Operation, ...] = ()  # how its resources are described at GET /openapi.json

    @property
    def tag(self) -> str:
        """NAME/VERSION, as writes carry it."""
        return f"{self.name}/{self.version}"
