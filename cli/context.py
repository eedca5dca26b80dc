"""The context of a command: the user, the screen, the replica in use, the building's time zone and the current time."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from zoneinfo import ZoneInfo

from bayou.names import SERVER
from cli.client_session import ClientSession
from cli.discovery import joined, probes
from cli.output.screen import REPLICA_COLORS, Cell, Screen, brief
from cli.problems import Problem, Refused, Usage
from cli.replica_addresses import Directory, ReplicaAddress, recall
from cli.rest import READ_TIMEOUT_S, Json, Replica, segment
from cli.state import token_of
from cli.times import building_zone

WRITE_ID = re.compile(rf"[0-9]{{16}}@{SERVER.pattern}")


@dataclass
class Context:
    """The state that the commands of one user share."""

    user: str
    screen: Screen
    directory: Directory
    environment: Mapping[str, str]
    now: Callable[[], datetime]
    option: str | None  # --replica
    client_session: ClientSession
    _replica: Replica | None = None
    _zone: ZoneInfo | None = field(default=None, repr=False)

    @property
    def replica(self) -> Replica:
        """The connection to the replica in use. The replica is chosen when this property is first read."""
        if self._replica is None:
            self._replica = self._connect_in_session(self._chosen())
        return self._replica

    @property
    def address(self) -> ReplicaAddress:
        return self.replica.address

    @property
    def here(self) -> str:
        """The label of the replica in use, in the colour of that replica."""
        return self.label(self.address.label)

    def find_replica(self, name: str) -> ReplicaAddress:
        """Return the address of the replica with this label, URL or HOST:PORT. Raise Usage if no such replica is known.

        If config.yaml does not name the replica, ask the known replicas for the members of the cluster.
        """
        try:
            return self.directory.find(name)
        except Usage as problem:
            known = list(self.directory.replicas.values()) or [self.directory.first]
            if self._replica is not None and self._replica.address not in known:
                known.append(self._replica.address)
            for address in joined(known, probes(self.connect, known)):
                if address.label == name:
                    return address
            raise Usage(f"{problem.message} The replicas that answer do not know this name either.") from None

    def connect(self, address: ReplicaAddress, read_timeout_s: float = READ_TIMEOUT_S) -> Replica:
        """Return a connection to a replica. The connection does not use the client session. The caller closes it."""
        replica = Replica(address, self.user, self.screen.note, read_timeout_s)
        if token := token_of(self.user, self.environment):
            replica.set_token(token)
        return replica

    def switch(self, address: ReplicaAddress) -> None:
        """Use another replica from now on."""
        self.close()
        self._zone = None
        self._replica = self._connect_in_session(address)

    def close(self) -> None:
        if self._replica is not None:
            self._replica.close()
        self._replica = None

    def _connect_in_session(self, address: ReplicaAddress) -> Replica:
        replica = self.connect(address)
        replica.client_session = self.client_session
        return replica

    def _chosen(self) -> ReplicaAddress:
        """Return the address of the replica to use. The replica comes from the first of these sources that gives one:

        1. the option --replica
        2. the environment variable BAYOU_REPLICA
        3. the replica of the last `use`
        4. the first replica in config.yaml
        5. ADDRESS_DEFAULT
        """
        if self.option:
            return self.find_replica(self.option)
        if named := self.environment.get("BAYOU_REPLICA"):
            try:
                return self.find_replica(named)
            except Usage as problem:
                message = (
                    f"{problem.message} The name comes from the variable BAYOU_REPLICA. Change or unset the variable."
                )
                raise Usage(message) from problem
        if remembered := recall(self.user, self.environment):
            # The label counts, because config.yaml may name another address for it by now.
            return self.directory.replicas.get(remembered.label, remembered)
        return self.directory.first

    def act(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send an operator's action to the replica, and return the answer. With --json, also print the answer."""
        answer = self.replica.act(method, path, body)
        self.screen.json(answer)
        return answer

    def rooms(self) -> Json:
        """Ask the replica for all rooms. Return the answer, {"timezone", "rooms": [ROOM]}."""
        answer = self.replica.get_all("/rooms", "rooms")
        self._zone = building_zone(str(answer.get("timezone", "UTC")))
        return answer

    @property
    def zone(self) -> ZoneInfo:
        """The building's time zone. The first use of this property asks the replica for the time zone."""
        if self._zone is None:
            self.rooms()
        assert self._zone is not None
        return self._zone

    def reservations(self, user: str | None = None) -> list[Json]:
        path = f"/users/{segment(user or self.user)}/reservations"
        return list(self.replica.get_all(path, "reservations")["reservations"])

    def reservation_path(self, name: str) -> str:
        """Return the REST path of a reservation. `name` is the id of the reservation, or the beginning of the id.

        If another user made the reservation, `name` is USER/ID. Raise Problem if `name` fits no reservation. Raise
        Usage if `name` fits several reservations.
        """
        user, _, request = name.rpartition("/")
        user = user or self.user
        if not request:
            raise Usage(f"{name!r} names no reservation. Give the id of a reservation, or the beginning of the id.")
        known = {str(one.get("request", "")) for one in self._made_by(user)}
        known |= self._whole_names("reservations", user, request, known)
        lists = (
            "`status --all` lists your reservations"
            if user == self.user
            else "`calendar --on DATE --json` shows all ids"
        )
        return f"/reservations/{segment(user)}/{segment(self._whole_id('reservation', request, known, user, lists))}"

    def writes(self, user: str | None = None) -> list[Json]:
        """Return a user's newest writes of records, as `GET /users/{user}/writes` lists them."""
        return list(self.replica.get(f"/users/{segment(user or self.user)}/writes")["writes"])

    def path_of(self, name: str) -> str:
        """Return the REST path of a reservation or of a write of records.

        `name` is a request id, or the beginning of a request id. If another user made the reservation or write, `name`
        is USER/ID. Raise Problem if no request id begins with `name`. Raise Usage if several request ids do.

        `name` may also be a write id from the log. A write id is not checked.
        """
        if WRITE_ID.fullmatch(name):
            return f"/writes/{segment(name)}"
        user, _, request = name.rpartition("/")
        user = user or self.user
        reservations = {str(one["request"]) for one in self._made_by(user)}
        writes = {str(one["request"]): str(one["write"]) for one in self.writes(user)}
        reservations |= self._whole_names("reservations", user, request, reservations | set(writes))
        lists = "`status --all` lists your reservations and writes. The log may have dropped final writes"
        whole = self._whole_id("reservation or write", request, reservations | set(writes), user, lists)
        if whole in reservations:
            return f"/reservations/{segment(user)}/{segment(whole)}"
        return f"/writes/{segment(writes[whole])}"

    def series_path(self, name: str) -> str:
        """Return the REST path of a series. `name` is the id of the series, the beginning of the id, or the id of an
        occurrence.

        If another user made the series, `name` is USER/ID. Raise Problem if `name` fits no series. Raise Usage if
        `name` fits several series.
        """
        user, _, request = name.rpartition("/")
        user, typed = user or self.user, request.partition("~")[0]
        known = {str(one["series"]) for one in self._made_by(user) if one.get("occurrence")}
        known |= self._whole_names("series", user, typed, known)
        whole = self._whole_id("series", typed, known, user, "`series` lists your series")
        return f"/series/{segment(user)}/{segment(whole)}"

    def _made_by(self, user: str) -> list[Json]:
        """Return the reservations that `user` made and that `user` or the user of this client owns."""
        found = self.reservations(user) + (self.reservations() if user != self.user else [])
        return [one for one in found if one["user"] == user]

    def _whole_names(self, kind: str, user: str, typed: str, known: Collection[str]) -> set[str]:
        """If no id in `known` begins with `typed`, ask the replica whether `user` made a reservation or series with
        exactly this id. If so, return a set with `typed`. In all other cases, return an empty set.

        The replica also finds a reservation that `user` made and another user owns. `known` may lack the id of this
        reservation.
        """
        if not typed or any(_begins(one, typed) for one in known):
            return set()
        try:
            self.replica.get(f"/{kind}/{segment(user)}/{segment(typed)}")
        except Refused as problem:
            if problem.http_status == HTTPStatus.NOT_FOUND:
                return set()
            raise
        return {typed}

    def _whole_id(self, kind: str, typed: str, known: Collection[str], user: str, lists: str) -> str:
        """Return the only id in `known` that begins with `typed`. Raise Problem if there is no such id, and Usage if
        there are several. `lists` is the part of the error message that says where the user can find the ids."""
        matches = [typed] if typed in known else sorted(one for one in known if typed and _begins(one, typed))
        if not matches:
            message = (
                f"{self.address.label} knows no {kind} of {user} whose id begins with {typed!r}; {lists}. "
                f"A {kind} made at another replica may not have arrived yet."
            )
            raise Problem(f"{kind.partition(' ')[0]}_unknown", message)
        if len(matches) == 1:
            return matches[0]
        if len({one.partition("~")[0] for one in matches}) == 1:
            owner = "" if user == self.user else f"{user}/"
            raise Usage(
                f"{brief(typed)!r} is a series of {len(matches)} reservations. Name one of them, such as "
                f"{owner}{brief(matches[0])}. `series {owner}{typed.partition('~')[0]}` lists the reservations of the"
                " series. To cancel or move all of them, add --all. To cancel or move the later ones, name one"
                " reservation and add --and-later."
            )
        shown = ", ".join(matches[:5]) + (f" and {len(matches) - 5} more" if len(matches) > 5 else "")
        raise Usage(f"{typed!r} is the beginning of {len(matches)} ids: {shown}. Type more characters of the id.")

    def label_cell(self, label: str | None) -> Cell:
        """Return a table cell with the label of a replica, in the colour of that replica."""
        labels = list(self.directory.replicas)
        color = REPLICA_COLORS[labels.index(label) % len(REPLICA_COLORS)] if label in labels else None
        return Cell(label or "–", color)

    def label(self, label: str | None) -> str:
        cell = self.label_cell(label)
        return self.screen.paint(cell.text, cell.color)


def _begins(known: str, typed: str) -> bool:
    """Return whether a request id begins with what the user typed.

    The id of an occurrence has two halves, and each half may be shortened: 8f~2026-12 stands for 8f3a~2026-12-08.
    """
    (series, _, day), (first, mark, second) = known.partition("~"), typed.partition("~")
    return series.startswith(first) and day.startswith(second) if mark else known.startswith(typed)
