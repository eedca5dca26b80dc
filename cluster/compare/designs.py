"""Five designs that keep reservations, each as small as possible. The sixth is Bayou (cluster/compare/bayou.py).

Each design tries the requested slots in order and takes the first that is free at the server at that moment. When two
servers meet, only the data type of the design decides the result. A design knows nothing of clients, links or scripts.
"""

# ruff: noqa: ARG002  # the designs share their signatures

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.compare.operation_based import OperationSet
from cluster.compare.state_based import GrowOnlySet, LastWriterWinsMap, TwoPhaseSet
from cluster.language.parser import Slot


@dataclass(frozen=True, slots=True)
class Booking:
    """A user's booking of a room for a slot."""

    user: str
    room: str
    slot: Slot

    def overlaps(self, other: Booking) -> bool:
        return self.room == other.room and self.slot.start < other.slot.end and other.slot.start < self.slot.end


class Refused(Exception):
    """A request was refused. `cut_off` is true if a cut link is the reason."""

    def __init__(self, reason: str, *, cut_off: bool = False) -> None:
        super().__init__(reason)
        self.cut_off = cut_off


class Design:
    """The base class of the designs.

    `empty` is the class of the data type; a call without arguments makes an empty value. `states` maps each server to
    its value. The parameter `now` of a method is the number of the current line of the script.
    """

    name: str
    idea: str
    empty: type[Any]

    def __init__(self) -> None:
        self.states: dict[str, Any] = {}

    def join(self, server: str, now: int) -> None:
        """Add an empty server."""
        self.states[server] = self.empty()

    def add(self, server: str, booking: Booking, now: int) -> None:
        """Add a booking at this server."""
        self.states[server] = self.states[server].add(booking)

    def remove(self, server: str, booking: Booking, now: int) -> None:
        """Remove a booking at this server. Raise Refused if that is impossible."""
        self.require_held(server, booking)
        self.states[server] = self.states[server].remove(booking)

    def check(self, reachable: Collection[str]) -> None:
        """Raise Refused if the servers in `reachable` are not enough to serve a request."""

    def allowed(self, server: str, choices: Sequence[Booking]) -> Sequence[Booking]:
        """Return those choices that the data type can still hold. Raise Refused if there is none."""
        return choices

    def reserve(self, server: str, choices: Sequence[Booking], reachable: Collection[str], now: int) -> Booking:
        """Book the first choice that is free at this server. Raise Refused if no choice is free."""
        self.check(reachable)
        got = first_free(self.allowed(server, choices), self.held(server))
        self.add(server, got, now)
        return got

    def cancel(self, server: str, booking: Booking, reachable: Collection[str], now: int) -> None:
        """Remove a booking. Raise Refused if that is impossible."""
        self.check(reachable)
        self.remove(server, booking, now)

    def meet(self, one: str, other: str) -> None:
        """Have two servers exchange what they hold."""
        self.states[one] = self.states[other] = self.states[one].merge(self.states[other])

    def held(self, server: str) -> Collection[Booking]:
        """Return the bookings that this server holds."""
        found: Collection[Booking] = self.states[server].elements
        return found

    def require_held(self, server: str, booking: Booking) -> None:
        """Raise Refused if the server does not hold the booking."""
        if booking not in self.held(server):
            raise Refused("not known here")


def first_free(choices: Sequence[Booking], held: Iterable[Booking]) -> Booking:
    """Return the first choice that overlaps no booking in `held`. Raise Refused if there is none."""
    taken = list(held)
    for choice in choices:
        if not any(choice.overlaps(other) for other in taken):
            return choice
    raise Refused("taken")


class Central(Design):
    """One central server. Its bookings are consistent, but a user who is cut off from it can do nothing."""

    name = "a central server"
    idea = "the first server alone keeps all; the others only pass requests on"
    center: str | None = None

    def join(self, server: str, now: int) -> None:
        self.center = self.center or server
        self.states[server] = self.states.get(self.center, set())

    def check(self, reachable: Collection[str]) -> None:
        if self.center not in reachable:
            raise Refused("cut off from the server", cut_off=True)

    def add(self, server: str, booking: Booking, now: int) -> None:
        self.states[server].add(booking)

    def remove(self, server: str, booking: Booking, now: int) -> None:
        self.states[server].discard(booking)

    def meet(self, one: str, other: str) -> None:
        """Do nothing: all servers share the state of the central one."""

    def held(self, server: str) -> Collection[Booking]:
        return frozenset(self.states[server])


class LastWriterWins(Design):
    """A map from room and slot to a booking. The last write wins; the others are overwritten without notice."""

    name = "last writer wins"
    idea = "a register for each room and time; the write with the greatest time stamp stays"
    empty = LastWriterWinsMap

    def add(self, server: str, booking: Booking, now: int) -> None:
        self._put(server, booking, booking, now)

    def remove(self, server: str, booking: Booking, now: int) -> None:
        self.require_held(server, booking)
        self._put(server, booking, None, now)

    def held(self, server: str) -> Collection[Booking]:
        return [value for _, value in self.states[server].registers.values() if value is not None]

    def _put(self, server: str, booking: Booking, value: Booking | None, now: int) -> None:
        self.states[server] = self.states[server].put((booking.room, booking.slot), value, (now, server))


class GrowOnly(Design):
    """A set of bookings that only grows. It loses no booking, but it also keeps double bookings and cancelled ones."""

    name = "a grow-only set"
    idea = "bookings are added, and sets are joined (state-based)"
    empty = GrowOnlySet

    def remove(self, server: str, booking: Booking, now: int) -> None:
        raise Refused("nothing can be removed")


class TwoPhase(Design):
    """A set in which an element can be removed once. After a cancel, the user can never book that room and slot
    again."""

    name = "a two-phase set"
    idea = "a set of what was booked, and one of what was cancelled (state-based)"
    empty = TwoPhaseSet

    def allowed(self, server: str, choices: Sequence[Booking]) -> Sequence[Booking]:
        possible = [choice for choice in choices if choice not in self.states[server].removed]
        if not possible:
            raise Refused("cancelled once, so never again")
        return possible


class OperationBased(Design):
    """A set whose servers exchange operations. A cancelled slot can be booked again, but a room may be booked twice."""

    name = "an operation-based set"
    idea = "servers pass on additions and removals, each once and in causal order"

    def join(self, server: str, now: int) -> None:
        self.states[server] = OperationSet(f"{server}@{now}")  # an id that joins again is a new replica

    def add(self, server: str, booking: Booking, now: int) -> None:
        self.states[server].add(booking)

    def remove(self, server: str, booking: Booking, now: int) -> None:
        self.require_held(server, booking)
        self.states[server].remove(booking)

    def meet(self, one: str, other: str) -> None:
        for giver, taker in ((one, other), (other, one)):
            for operation in list(self.states[giver].log):
                self.states[taker].receive(operation)


DESIGNS: tuple[type[Design], ...] = (Central, LastWriterWins, GrowOnly, TwoPhase, OperationBased)
