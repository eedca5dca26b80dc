"""A log of reservations in the order of their stamps. The writes become final without a primary.

A stamp is the number of a line of the script, so no two writes have the same stamp. Each server keeps a vector with a
stamp for every server. If the vector of server A has stamp 7 for server B, A holds all writes that B made up to line 7.

When two servers meet, they merge their writes and their vectors. Both vectors then have the current line as the stamp
of both servers.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from cluster.compare.booking import Booking, Refused, first_free


@dataclass(frozen=True, slots=True)
class Write:
    """A request or a cancel. A request books the first of `choices` that is free. A cancel removes the booking of the
    request with the stamp `cancels`."""

    choices: tuple[Booking, ...] = ()
    cancels: int | None = None


class StampedLog:
    """The log of one server. `now` is the stamp at which the server joined."""

    def __init__(self, server: str, now: int) -> None:
        self._server = server
        self._writes: dict[int, Write] = {}  # by stamp
        self._heard = {server: now}  # the vector: server -> stamp

    def write(self, write: Write, now: int) -> None:
        self._writes[now] = write
        self._heard[self._server] = now

    def exchange(self, other: StampedLog, now: int) -> int:
        """Exchange all writes and the vectors with another server. Return the number of writes that were sent."""
        union = self._writes | other._writes
        sent = 2 * len(union) - len(self._writes) - len(other._writes)
        servers = self._heard.keys() | other._heard.keys()
        heard = {one: max(self._heard.get(one, 0), other._heard.get(one, 0)) for one in servers}
        heard |= {self._server: now, other._server: now}
        for log in (self, other):
            log._writes, log._heard = dict(union), dict(heard)
        return sent

    def play(self) -> dict[int, Booking]:
        """Play all writes in the order of their stamps. Return the bookings. The key of a booking is the stamp of its
        request."""
        booked: dict[int, Booking] = {}
        for stamp, write in sorted(self._writes.items()):
            if write.cancels is not None:
                booked.pop(write.cancels, None)
                continue
            with contextlib.suppress(Refused):  # it is rejected
                booked[stamp] = first_free(write.choices, booked.values())
        return booked

    def is_final(self, stamp: int) -> bool:
        """Return whether the write with this stamp is final. The write is final if no stamp in the vector is earlier.
        Then no earlier write can arrive."""
        return min(self._heard.values()) >= stamp
