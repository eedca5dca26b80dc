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

    A method either does everything that its docstring says, or raises an error and changes nothing that a reader can
    see. If the connection to the storage breaks, the caller cannot know whether the method has changed something. Then
    the caller may repeat the call. Any thread may call any method.
    """

    def state(self) -> State:
        """Return the identity, the vectors and the counters, all of the same moment."""

    def adopt(self, birth: str) -> str:
        """Record that this replica has met a peer of the cluster that began with `birth`.

        Return `adopted` if this replica knew no birth, and `known` if this replica knew the same birth. If this replica
        knows another birth, change nothing and return `other_birth`.
        """

    def note_log_applications(self, tags: Sequence[str]) -> None:
        """Record the tags of applications. This replica holds writes of these applications, or pages that such writes
        have changed."""

    def select(
        self, csn: int, vector: Vector, retired: Sequence[str], count_max: int, bytes_max: int
    ) -> Selection | None:
        """Return the next writes for a receiver. The receiver holds the commits up to `csn` and the writes that
        `vector` covers. `retired` has the minted ids (LABEL~NONCE) of servers whose retirement the receiver knows.

        The selection has commits in CSN order, and after them tentative writes by stamp. So the oldest missing write of
        each server comes first (invariant 5). If the receiver already has the write of a commit, the commit is a
        notification, without a body. The selection ends after `count_max` writes, or with the write that brings the
        selection to `bytes_max`. The selection is empty only if the receiver lacks nothing.

        Return None if the receiver lacks a commit that the log no longer holds. Then the receiver needs the full state.
        """

    def receive(self, selection: Selection, source: str) -> Received:
        """Store the writes of a selection, in order, up to the first write that does not fit. `source` is the label of
        the sender.

        The status of the result says why the remaining writes are not stored. Writes that this replica already held
        count as taken. If the status is `taken`, this replica holds the whole selection.
        """

    def state_part(self, after: tuple[int, str], count_max: int, bytes_max: int) -> StatePart:
        """Return committed pages after the cursor `after` (CSN, page). Pages are ordered by the CSN of the last commit
        that changed the page. `count_max` and `bytes_max` limit the pages of this part.

        The first cursor is (0, ""). Continue with the cursor of each part until a part has an `end`. A page that
        changes meanwhile comes again in a later part. If all parts have the same generation, the parts together are the
        state at the moment that `end` describes.
        """

    def list_parts(self) -> Iterator[tuple[ListPart, ...]]:
        """Yield the entries of all lists, in parts. A part may have entries of several lists. Entries that are added
        meanwhile may be missing."""

    def commits_part(
        self, generation: str, after_csn: int, end: StateEnd, count_max: int, bytes_max: int
    ) -> tuple[LoggedCommit, ...]:
        """Return the next commits that come with a full state, in CSN order. The first one is the commit after
        `after_csn`. `end` is the end of the state, and `generation` is the generation of the pages of the state.
        `count_max` and `bytes_max` limit the commits of this part.

        Return no commits if the log no longer holds the first commit of the part. Also return no commits if the
        generation of this replica has changed.
        """

    def state_size(self) -> StateSize:
        """Return how large the full state is. The cost does not depend on the number of pages."""

    def stage(
        self, staging: str, pages: StatePages, lists: tuple[ListPart, ...], commits: tuple[LoggedCommit, ...] = ()
    ) -> str | None:
        """Store a part of a full state, and return the name of the staging. Readers see the pages and the commits of
        the part only after `install`.

        `staging` is empty for the first part. For a later part, `staging` is the name that the first call returned.
        Return None if another staging has begun since. Then the pages and the commits are not stored. The list entries
        are stored in each case, because they do no harm: lists only grow.
        """

    def uncommon_ids(self, common_csn: int) -> list[str]:
        """Return the ids of all tentative writes, and the ids of the commits after `common_csn`."""

    def log_digest(self, csn: int) -> str:
        """Return a digest of all commits up to the CSN `csn`. If two logs have the same digest, they have the same
        commits up to this CSN. Return '' if the digest is not known, for example because the log does not hold the
        commit `csn`."""

    def answer(self, question: Question) -> Answer:
        """Answer a question of another replica about the log of this replica. The answer names the writes of the
        question that this replica does not know. A write is `unknown` if the log has dropped this write or a later
        write of the same server. Every other write is `lacking`: this replica has never held the write."""

    def install(
        self,
        staging: str,
        source: str,
        end: StateEnd,
        compared: Compared,
        successions: Sequence[Succession] = (),
        omitted: Vector | None = None,
    ) -> Installed:
        """Replace the state and the log with the staged state and log. Then replay the writes that the staged state
        does not cover. `successions` are the successions that the sender has sent. `omitted` is the vector of the
        commits before those that came with the state; None if no commits came.

        The commits of this replica after `compared.common_csn` are revoked. A write is set aside if it no longer has a
        place in the order. There are two cases. In the first case, the write follows a missing write. In the second
        case, the vector of the staged state covers the write, but the state does not have the write. `compared.lacking`
        or `end` shows the second case.

        In three cases nothing changes, and the status says why:

        superseded      another staging has begun, or this replica has got a write after its questions to the sender
        stale           the staged state is not newer
        foreign_commit  this replica is the primary, and did not make the commits of the state

        The replica takes a new id in two cases: a write of the present id is not kept, or the state has writes of the
        present id that this replica did not hold.
        """

    # Seals (bayou/seals.py). Without TLS, nobody calls these.

    def commits(self, after_csn: int, upto_csn: int) -> list[bytes] | None:
        """Return the canonical bytes of the commits after `after_csn` up to `upto_csn`, in CSN order. Return None if
        the log does not hold all of them."""

    def bodies(self, ids: Sequence[str]) -> Mapping[str, bytes]:
        """Return the canonical bytes of these writes, by id. Leave out writes that the log does not hold."""

    def seals(self, csn: int) -> list[StoredSeal]:
        """Return some of the stored seals whose CSN is `csn` or greater: the first few in CSN order."""

    def note_seals(self, seals: Iterable[StoredSeal], successions: Iterable[Succession]) -> None:
        """Store `seals`, which the caller has checked, and the seals that belong to `successions`."""

    def successions(self) -> list[Succession]:
        """Return all commits that are known to have named another primary, in CSN order, with their seals."""

    def primary_label(self) -> str | None:
        """Return the label of the primary; None if the label is not known. If the primary is a created server, the
        label comes from the committed membership page."""
