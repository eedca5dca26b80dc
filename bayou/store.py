"""The interface that the protocol needs of a replica's storage; storage/store.py implements it with Redis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from bayou.payloads import Installed, ListPart, Received, Selection, StateEnd, StatePages, StatePart
from bayou.state import State, Vector


class AntiEntropyStore(Protocol):
    """The log and the state of one replica.

    A method does all of what it says, or raises an exception and changes nothing that a reader can see. If the
    connection to the storage breaks, either may be the case, and the call can be repeated. Any thread may call any
    method.
    """

    def state(self) -> State:
        """Return the identity, the vectors and the counters of one moment."""

    def adopt(self, birth: str) -> str:
        """Note that this replica has met a peer of the cluster that began with `birth`.

        Returns `adopted` if this replica knew no birth, `known` if it knew this one, and `other_birth`, with nothing
        changed, if it belongs to another cluster.
        """

    def select(
        self, csn: int, vector: Vector, retired: Sequence[str], count_max: int, bytes_max: int
    ) -> Selection | None:
        """Return what a receiver lacks that holds the commits up to `csn` and the writes that `vector` covers;
        `retired` are the minted ids that the receiver knows to have retired.

        Commits come first, in CSN order; then tentative writes by stamp. So of each server, the oldest missing write
        goes first (invariant 5). A commit whose write the vector covers is a notification, without a body. The
        selection ends after `count_max` writes, or with the write that makes it reach `bytes_max`. It is empty only if
        nothing is missing. The result is None if the log no longer holds a missing commit: the receiver needs the full
        state.
        """

    def receive(self, selection: Selection, source: str) -> Received:
        """Store a selection from the peer with the label `source`, in order, up to the first write that does not fit.

        The writes before that one are stored, and `status` says why the rest is not. Writes that are known already are
        counted as taken. If the status is `taken`, this replica holds all that the selection brought.
        """

    def state_part(self, after: tuple[int, str], count_max: int, bytes_max: int) -> StatePart:
        """Return committed pages after the cursor `after` (CSN, page), in the order of the commit that changed each
        last; the bounds are those of `select`.

        Begin at (0, ""), and go on from each part's cursor until a part has an `end`. Pages that change meanwhile come
        again, so the parts together are the state of the moment of `end`, if all have one generation.
        """

    def list_parts(self) -> Iterator[ListPart]:
        """Yield the entries of all lists, in parts. Entries that are added meanwhile may be missing."""

    def stage(self, staging: str, pages: StatePages, lists: tuple[ListPart, ...]) -> str | None:
        """Store a part of a full state where nobody reads it yet. `staging` is empty for the first part; for each later
        part it is the value that the call before returned. Returns None, with no page stored, if another staging has
        begun since."""

    def install(self, staging: str, source: str, end: StateEnd, common_csn: int | None) -> Installed:
        """Replace the state with the staged one, and replay the writes that it does not cover.

        If the histories differ, `common_csn` is the last CSN of both: later commits of this replica are revoked. With
        the status `superseded` (another staging has begun) or `stale` (the staged state is not newer), nothing has
        changed.
        """
