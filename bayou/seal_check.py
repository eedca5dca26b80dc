"""The receiver's side of seals: refuses commits that the primary has not signed. bayou/seals.py explains seals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bayou.errors import PeerRefusalCode
from bayou.frames import Refuse, StateFinish
from bayou.full_state import Staging
from bayou.handshake import LOGS_DIFFER, WRITES_DIFFER
from bayou.history import decode
from bayou.names import label_in
from bayou.payloads import Item, Seal, Selection, StoredSeal, Succession
from bayou.seals import (
    HASH_BYTES,
    Reign,
    Signing,
    epochs_at,
    folded,
    folded_hashes,
    hash_of,
    text_of_commits,
    text_of_state,
)
from bayou.state import State
from bayou.store import AntiEntropyStore
from bayou.trust import refuse_unsigned, refuse_unsigned_state


class Unheld(Exception):
    """The commits of a batch cannot be checked. `item` is a notification of a write that this replica does not hold.
    `item` is None if the batch does not follow the log of this replica."""

    def __init__(self, item: Item | None = None) -> None:
        super().__init__()
        self.item = item


@dataclass(slots=True)
class _Found:
    """The seals of a batch, and the commits of the batch that name another primary."""

    seals: list[StoredSeal] = field(default_factory=list)
    successions: list[Succession] = field(default_factory=list)


class _Unsigned(Exception):
    """A commit is not signed as it should be. The first argument is the label of the replica that should have signed
    the commit."""


class SealCheck:
    """Checks the commits and full states that a replica receives."""

    def __init__(self, store: AntiEntropyStore, signing: Signing) -> None:
        self._store = store
        self._signing = signing

    def commits(self, selection: Selection, source: str) -> Refuse | None:
        """Check the commits of a batch, and store their seals. `source` is the label of the sender.

        Return a Refuse in three cases:

        - The sender's log does not continue the log of this replica.
        - This replica holds a different write with the same id.
        - A commit is new to this replica, and the primary has not signed this commit.

        Raise Unheld if the commits cannot be checked.
        """
        state = self._store.state()
        items = [item for item in selection.items if item.csn is not None]
        if not items or selection.after_csn + len(items) <= state.csn:
            return None
        if selection.after_csn > state.csn:
            raise Unheld
        if not _continues(state, selection.history):  # a promotion was forced during the session
            return Refuse(PeerRefusalCode.DIVERGED, LOGS_DIFFER)
        held = self._store.bodies([item.id for item in items])
        if any(item.body and held.get(item.id, item.body) != item.body for item in items):
            return Refuse(PeerRefusalCode.FORK, WRITES_DIFFER)
        bodies = [held.get(item.id, item.body) for item in items]
        if not all(bodies):
            raise Unheld(items[bodies.index(b"")])
        found = _Found()
        try:
            self._check(selection, bodies, state, found)
        except _Unsigned as unsigned:
            return refuse_unsigned(state.label, source, unsigned.args[0], selection.after_csn + len(items))
        self._store.note_seals(found.seals, found.successions)
        return None

    def state(self, finish: StateFinish, staging: Staging, source: str) -> Refuse | None:
        """Check a full state. `staging` has the parts of the state, and `finish` has the proof. Return a Refuse if the
        state is not signed by the primary that the state names. Also return a Refuse if nothing proves that the named
        server is the primary.

        If the last commit is a hand-over, the previous primary may sign the state too. A state without any commit or
        page needs no proof; the list entries of such a state are ignored.
        """
        if finish.end.csn == 0 and staging.is_empty:
            staging.forget_lists()
            return None
        state, end, proof = self._store.state(), finish.end, finish.proof
        ours, theirs = tuple(decode(state.history)), tuple(decode(end.history))
        if ours == theirs:
            reign, after_csn = self._reign(state), state.csn
        elif theirs[-1].number == 0:
            reign, after_csn = Reign(end.birth, label_in(end.birth) or "", theirs), 0
        else:  # the first commit of the last epoch says who made it
            reign, after_csn = Reign("", "", theirs[:-1]), theirs[-1].first_csn - 1
        before = reign
        for one in proof.successions if proof else ():
            if not after_csn < one.csn <= end.csn:
                continue
            maker, following = reign.of_commit(one.csn, one.body)
            if one.seal and self._is_signed(one.seal, one.csn, folded(one.seal.before, [one.body]), maker, state):
                reign, before = following, maker if one.csn == end.csn else following
        text = text_of_state(state.cluster, staging.digest, end)
        is_known = (reign.server, reign.epochs) == (end.primary, theirs) and reign.label
        signer = self._signing.signer_of(proof.certificate, proof.signature, text) if proof else None
        if is_known and signer in {reign.label, before.label}:
            return None
        return refuse_unsigned_state(state.label, source, reign.label or label_in(end.primary) or end.primary)

    def _check(self, selection: Selection, bodies: Sequence[bytes], state: State, found: _Found) -> None:
        """Check the commits of a selection, except the commits up to the CSN of `state`. Add their seals to `found`.
        Also add the commits that name another primary. Raise _Unsigned at the first commit that is not signed."""
        reign, csn, left = self._reign(state), selection.after_csn, list(bodies)
        for seal in selection.seals:
            part, left = left[: max(seal.csn - csn, 0)], left[max(seal.csn - csn, 0) :]
            maker, digest, changes = None, seal.before, []
            for at, body in enumerate(part):
                before, digest = digest, folded(digest, [body])
                if csn + at + 1 <= state.csn:
                    continue
                author, following = reign.of_commit(csn + at + 1, body)
                if maker not in {None, author}:
                    raise _Unsigned(author.label)  # one signature for the commits of two primaries
                maker = author
                if following != reign:
                    after = b"".join(map(hash_of, part[at + 1 :])) + seal.after
                    own = Seal(seal.csn, before, after, seal.certificate, seal.signature)
                    changes.append(Succession(csn + at + 1, body, own))
                reign = following
            start, csn = csn, csn + len(part)
            if maker is None:
                continue
            if not part or not self._is_signed(seal, csn, digest, maker, state):
                raise _Unsigned(maker.label)
            digest = folded_hashes(digest, seal.after)
            epoch = maker.epochs[-1].promoter
            found.seals.append(
                StoredSeal(start, seal.csn, seal.before, digest, epoch, seal.certificate, seal.signature)
            )
            found.successions += changes
        if left and csn + len(left) > state.csn:
            raise _Unsigned(reign.of_commit(csn + 1, left[0])[0].label)
        if reign.epochs != epochs_at(selection.history, csn):  # the history names epochs that the commits do not prove
            raise _Unsigned(reign.label)

    def _is_signed(self, seal: Seal, csn: int, digest: bytes, maker: Reign, state: State) -> bool:
        """Return whether the primary of the reign `maker` has signed the seal. `csn` is the CSN of the last commit that
        came with the seal, and `digest` is the running hash up to that commit. The seal has the hashes of the later
        commits."""
        if not maker.label or len(seal.after) != (seal.csn - csn) * HASH_BYTES:
            return False
        text = text_of_commits(state.cluster, maker.epochs, seal.csn, folded_hashes(digest, seal.after))
        return self._signing.signer_of(seal.certificate, seal.signature, text) == maker.label

    def _reign(self, state: State) -> Reign:
        """Return the reign of the commit that follows the commits of `state`."""
        label = label_in(state.primary) or self._store.primary_label() or ""
        return Reign(state.primary, label, tuple(decode(state.history)))


def _continues(state: State, history: str) -> bool:
    """Return whether a log with this history can continue the commits of `state`. storage/lua/commands/receive.lua has
    the same rule."""
    ours, theirs = decode(state.history), decode(history)
    later = theirs[len(ours) :]
    return theirs[: len(ours)] == ours and (not later or later[0].first_csn > state.csn)
