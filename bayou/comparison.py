"""Compares the logs of two replicas before a full state is installed. The receiver installs the full state of the
sender.

The vectors of the two replicas are not enough for the comparison. If a copy of a data folder has used a server id
again, two different writes may have the same place. So the receiver asks the sender two things. Which commits of the
receiver does the sender also have? Which other writes of the receiver has the sender never held?
"""

from __future__ import annotations

from bayou.frame_validation import QUESTION_IDS_MAX
from bayou.frames import Answer, Question
from bayou.payloads import Compared
from bayou.store import AntiEntropyStore

CSNS_MAX = 32  # in one question; an answer leaves at most 1/CSNS_MAX of the CSNs to ask about


class Comparison:
    """The comparison as the receiver of a full state sees it: the questions to the sender, and what the answers have
    shown.

    The argument `common_csn` is the last CSN that the two logs can share, judging by their histories. The argument is
    None if the histories are the same.

    The attribute `common_csn` is the last CSN that the two logs can share, judging by the answers so far. After the
    last answer, the two logs are known to share that CSN.
    """

    def __init__(self, store: AntiEntropyStore, common_csn: int | None) -> None:
        self._store = store
        state = store.state()
        self.common_csn = state.csn if common_csn is None else min(common_csn, state.csn)
        self.lacking: list[str] = []  # ids of writes here that the sender has never held
        self.unknown: list[str] = []  # ids of writes that the sender may have committed and dropped from its log
        self.asked: list[str] = []  # all ids that the sender was asked about
        self._shared_csn = min(state.osn, self.common_csn)  # what is no longer in the log here counts as shared
        self._csns: tuple[int, ...] = ()  # of the last question; empty if the last question asked for ids
        self._ids: list[str] | None = None  # to ask for; None while the common CSN is not known

    def result(self, *, takes_birth: bool) -> Compared:
        """Return what the comparison has shown. Call this method after the last answer. For `takes_birth` see
        Compared."""
        return Compared(self.common_csn, tuple(self.lacking), tuple(self.asked), takes_birth)

    def next_question(self) -> Question | None:
        """Return the next question; None if no question is left."""
        if self._ids is None:
            if self.common_csn > self._shared_csn:
                self._csns = _spread(self._shared_csn, self.common_csn)
                return Question(csns=self._csns)
            self._ids = self._store.uncommon_ids(self.common_csn)
        part, self._ids = self._ids[:QUESTION_IDS_MAX], self._ids[QUESTION_IDS_MAX:]
        self.asked += part
        # At the sender, these writes can only be commits after the common CSN. If the sender knows the id of the first
        # commit after the common CSN, the sender knows the ids of all later commits. Then a write that the sender does
        # not know was never committed there.
        return Question((self.common_csn + 1,), tuple(part)) if part else None

    def take(self, answer: Answer) -> bool:
        """Take the answer to the last question. Return False if the length of the answer does not fit the question."""
        if not self._csns:
            self.lacking += answer.lacking
            knows_all = any(answer.commits)
            (self.lacking if knows_all else self.unknown).extend(answer.unknown)
            return len(answer.commits) == 1
        asked, self._csns = self._csns, ()
        if len(answer.commits) != len(asked):
            return False
        ours = self._store.answer(Question(asked))
        for number, csn in enumerate(asked):
            if answer.commits[number] and is_other(ours, answer, number):
                self.common_csn = csn - 1
                break
            if answer.commits[number]:
                self._shared_csn = csn
        if not any(answer.commits):  # too old for the log there
            self.common_csn = self._shared_csn
        return True


def is_other(ours: Answer, theirs: Answer, number: int) -> bool:
    """Return whether two logs differ at a commit or before that commit. `ours` and `theirs` describe commits with the
    same CSNs, and `number` is the index of the commit in both. Return False if `ours` or `theirs` does not name the
    commit."""
    commits = ours.commits[number], theirs.commits[number]
    digests = [(answer.digests or ("",) * len(answer.commits))[number] for answer in (ours, theirs)]
    return all(commits) and (commits[0] != commits[1] or (all(digests) and digests[0] != digests[1]))


def _spread(after: int, last: int) -> tuple[int, ...]:
    """Return up to CSNS_MAX CSNs that are evenly spread between `after` (not included) and `last` (included)."""
    count = min(CSNS_MAX, last - after)
    return tuple(after + (last - after) * number // count for number in range(1, count + 1))
