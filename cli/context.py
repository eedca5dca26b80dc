"""What every command has at hand: the user, the screen, the present replica, the building's zone, the present time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from cli.client_session import Session
from cli.commands.tokens import token_of
from cli.joined_replicas import glances, joined
from cli.problems import Problem, Usage
from cli.replica_addresses import ADDRESS_DEFAULT, Directory, Place, choose
from cli.rest import Json, Replica, segment
from cli.screen import REPLICA_COLORS, Cell, Screen, brief
from cli.times import building_zone

Opener = Callable[[Place, str, Callable[[str], None]], Replica]


@dataclass
class Context:
    """One user at one replica. `present` is the replica of a prompt; a one-shot command finds its own."""

    user: str
    screen: Screen
    directory: Directory
    environment: Mapping[str, str]
    now: Callable[[], datetime]
    open_replica: Opener = Replica
    option: str | None = None  # --replica
    session: Session = field(default_factory=lambda: Session(Path(os.devnull)))
    _replica: Replica | None = None
    _zone: ZoneInfo | None = field(default=None, repr=False)

    @property
    def replica(self) -> Replica:
        if self._replica is None:
            self._speak_to(choose(self.user, self.option, self.directory, self.environment, self.find_place))
            assert self._replica is not None
        return self._replica

    @property
    def place(self) -> Place:
        return self.replica.place

    def find_place(self, name: str) -> Place:
        """The replica of that name or address; one that config.yaml does not name is asked of those that answer."""
        try:
            return self.directory.find(name)
        except Usage as problem:
            known = list(self.directory.places.values()) or [self.directory.find(ADDRESS_DEFAULT)]
            if self._replica is not None and self._replica.place not in known:
                known.append(self._replica.place)
            others = joined(known, glances(self.at, known))
            found = next((place for place in others if place.label == name), None)
            if found is None:
                raise Usage(f"{problem.message} No replica that answers knows it either.") from None
            return found

    def at(self, place: Place) -> Replica:
        """A connection to any replica, for this user and outside of the session; the caller closes it."""
        replica = self.open_replica(place, self.user, self.screen.note)
        if token := token_of(self.user, self.environment):
            replica.bear(token)
        return replica

    def switch(self, place: Place) -> None:
        """Speak to that replica from now on."""
        self.close()
        self._zone = None
        self._speak_to(place)

    def _speak_to(self, place: Place) -> None:
        self._replica = self.at(place)
        self._replica.session = self.session

    def close(self) -> None:
        if self._replica is not None:
            self._replica.close()
        self._replica = None

    def rooms(self) -> Json:
        """{"timezone", "rooms": [ROOM]}, all of them."""
        answer = self.replica.get("/rooms")
        if answer.get("next"):
            answer = {**answer, "rooms": self.replica.get_all("/rooms", "rooms"), "next": None}
        self._zone = building_zone(str(answer.get("timezone", "UTC")))
        return answer

    @property
    def zone(self) -> ZoneInfo:
        """The building's time zone, asked once."""
        if self._zone is None:
            self.rooms()
        assert self._zone is not None
        return self._zone

    def own(self, user: str | None = None) -> list[Json]:
        return self.replica.get_all(f"/users/{segment(user or self.user)}/reservations", "reservations")

    def find(self, name: str) -> str:
        """The path of a reservation from USER/REQUEST, REQUEST, or the beginning of a request that only one has."""
        user, _, request = name.rpartition("/")
        user = user or self.user
        if not request:
            raise Usage(f"{name!r} names no reservation; give its id, or the beginning of it.")
        known = [str(one.get("request", "")) for one in self.own(user)]
        matches = [request] if request in known else sorted(one for one in known if _begins(one, request))
        if not matches:
            message = (
                f"{self.place.label} knows no reservation of {user} that begins with {request!r}. "
                "`status` lists yours; one made elsewhere may not have arrived here yet."
            )
            raise Problem("reservation_unknown", message)
        if len(matches) > 1:
            if len({one.partition("~")[0] for one in matches}) == 1:
                raise Usage(
                    f"{brief(request)!r} is a series of {len(matches)}: name one of them, such as {brief(matches[0])}, "
                    "or look at `series`; cancel and move take --all, or --and-later with one of them."
                )
            shown = ", ".join(matches[:5]) + (f" and {len(matches) - 5} more" if len(matches) > 5 else "")
            raise Usage(f"{request!r} is the beginning of {len(matches)} reservations: {shown}. Give more of it.")
        return f"/reservations/{segment(user)}/{segment(matches[0])}"

    def find_series(self, name: str) -> str:
        """The path of a series from USER/REQUEST, REQUEST or the beginning of one, or any of its occurrences."""
        user, _, request = name.rpartition("/")
        user = user or self.user
        wanted = request.partition("~")[0]
        known = {str(one["series"]) for one in self.own(user) if one.get("occurrence")}
        matches = [wanted] if wanted in known else sorted(one for one in known if wanted and one.startswith(wanted))
        if not matches:
            message = f"{self.place.label} knows no series of {user} that begins with {wanted!r}. `series` lists yours."
            raise Problem("series_unknown", message)
        if len(matches) > 1:
            raise Usage(f"{wanted!r} is the beginning of {len(matches)} series: {', '.join(matches[:5])}. Give more.")
        return f"/series/{segment(user)}/{segment(matches[0])}"

    def label_cell(self, label: str | None) -> Cell:
        """A replica's label in its colour."""
        labels = list(self.directory.places)
        position = labels.index(label) if label in labels else None
        return Cell(label or "–", REPLICA_COLORS[position % len(REPLICA_COLORS)] if position is not None else None)

    def label(self, label: str | None) -> str:
        cell = self.label_cell(label)
        return self.screen.paint(cell.text, cell.color)


def _begins(known: str, typed: str) -> bool:
    """Whether a request begins so; of an occurrence each half may be shortened: 8f3a~2026-12."""
    if "~" not in typed:
        return known.startswith(typed)
    (series, _, day), (first, _, second) = known.partition("~"), typed.partition("~")
    return series.startswith(first) and day.startswith(second)
