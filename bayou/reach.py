"""Tracks what the receiver of a session will hold, as far as the sender knows."""

from __future__ import annotations

from dataclasses import dataclass

from bayou.application import membership_write
from bayou.frames import Holds
from bayou.payloads import Selection, StateEnd
from bayou.stamps import split_id, stamp_text
from bayou.state import Vector
from bayou.vectors import complete
from bayou.write import prev_of


@dataclass(slots=True)
class Reach:
    """The writes that the receiver will hold when it has stored everything in flight. The sender continues after these
    writes.

    Invariant: the receiver will hold the commits up to `csn`, and the writes that `vector` covers. The receiver may
    hold more writes. `vector` also covers the writes of these commits; bayou/vectors.py explains a missing entry.
    `retired` has the minted ids (LABEL~NONCE) of servers whose retirement the receiver knows.
    """

    csn: int
    vector: dict[str, int]
    retired: tuple[str, ...]

    def note_sent(self, selection: Selection) -> None:
        """Add a selection that is sent now. The selection must have been made for this reach."""
        for item in selection.items:
            stamp, origin = split_id(item.id)
            if stamp > self._held(origin):
                self._advance(stamp, origin, item.body)
            if item.csn is not None:
                self.csn = item.csn

    def note_received(self, selection: Selection) -> None:
        """Add a selection that came from the receiver. The receiver holds these writes.

        A write is added only if there is no gap between this reach and the write. A gap may hide the creation of a
        server. Without the creation, the created server would count as retired (bayou/vectors.py), and its writes would
        not be sent.
        """
        for item in selection.items:
            stamp, origin = split_id(item.id)
            held = self._held(origin)
            if stamp > held:
                if not item.body or prev_of(item.body) > held:
                    continue
                self._advance(stamp, origin, item.body)
            if item.csn == self.csn + 1:
                self.csn += 1

    def note_received_state(self, end: StateEnd) -> None:
        """Add a full state that came from the receiver itself. `end` describes that state."""
        self.vector |= {server: stamp for server, stamp in end.vector.items() if stamp > self._held(server)}
        self.csn = max(self.csn, end.csn)

    def note_holds(self, holds: Holds) -> None:
        """Add the commits and writes that the receiver holds according to `holds`. The receiver must have read the CSN
        and the vector of `holds` at the same moment."""
        self.vector |= {server: stamp for server, stamp in holds.vector.items() if stamp > self._held(server)}
        self.csn = max(self.csn, holds.csn)
        self.retired = holds.retired_servers

    def covers(self, vector: Vector) -> bool:
        """Whether the receiver holds all writes that a vector covers."""
        return all(self._held(server) >= stamp for server, stamp in vector.items())

    def copy(self) -> Reach:
        return Reach(self.csn, dict(self.vector), self.retired)

    def holds(self, identifier: str) -> bool:
        """Whether the receiver holds the write with this id."""
        stamp, origin = split_id(identifier)
        return self._held(origin) >= stamp

    def _held(self, server: str) -> float:
        return complete(self.vector, self.retired, server)

    def _advance(self, stamp: int, origin: str, body: bytes) -> None:
        """Set the entry of the write's origin to the stamp of the write. If the write creates a server, also add an
        entry for the created server. Without an entry, the created server would count as retired (bayou/vectors.py)."""
        self.vector[origin] = stamp
        write = membership_write(body)
        if write is not None and write.op == "create":
            self.vector.setdefault(f"{stamp_text(stamp)}:{origin}", stamp)
