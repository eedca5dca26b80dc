"""A log of reservations in the order of their stamps, which becomes final without a primary.

A stamp is the number of the line of the script, so no two writes have the same stamp. Each server keeps a vector: for
every server, the stamp up to which it has heard from that server. If server A has heard from server B up to a stamp, A
holds all writes of B up to that stamp. When two servers meet, they merge their writes and their vectors. Each has then
heard from the other up to the current line.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from cluster.compare.booking import Booking, Refused, first_free


@dataclass(frozen=True, slots=True)
class Write:
    """A request or a cancel. A request books the first of `choices` that is free. A cancel removes the booking of the
    request whose stamp is `cancels`."""

    choices: tuple[Booking, ...] = ()
    cancels: int | None = None


class StampedLog:
    """The log of one server, which joined at the stamp `now`."""

    def __init__(self, server: str, now: int) -> None:
        self._server = server
        self._writes: dict[int, Write] = {}  # by stamp
        self._heard = {server: now}  # server -> the stamp up to which this server has heard from it

    def write(self, write: Write, now: int) -> None:
        self._writes[now] = write
        self._heard[self._server] = now

    def exchange(self, other: StampedLog, now: int) -> int:
        """Exchange everything with another server. Return how many writes were sent."""
        union = self._writes | other._writes
        sent = 2 * len(union) - len(self._writes) - len(other._writes)
        servers = self._heard.keys() | other._heard.keys()
        heard = {one: max(self._heard.get(one, 0), other._heard.get(one, 0)) for one in servers}
        heard |= {self._server: now, other._server: now}
        for log in (self, other):
            log._writes, log._heard = dict(union), dict(heard)
        return sent

    def play(self) -> dict[int, Booking]:
        """Play all writes in the order of their stamps. Return the bookings, each under the stamp of its request."""
        booked: dict[int, Booking] = {}
        for stamp, write in sorted(self._writes.items()):
            if write.cancels is not None:
                booked.pop(write.cancels, None)
                continue
            with contextlib.suppress(Refused):  # it is rejected
                booked[stamp] = first_free(write.choices, booked.values())
        return booked

    def is_final(self, stamp: int) -> bool:
        """Return whether the write with this stamp is final. It is final when this server has heard from every server
        up to this stamp, because then no earlier write can arrive."""
        return min(self._heard.values()) >= stamp
