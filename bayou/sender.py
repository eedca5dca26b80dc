"""What a sender works with: how far the receiver will be, and the frames of a full state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from bayou.application import MEMBERSHIP
from bayou.frames import StateChunk, StateFinish
from bayou.payloads import ListPart, Selection, StateEnd, StatePages, StatePart
from bayou.stamps import split_id, stamp_text
from bayou.vectors import complete
from bayou.write import Write, prev_of

_IS_MEMBERSHIP = f'"app":"{MEMBERSHIP}"'.encode()  # in a write's canonical bytes; a text that says so has \\" in it


class StateSource(Protocol):
    """What the frames of a full state are read from; see storage/full_state.py."""

    def state_part(self, after: tuple[int, str], count_max: int, bytes_max: int) -> StatePart: ...

    def list_parts(self) -> Iterator[ListPart]: ...


@dataclass(slots=True)
class Reach:
    """What the receiver will hold once all that is on its way has arrived; sending goes on from there.

    Invariant: the receiver holds at least this, each entry completed (bayou/vectors.py), and the commits up to `csn`;
    `vector` covers those.
    """

    csn: int
    vector: dict[str, int]
    retired: tuple[str, ...]

    def foresee(self, selection: Selection) -> None:
        """The selection, which was chosen from here, is on its way."""
        for item in selection.items:
            stamp, origin = split_id(item.id)
            if stamp > self._held(origin):
                self._gain(stamp, origin, item.body)
            if item.csn is not None:
                self.csn = item.csn

    def heed(self, selection: Selection) -> None:
        """The receiver has itself sent the selection, so it holds that, whatever becomes of it here.

        Only what goes on from here without a gap is counted. What lies in a gap came to it from another replica, and
        may be a creation: with its creator's entry beyond that, the created server would count as retired.
        """
        for item in selection.items:
            stamp, origin = split_id(item.id)
            held = self._held(origin)
            if stamp > held:
                if not item.body or prev_of(item.body) > held:
                    continue
                self._gain(stamp, origin, item.body)
            if item.csn == self.csn + 1:
                self.csn += 1

    def heed_state(self, end: StateEnd) -> None:
        """The receiver has itself sent the full state that ends so."""
        self.vector |= {server: stamp for server, stamp in end.vector.items() if stamp > self._held(server)}
        self.csn = max(self.csn, end.csn)

    def _held(self, server: str) -> float:
        return complete(self.vector, self.retired, server)

    def _gain(self, stamp: int, origin: str, body: bytes) -> None:
        """With a creation goes the entry of the created server: without it, its creator's entry would say that it has
        retired, and its writes would not be sent."""
        self.vector[origin] = stamp
        if _IS_MEMBERSHIP in body and Write.decode(body).op == "create":
            self.vector.setdefault(f"{stamp_text(stamp)}:{origin}", stamp)


def state_frames(source: StateSource, plan: int, count_max: int, bytes_max: int) -> Iterator[StateChunk | StateFinish]:
    """The full state, a frame at a time. The lists come last: they then hold all that the pages need.

    It begins anew where the sender itself installs another state meanwhile.
    """
    cursor, generation, number, first, end = (0, ""), "", 0, True, None
    while end is None:
        part = source.state_part(cursor, count_max, bytes_max)
        if generation not in {"", part.generation}:
            cursor, generation, first = (0, ""), "", True
            continue
        generation = part.generation
        yield StateChunk(plan, number, first, part.pages, ())
        number, first, cursor, end = number + 1, False, part.cursor, part.end
    for lists in source.list_parts():
        yield StateChunk(plan, number, False, StatePages(), (lists,))
        number += 1
    yield StateFinish(plan, number, end)
