"""A replica, as an application's REST resources see it."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from bayou.application import Accepted, History, Rules, Sighting, Snapshot, Turn
from bayou.write import Draft, Write


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
