"""The interface to a replica's storage that the protocol needs. storage/store.py implements it with Redis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from bayou.frames import Answer, Question
from bayou.payloads import (
    Compared,
    Installed,
    ListPart,
    LoggedCommit,
    Received,
    Selection,
    StateEnd,
    StatePages,
    StatePart,
    StateSize,
    StoredSeal,
    Succession,
)
from bayou.state import State, Vector


class AntiEntropyStore(Protocol):
    """The log and the state of one replica.

    Each method either does everything that it says, or raises an exception and changes nothing that a reader can see.
    If the connection to the storage breaks, the caller cannot know which of the two happened; it may repeat the call.
    Any thread may call any method.
    """

    def state(self) -> State:
        """Return the identity, the vectors and the counters, all of the same moment."""

    def adopt(self, birth: str) -> str:
        """Note that this replica has met a peer of the cluster that began with `birth`.

        Return `adopted` if this replica knew no birth, `known` if it knew this one, and `other_birth` if it knows a
        different one. In the last case nothing has changed.
        """

    def note_log_applications(self, tags: Sequence[str]) -> None:
        """Record the tags of applications. This replica holds writes of these applications, or pages that such writes
        have changed."""

    def select(
        self, csn: int, vector: Vector, retired: Sequence[str], count_max: int, bytes_max: int
    ) -> Selection | None:
        """Return the next writes for a receiver. The receiver holds the commits up to `csn` and the writes that
        `vector` covers. `retired` has the minted ids of servers whose retirement the receiver knows.

        Commits come first, in CSN order, then tentative writes by stamp. So the oldest missing write of each server
        comes first (invariant 5). If the receiver has the write of a commit already, the commit is a notification,
        without a body. The selection ends after `count_max` writes, or with the write that makes the selection reach
        `bytes_max`. The selection is empty only if the receiver lacks nothing.

        Return None if the receiver lacks a commit that the log no longer holds. Then the receiver needs the full state.
        """

    def receive(self, selection: Selection, source: str) -> Received:
        """Store a selection from the peer with the label `source`, in order, up to the first write that does not fit.

        The writes before that one are stored, and `status` says why the rest is not stored. Writes that this replica
        already held count as taken. If the status is `taken`, this replica holds the whole selection.
        """

    def state_part(self, after: tuple[int, str], count_max: int, bytes_max: int) -> StatePart:
        """Return committed pages in the order of their last commit, beginning after the cursor `after` (CSN, page). The
        bounds are those of `select`.

        The first cursor is (0, ""). Continue with the cursor of each part until a part has an `end`. A page that
        changes meanwhile comes again. If all parts have the same generation, they are the state at the moment that
        `end` describes.
        """

    def list_parts(self) -> Iterator[tuple[ListPart, ...]]:
        """Yield the entries of all lists, in parts. A part may have entries of several lists. Entries that are added
        meanwhile may be missing."""

    def commits_part(
        self, generation: str, after_csn: int, end: StateEnd, count_max: int, bytes_max: int
    ) -> tuple[LoggedCommit, ...]:
        """Return the next commits that come with a full state, in CSN order, beginning after `after_csn`. `end` is the
        end of the state, and `generation` is the generation of its pages. The bounds are those of `select`.

        Return no commits if the log no longer holds the first of them, or if the generation here has changed.
        """

    def state_size(self) -> StateSize:
        """Return how large the full state is. The cost does not depend on the number of pages."""

    def stage(
        self, staging: str, pages: StatePages, lists: tuple[ListPart, ...], commits: tuple[LoggedCommit, ...] = ()
    ) -> str | None:
        """Store a part of a full state where no reader sees it yet, and return the name of the staging.

        `staging` is empty for the first part. For a later part, it is the name that the first call returned. Return
        None and store nothing if another staging has begun since.
        """

    def uncommon_ids(self, common_csn: int) -> list[str]:
        """Return the ids of the tentative writes, and of the commits after `common_csn`."""

    def log_digest(self, csn: int) -> str:
        """Return a text that depends on all commits up to this CSN. If two logs have the same text, they are the same
        up to this CSN. Return '' if the text is not known, for example because the log does not hold that commit."""

    def answer(self, question: Question) -> Answer:
        """Answer another replica's question about the log of this replica. Of the writes in the question, the answer
        names those that this replica does not know. Such a write is `unknown` if the log has dropped this write or a
        later one of the same server. Otherwise it is `lacking`."""

    def install(
        self,
        staging: str,
        source: str,
        end: StateEnd,
        compared: Compared,
        successions: Sequence[Succession] = (),
        omitted: Vector | None = None,
    ) -> Installed:
        """Replace the state and the log with the staged ones, and replay the writes that the staged state does not
        cover. `successions` are those that the sender has sent. `omitted` is the vector of the commits before those
        that came with the state; None if no commits came.

        The commits of this replica after `compared.common_csn` are revoked. A write is set aside if it no longer has a
        place in the order. This is so in two cases: the write follows a missing write, or the staged state's vector
        covers the write although the state does not have it. `compared.lacking` or `end` shows the second case.

        In three cases nothing changes, and the status says why:

        superseded      another staging has begun, or a write has come that the sender was not asked about
        stale           the staged state is not newer
        foreign_commit  this replica is the primary, and did not make the commits of the state

        The replica takes a new id if a write of its present id is not kept, or if the state has writes of its present
        id that were not here.
        """

    # Seals (bayou/seals.py). Without TLS, nobody calls these.

    def commits(self, after_csn: int, upto_csn: int) -> list[bytes] | None:
        """Return the canonical bytes of the commits after `after_csn` up to `upto_csn`, in CSN order. Return None if
        the log does not hold all of them."""

    def bodies(self, ids: Sequence[str]) -> Mapping[str, bytes]:
        """Return the canonical bytes of these writes by id, as far as the log holds them."""

    def seals(self, csn: int) -> list[StoredSeal]:
        """Return the first few stored seals whose last commit is the commit `csn` or a later one, in CSN order."""

    def note_seals(self, seals: Iterable[StoredSeal], successions: Iterable[Succession]) -> None:
        """Store `seals`, which the caller has checked, and the seals that belong to `successions`."""

    def successions(self) -> list[Succession]:
        """Return all commits that are known to have named another primary, in CSN order, with their seals."""

    def primary_label(self) -> str | None:
        """Return the label of the primary; None if it is not known. If the primary is a created server, its label comes
        from the committed membership page."""
