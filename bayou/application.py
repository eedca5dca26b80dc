"""What an application gives to the store, and what a replica gives to an application's REST resources.

An application is a Lua chunk of pure functions over pages (see docs/design.md), a way to describe a write to people,
and REST resources that turn requests into drafts of writes. It never sees Redis, gRPC or another replica.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from bayou.operation import Operation
from bayou.write import Draft, Write

MEMBERSHIP = "members/1"  # the protocol's own application, which every replica plays; see storage/members.py


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a submitted draft.

    `outcome` is `STATUS DETAIL`. It is logged only if STATUS is `updated` or `merged`; otherwise nothing was recorded
    anywhere and `id` is None. `committed` is true where the primary accepted it.
    """

    id: str | None
    outcome: str
    committed: bool

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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Pages and the vectors of the same moment (server id to stamp)."""

    vector: Mapping[str, int]
    committed_vector: Mapping[str, int]
    csn: int
    pages: Mapping[str, PageViews]


class Service(Protocol):
    """A replica, as an application's REST resources see it."""

    @property
    def settings(self) -> Any:
        """The configuration (replica/config.py)."""

    def now(self) -> datetime:
        """The present moment in UTC; a test may own it."""

    def user(self) -> str:
        """Who makes the present request; raises Unauthorized."""

    def submit(self, draft: Draft) -> Accepted:
        """Atomically accept and play a write, or refuse it and record nothing."""

    def read(self, pages: Sequence[str]) -> Snapshot:
        """Pages in both views, of one moment; a page that does not exist is empty."""

    def members(self, name: str) -> list[str]:
        """An append-only list that the application's `lists` keeps: a superset, sorted bytewise."""


@dataclass(frozen=True, slots=True)
class Application:
    """One application: `lua` returns {check, update, merge, lists}; `describe(write, outcome)` is what screens show;
    `register(api, service)` adds its REST resources to a flask_restful.Api."""

    name: str
    version: int
    lua: str
    describe: Callable[[Write, str], dict[str, Any]]
    register: Callable[[Any, Service], None]
    operations: tuple[Operation, ...] = ()  # how its resources are described at GET /openapi.json

    @property
    def tag(self) -> str:
        """NAME/VERSION, as writes carry it."""
        return f"{self.name}/{self.version}"
