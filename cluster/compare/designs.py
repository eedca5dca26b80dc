"""Seven small designs that keep reservations. The eighth design is Bayou (cluster/compare/bayou.py).

A design books the first requested slot that is free at the server of the user. When two servers meet, the data type of
the design alone decides the result. The code of a design does not use clients, links or scripts.
"""

# ruff: noqa: ARG002  # the designs share their signatures

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from apps.rooms.pages import rooms_of
from cluster.compare.booking import Booking, Refused, first_free
from cluster.compare.operation_based import OperationSet
from cluster.compare.stable_stamps import StampedLog, Write
from cluster.compare.state_based import GrowOnlySet, LastWriterWinsMap, ObservedRemoveSet, TwoPhaseSet


class Design:
    """The base class of the designs.

    `states` maps each server to the value that the server stores. `empty` is the Python class of these values, and
    `empty()` makes an empty value. `sent` maps each kind of data, such as `writes`, to the amount that the servers have
    sent. The parameter `now` of a method is the number of the current line of the script.
    """

    name: str
    idea: str
    empty: type[Any]

    def __init__(self) -> None:
        self.states: dict[str, Any] = {}
        self.sent: Counter[str] = Counter()

    def join(self, server: str, now: int) -> None:
        """Add an empty server."""
        self.states[server] = self.empty()

    def add(self, server: str, booking: Booking, now: int) -> None:
        """Add a booking at this server."""
        self.states[server] = self.states[server].add(booking)

    def remove(self, server: str, booking: Booking, now: int) -> None:
        """Remove a booking at this server. Raise Refused if the design cannot remove the booking."""
        self.require_held(server, booking)
        self.states[server] = self.states[server].remove(booking)

    def check(self, server: str, reachable: Collection[str]) -> None:
        """Raise Refused if a request at this server needs a server that is not in `reachable`."""

    def allowed(self, server: str, choices: Sequence[Booking]) -> Sequence[Booking]:
        """Return the choices that the data type can still add. Raise Refused if the data type can add no choice."""
        return choices

    def reserve(self, server: str, choices: Sequence[Booking], reachable: Collection[str], now: int) -> Booking:
        """Book the first choice that is free at this server. Raise Refused if no choice is free."""
        self.check(server, reachable)
        got = first_free(self.allowed(server, choices), self.held(server))
        self.add(server, got, now)
        return got

    def cancel(self, server: str, booking: Booking, reachable: Collection[str], now: int) -> None:
        """Remove a booking at this server. Raise Refused if the design cannot remove the booking. Also raise Refused if
        the request needs a server that is not in `reachable`."""
        self.check(server, reachable)
        self.remove(server, booking, now)

    def outcome(self, server: str, asked_at: int, answer: Booking) -> tuple[Booking | None, bool]:
        """Return the booking that this server now shows for a request, and whether this booking is final.

        `asked_at` is the number of the line with the request. `answer` is the booking in the answer to the request.
        Most designs never change an answer, so the base class returns `answer` as final.
        """
        return answer, True

    def meet(self, one: str, other: str, now: int) -> None:
        """Let two servers exchange their data. Servers with equal values send nothing."""
        ours, theirs = self.states[one], self.states[other]
        if ours != theirs:
            self.sent.update({"states": 2, "elements in them": ours.size + theirs.size})
            self.states[one] = self.states[other] = ours.merge(theirs)

    def held(self, server: str) -> Collection[Booking]:
        """Return the bookings that this server holds."""
        found: Collection[Booking] = self.states[server].elements
        return found

    def require_held(self, server: str, booking: Booking) -> None:
        """Raise Refused if the server does not hold the booking."""
        if booking not in self.held(server):
            raise Refused("not known here")


class Central(Design):
    """One central server has all bookings, so the bookings are consistent. A server that cannot reach the central
    server refuses every request."""

    name = "a central server"
    idea = "the first server alone keeps all; the others only pass requests on"
    center: str | None = None

    def join(self, server: str, now: int) -> None:
        self.center = self.center or server
        self.states[server] = self.states.get(self.center, set())

    def check(self, server: str, reachable: Collection[str]) -> None:
        if self.center not in reachable:
            raise Refused("cut off from the server", cut_off=True)
        if server != self.center:
            self.sent["requests passed on"] += 1

    def add(self, server: str, booking: Booking, now: int) -> None:
        self.states[server].add(booking)

    def remove(self, server: str, booking: Booking, now: int) -> None:
        self.states[server].discard(booking)

    def meet(self, one: str, other: str, now: int) -> None:
        """Do nothing: all servers share the state of the central server."""

    def held(self, server: str) -> Collection[Booking]:
        return frozenset(self.states[server])


