"""Five designs that keep reservations, as small as they can be; the sixth is Bayou (cluster/compare/bayou.py).

Each tries the requested slots in order, on what the server holds at that moment. When two servers meet, their data
type alone decides the result. No design knows of clients, links or scripts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cluster.compare.operation_based import OperationSet
from cluster.compare.state_based import GrowOnlySet, LastWriterWinsMap, TwoPhaseSet
from cluster.language.parser import Slot


@dataclass(frozen=True, slots=True)
class Booking:
    """A user has a room for a slot."""

    user: str
    room: str
    slot: Slot

    def overlaps(self, other: Booking) -> bool:
        return self.room == other.room and self.slot.start < other.slot.end and other.slot.start < self.slot.end


class Refused(Exception):
    """Why a request was refused; `cut_off` where the reason is a link that is cut."""

    def __init__(self, reason: str, *, cut_off: bool = False) -> None:
        super().__init__(reason)
        self.cut_off = cut_off


class Design(Protocol):
    """One way to keep bookings on several servers. `now` grows with each line of a script."""

    name: str
    idea: str

    def join(self, server: str, now: int) -> None:
        """Add an empty server."""

    def reserve(self, server: str, choices: Sequence[Booking], reachable: Collection[str], now: int) -> Booking:
        """Book the first choice that is free at this server; raises Refused."""

    def cancel(self, server: str, booking: Booking, reachable: Collection[str], now: int) -> None:
        """Remove a booking; raises Refused."""

    def meet(self, one: str, other: str) -> None:
        """Have two servers exchange what they hold."""

    def held(self, server: str) -> Collection[Booking]:
        """The bookings that this server holds."""


def first_free(choices: Sequence[Booking], held: Iterable[Booking]) -> Booking:
    """The first choice that overlaps nothing; raises Refused."""
    taken = list(held)
    for choice in choices:
        if not any(choice.overlaps(other) for other in taken):
            return choice
    raise Refused("taken")


class Central:
    """Consistent, but of no use to anybody who is cut off."""

    name = "a central server"
    idea = "the first server alone keeps all; the others only pass requests on"

    def __init__(self) -> None:
        self._center: str | None = None
        self._bookings: set[Booking] = set()

    def join(self, server: str, now: int) -> None:
        del now
        self._center = self._center or server

    def reserve(self, server: str, choices: Sequence[Booking], reachable: Collection[str], now: int) -> Booking:
        del server, now
        self._check(reachable)
        got = first_free(choices, self._bookings)
        self._bookings.add(got)
        return got

    def cancel(self, server: str, booking: Booking, reachable: Collection[str], now: int) -> None:
        del server, now
        self._check(reachable)
        self._bookings.discard(booking)

    def meet(self, one: str, other: str) -> None: ...

    def held(self, server: str) -> Collection[Booking]:
        del server
        return frozenset(self._bookings)

    def _check(self, reachable: Collection[str]) -> None:
        if self._center not in reachable:
            raise Refused("cut off from the server", cut_off=True)


class LastWriterWins:
    """The last writer of a room and slot wins; the others are overwritten without notice."""

    name = "last writer wins"
    idea = "a register for each room and time; the write with the greatest time stamp stays"

    def __init__(self) -> None:
        self._maps: dict[str, LastWriterWinsMap[tuple[str, Slot], Booking | None]] = {}

    def join(self, server: str, now: int) -> None:
        del now
        self._maps[server] = LastWriterWinsMap()

    def reserve(self, server: str, choices: Sequence[Booking], reachable: Collection[str], now: int) -> Booking:
        del reachable
        got = first_free(choices, self.held(server))
        self._put(server, got, got, now)
        return got

    def cancel(self, server: str, booking: Booking, reachable: Collection[str], now: int) -> None:
        del reachable
        if booking not in self.held(server):
            raise Refused("not known here")
        self._put(server, booking, None, now)

    def meet(self, one: str, other: str) -> None:
        self._maps[one] = self._maps[other] = self._maps[one].merge(self._maps[other])

    def held(self, server: str) -> Collection[Booking]:
        return [value for _, value in self._maps[server].registers.values() if value is not None]

    def _put(self, server: str, booking: Booking, value: Booking | None, now: int) -> None:
        key = (booking.room, booking.slot)
        self._maps[server] = self._maps[server].put(key, value, (now, server))


class GrowOnly:
    """Nothing is ever lost: neither double bookings nor bookings that nobody wants any more."""

    name = "a grow-only set"
    idea = "bookings are added, and sets are joined (state-based)"

    def __init__(self) -> None:
        self._sets: dict[str, GrowOnlySet[Booking]] = {}

    def join(self, server: str, now: int) -> None:
        del now
        self._sets[server] = GrowOnlySet()

    def reserve(self, server: str, choices: Sequence[Booking], reachable: Collection[str], now: int) -> Booking:
        del reachable, now
        got = first_free(choices, self.held(server))
        self._sets[server] = self._sets[server].add(got)
        return got

    def cancel(self, server: str, booking: Booking, reachable: Collection[str], now: int) -> None:
        del server, booking, reachable, now
        raise Refused("nothing can be removed")

    def meet(self, one: str, other: str) -> None:
        self._sets[one] = self._sets[other] = self._sets[one].merge(self._sets[other])

    def held(self, server: str) -> Collection[Booking]:
        return self._sets[server].elements


class TwoPhase:
    """Cancelling works once: afterwards the same user can never book the same room and slot again."""

    name = "a two-phase set"
    idea = "a set of what was booked, and one of what was cancelled (state-based)"

    def __init__(self) -> None:
        self._sets: dict[str, TwoPhaseSet[Booking]] = {}

    def join(self, server: str, now: int) -> None:
        del now
        self._sets[server] = TwoPhaseSet()

    def reserve(self, server: str, choices: Sequence[Booking], reachable: Collection[str], now: int) -> Booking:
        del reachable, now
        possible = [choice for choice in choices if choice not in self._sets[server].removed]
        if not possible:
            raise Refused("cancelled once, so never again")
        got = first_free(possible, self.held(server))
        self._sets[server] = self._sets[server].add(got)
        return got

    def cancel(self, server: str, booking: Booking, reachable: Collection[str], now: int) -> None:
        del reachable, now
        if booking not in self.held(server):
            raise Refused("not known here")
        self._sets[server] = self._sets[server].remove(booking)

    def meet(self, one: str, other: str) -> None:
        self._sets[one] = self._sets[other] = self._sets[one].merge(self._sets[other])

    def held(self, server: str) -> Collection[Booking]:
        return self._sets[server].elements


class OperationBased:
    """A cancelled slot can be booked again, but rooms are still booked twice."""

    name = "an operation-based set"
    idea = "servers pass on additions and removals, each once and in causal order"

    def __init__(self) -> None:
        self._sets: dict[str, OperationSet[Booking]] = {}

    def join(self, server: str, now: int) -> None:
        self._sets[server] = OperationSet(f"{server}@{now}")  # an id that joins again is a new replica

    def reserve(self, server: str, choices: Sequence[Booking], reachable: Collection[str], now: int) -> Booking:
        del reachable, now
        got = first_free(choices, self.held(server))
        self._sets[server].add(got)
        return got

    def cancel(self, server: str, booking: Booking, reachable: Collection[str], now: int) -> None:
        del reachable, now
        if booking not in self.held(server):
            raise Refused("not known here")
        self._sets[server].remove(booking)

    def meet(self, one: str, other: str) -> None:
        for giver, taker in ((one, other), (other, one)):
            for operation in list(self._sets[giver].log):
                self._sets[taker].receive(operation)

    def held(self, server: str) -> Collection[Booking]:
        return self._sets[server].elements


DESIGNS: tuple[Callable[[], Design], ...] = (Central, LastWriterWins, GrowOnly, TwoPhase, OperationBased)
