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
    """The writes that the receiver will hold once it has stored everything in flight. The sender continues after these
    writes.

    Invariant: the receiver will hold at least the commits up to `csn`, and the writes that `vector` covers. `vector`
    covers the writes of these commits too. bayou/vectors.py says what a missing entry means. `retired` has the minted
    ids of servers whose retirement the receiver knows.
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
        """Add a selection that the receiver itself has sent. So the receiver holds these writes.

        Only writes that follow this reach without a gap are added, because a gap may hide the creation of a server.
        After such a gap, the entry of the creator would say that the created server has retired. Then the writes of the
        created server would not be sent.
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
        """Add the commits and writes that the receiver holds according to `holds`. The CSN and the vector of `holds`
        are of the same moment, as in a hello."""
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
        """Raise the entry of the server that made a write. If the write creates a server, also add an entry for the new
        server. Otherwise the entry of the creator would say that the new server has retired."""
        self.vector[origin] = stamp
        write = membership_write(body)
        if write is not None and write.op == "create":
            self.vector.setdefault(f"{stamp_text(stamp)}:{origin}", stamp)