class LastWriterWins(Design):
    """A map from room and slot to a booking. The write with the greatest stamp wins. Other writes are overwritten
    without notice.

    A booking of several rooms makes one write for each room. If one of these writes is overwritten, the whole booking
    is lost.
    """

    name = "last writer wins"
    idea = "a register for each room and time; the write with the greatest stamp wins"
    empty = LastWriterWinsMap

    def add(self, server: str, booking: Booking, now: int) -> None:
        self._put(server, booking, booking, now)

    def remove(self, server: str, booking: Booking, now: int) -> None:
        self.require_held(server, booking)
        self._put(server, booking, None, now)

    def held(self, server: str) -> Collection[Booking]:
        registers = self.states[server].registers
        count = Counter(value for _, value in registers.values() if value is not None)
        return [booking for booking, rooms in count.items() if rooms == len(rooms_of(booking.room))]

    def _put(self, server: str, booking: Booking, value: Booking | None, now: int) -> None:
        for room in rooms_of(booking.room):
            self.states[server] = self.states[server].put((room, booking.slot), value, (now, server))


class GrowOnly(Design):
    """A set of bookings that only grows. It loses no booking, but it also keeps double bookings and cancelled
    bookings."""

    name = "a grow-only set"
    idea = "bookings are added, and sets are joined (state-based)"
    empty = GrowOnlySet

    def remove(self, server: str, booking: Booking, now: int) -> None:
        raise Refused("nothing can be removed")


class TwoPhase(Design):
    """A set that never accepts a removed element again. After a cancel, the user can never book the same room and slot
    again."""

    name = "a two-phase set"
    idea = "a set of what was booked, and one of what was cancelled (state-based)"
    empty = TwoPhaseSet

    def allowed(self, server: str, choices: Sequence[Booking]) -> Sequence[Booking]:
        possible = [choice for choice in choices if choice not in self.states[server].removed]
        if not possible:
            raise Refused("cancelled once, so never again")
        return possible


class ObservedRemove(Design):
    """A set with a stamp for each addition. A cancelled slot can be booked again, but a room may be booked twice."""

    name = "an observed-remove set"
    idea = "a cancel removes the additions that its server has seen (state-based)"
    empty = ObservedRemoveSet

    def add(self, server: str, booking: Booking, now: int) -> None:
        self.states[server] = self.states[server].add(booking, (now, server))


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

    def meet(self, one: str, other: str, now: int) -> None:
        for giver, taker in ((one, other), (other, one)):
            for operation in list(self.states[giver].log):
                if not self.states[taker].has(operation):
                    self.sent["operations"] += 1
                    self.states[taker].receive(operation)


class StableStamps(Design):
    """All servers play the same writes in the order of their stamps, without a primary. A write is final at a server
    when no earlier write can arrive there. So while one server is cut off, no new write becomes final."""

    name = "commit by stable stamps"
    idea = "ordered by stamp; final when no earlier write can arrive"

    def join(self, server: str, now: int) -> None:
        self.states[server] = StampedLog(server, now)

    def reserve(self, server: str, choices: Sequence[Booking], reachable: Collection[str], now: int) -> Booking:
        got = first_free(choices, self.held(server))
        self.states[server].write(Write(tuple(choices)), now)
        return got

    def remove(self, server: str, booking: Booking, now: int) -> None:
        self.require_held(server, booking)
        asked_at = next(stamp for stamp, held in self.states[server].play().items() if held == booking)
        self.states[server].write(Write(cancels=asked_at), now)

    def outcome(self, server: str, asked_at: int, answer: Booking) -> tuple[Booking | None, bool]:
        log: StampedLog = self.states[server]
        return log.play().get(asked_at), log.is_final(asked_at)

    def meet(self, one: str, other: str, now: int) -> None:
        self.sent["writes"] += self.states[one].exchange(self.states[other], now)

    def held(self, server: str) -> Collection[Booking]:
        return list(self.states[server].play().values())


DESIGNS: tuple[type[Design], ...] = (
    Central, LastWriterWins, GrowOnly, TwoPhase, ObservedRemove, OperationBased, StableStamps,
)  # fmt: skip
