"""The sender's side of seals: chooses a store's writes, and adds the seals that prove the commits.

A primary signs the commits that it sends, once for each batch. Every other replica passes on the seals that it has
stored. Such a replica may have no seal for the next commit, for example because the commit was made before TLS was
switched on. Then the replica sends the commit as a tentative write, and the receiver gets the commit from the primary.
The primary signs a full state. If the last commit of the state is a hand-over, the previous primary can sign it too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from bayou.frames import StateChunk, StateFinish
from bayou.full_state import state_frames
from bayou.history import decode
from bayou.names import label_in
from bayou.payloads import Item, Seal, Selection, StateEnd, StateProof, Succession
from bayou.reach import Reach
from bayou.seals import (
    BEGINNING,
    Signing,
    epochs_at,
    folded,
    folded_part,
    hash_of,
    primary_write,
    text_of_commits,
    text_of_state,
)
from bayou.store import AntiEntropyStore

BLOCK = 64  # a running hash begins at a CSN that is a multiple of BLOCK, so that a store can merge the later seals

Choose = Callable[[Selection], Selection]
Reigns = Sequence[tuple[float, str]]  # (the last CSN of a reign, the label of the primary that made its commits)


class Sealing:
    """Chooses the writes that a receiver lacks. If `signing` is None, there is no TLS, and the store alone chooses."""

    def __init__(self, store: AntiEntropyStore, signing: Signing | None) -> None:
        self._store = store
        self._signing = signing
        self.passed_csn: int | None = None  # commits up to this CSN were sent as tentative writes
        self.is_incomplete = False  # the receiver lacks writes that it gets from the primary only

    def begin_again(self) -> None:
        """Try again to send commits with seals. Call this method after the receiver has said which commits it holds."""
        self.passed_csn, self.is_incomplete = None, False

    def can_give_state(self) -> bool:
        """Return whether this replica can give a full state that a receiver accepts.

        Without TLS, every replica can give such a state. With TLS, the primary can sign a full state. If the last
        commit is a hand-over, the previous primary can sign too. No other replica can sign.

        Every replica can give a state without commits, because such a state needs no signature. The receiver can still
        learn the birth of a cluster from such a state.
        """
        if self._signing is None:
            return True
        state = self._store.state()
        if state.is_primary or state.csn == 0:
            return True
        return _reign_at(self._reigns(state.history, state.primary), state.csn)[2] == self._signing.label

    def select(self, reach: Reach, count_max: int, bytes_max: int, choose: Choose | None = None) -> Selection | None:
        """Return the next writes for a receiver. With TLS, the selection has seals. `choose` may leave out writes that
        the store has selected.

        Return None if this replica must send the full state. If the receiver needs the full state and this replica
        cannot give a full state, set `is_incomplete` and return an empty selection. If this replica has no proof of the
        next commits and cannot give a full state, return these commits as tentative writes.
        """
        bounds = count_max, bytes_max
        if self.passed_csn is None:
            selection = self._store.select(reach.csn, reach.vector, reach.retired, *bounds)
            if selection is not None and choose is not None:
                selection = choose(selection)
            if self._signing is None or (selection is not None and not _commits(selection.items)):
                return selection
            if selection is None:
                return None if self.can_give_state() else self._nothing(reach)
            if proven := self._proven(selection, self._signing):
                return proven
            if self.can_give_state():
                return None
            self.passed_csn = reach.csn
        while True:
            selection = self._store.select(self.passed_csn, reach.vector, reach.retired, *bounds)
            if selection is None or self.is_incomplete:
                return self._nothing(reach)
            commits = _commits(selection.items)
            self.passed_csn += len(commits)
            items = self._as_tentative(selection.items)
            if items or not commits:
                return replace(selection, items=items)

    def state_frames(self, plan: int, count_max: int, bytes_max: int) -> Iterator[StateChunk | StateFinish]:
        """Yield the frames of the full state (bayou/full_state.py). With TLS, the last frame has a proof."""
        digest = BEGINNING
        for frame in state_frames(self._store, plan, count_max, bytes_max):
            if self._signing is None:
                yield frame
            elif isinstance(frame, StateChunk):
                digest = folded_part(digest, frame)
                yield frame
            else:
                yield replace(frame, proof=self._proof(digest, frame.end, self._signing))

    def _nothing(self, reach: Reach) -> Selection:
        self.is_incomplete = True
        return Selection(reach.csn, "", ())

    def _as_tentative(self, items: Iterable[Item]) -> tuple[Item, ...]:
        """Return the items without their CSNs. Leave out notifications.

        Stop before the first commit that names a primary. The receiver gets this commit from the primary only. As a
        tentative write, a commit that opens an unknown epoch would be refused (`early_promotion`).
        """
        found = []
        for item in items:
            if item.csn is not None and item.body and primary_write(item.body):
                self.is_incomplete = True
                break
            if item.body:
                found.append(replace(item, csn=None))
        return tuple(found)

    def _proven(self, selection: Selection, signing: Signing) -> Selection | None:
        """Return the selection with seals, up to the last commit that a seal covers. Return None if no seal covers the
        first commit."""
        state = self._store.state()
        reigns = self._reigns(selection.history, state.primary)
        position, last_csn = selection.after_csn, selection.after_csn + len(_commits(selection.items))
        seals: list[Seal] = []
        while position < last_csn:
            begin, end, label = _reign_at(reigns, position + 1)
            if label == signing.label:
                upto = int(min(end, last_csn))
                found = self._signed(selection, (int(begin), position, upto), state.cluster, signing)
            else:
                found = self._stored(selection.history, position, last_csn, is_first=not seals)
            if found is None:
                break
            seals.append(found)
            position = min(found.csn, last_csn)
        if not seals:
            return None
        if position < last_csn:
            selection = selection.first(position - selection.after_csn)
        return replace(selection, seals=tuple(seals))

    def _signed(self, selection: Selection, span: tuple[int, int, int], cluster: str, signing: Signing) -> Seal | None:
        """Return a new seal over commits of this replica; None if the log has just dropped some of these commits.
        `span` has three CSNs:

        begin     the last CSN before this replica's reign
        position  the last CSN before the commits that are sent with the seal
        upto      the CSN of the seal
        """
        begin, position, upto = span
        start = max(begin, position - position % BLOCK)
        earlier = self._store.commits(start, position)
        before = BEGINNING if earlier is None else folded(BEGINNING, earlier)
        first = position - selection.after_csn
        bodies = [item.body for item in selection.items[first : first + upto - position]]
        if not all(bodies):  # some are notifications
            found = self._store.commits(position, upto)
            if found is None:
                return None
            bodies = found
        digest = folded(before, bodies)
        text = text_of_commits(cluster, epochs_at(selection.history, upto), upto, digest)
        return Seal(upto, before, b"", signing.certificate, signing.sign(text))

    def _stored(self, history: str, position: int, last_csn: int, *, is_first: bool) -> Seal | None:
        """Return a stored seal that covers the commit after the CSN `position`; None if no stored seal can be used.
        `last_csn` is the last CSN of the batch.

        A seal may also cover commits after `last_csn`. Such a seal is used only as the first seal of a batch
        (`is_first`). Otherwise the next batch uses the seal.
        """
        for seal in self._store.seals(position + 1):
            epochs = epochs_at(history, seal.csn)
            if seal.start > position or not epochs or epochs[-1].promoter != seal.epoch:
                continue
            earlier = self._store.commits(seal.start, position)
            later = self._store.commits(last_csn, seal.csn) if seal.csn > last_csn else []
            if earlier is None or later is None:
                continue
            if later and not is_first:
                return None
            after = b"".join(map(hash_of, later))
            return Seal(seal.csn, folded(seal.before, earlier), after, seal.certificate, seal.signature)
        return None

    def _reigns(self, history: str, primary: str) -> Reigns:
        """Return the reigns of a log, in CSN order. In a forced promotion, the commit that opens the epoch has a reign
        of its own. So this commit gets its own seal. The later commits are the next reign."""
        epochs = decode(history)
        label = label_in(epochs[0].promoter) or "" if epochs else ""
        found: list[tuple[float, str]] = []
        named = epochs[0].promoter if epochs else ""
        for succession in self._store.successions():
            write = primary_write(succession.body)
            assert write is not None, "the store keeps only primary writes here"
            if succession.deposed not in {"", named}:
                label = ""  # somebody else had become the primary before this was recorded
            named = write.args["to"]
            if "from" not in write.args:
                found.append((succession.csn - 1, label))
                label = label_in(named) or ""
            found.append((succession.csn, label))
            label = label_in(named) or write.args["label"]
        if named != primary:
            label = self._store.primary_label() or ""  # it became the primary before this was recorded
        return [*found, (math.inf, label)]

    def _proof(self, digest: bytes, end: StateEnd, signing: Signing) -> StateProof:
        state = self._store.state()
        reigns = self._reigns(end.history, end.primary)
        successions = []
        for one in self._store.successions():
            if one.csn > end.csn:
                continue
            seal = one.seal
            if _reign_at(reigns, one.csn)[2] == signing.label:
                epochs = epochs_at(end.history, one.csn)
                text = text_of_commits(state.cluster, epochs, one.csn, folded(BEGINNING, [one.body]))
                seal = Seal(one.csn, BEGINNING, b"", signing.certificate, signing.sign(text))
            successions.append(Succession(one.csn, one.body, seal))
        signature = signing.sign(text_of_state(state.cluster, digest, end))
        return StateProof(signing.certificate, signature, tuple(successions))


def _reign_at(reigns: Reigns, csn: int) -> tuple[float, float, str]:
    """Return three facts about the reign of the commit `csn`: the last CSN before the reign, the last CSN of the reign,
    and the label of the primary."""
    begin: float = 0
    for end, label in reigns:
        if csn <= end:
            return begin, end, label
        begin = end
    raise AssertionError("the last reign has no end")


def _commits(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if item.csn is not None]
