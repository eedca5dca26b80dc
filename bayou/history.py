"""The history of a committed log: a list of epochs. Two replicas compare their histories at the start of a session.

The first epoch begins with the birth of the cluster. Each forced promotion begins another epoch, but a hand-over does
not. If two committed logs have the same history, one log is a prefix of the other (invariant 2). If the histories
differ, the history with the greater last epoch prevails. Epochs are compared as (number, promoter). The commits of the
other replica after the common prefix are revoked.

If a replica finds out that it is a copy of another replica, it gets an empty history. An empty history yields to any
other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Epoch(NamedTuple):
    """One epoch of a history. The server `promoter` began the epoch with the commit `first_csn`. `heals` is true if the
    epoch was begun because a copy of the primary had run. Then another replica's log of the previous epoch may differ
    from the promoter's log even before `first_csn`."""

    number: int
    promoter: str
    first_csn: int
    heals: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """The facts about one replica that decide the comparison. `met` is true if the replica has met another replica with
    the same birth."""

    server: str
    birth: str
    met: bool
    history: str
    csn: int


class Verdict(Enum):
    """What a replica does about a peer's history."""

    AGREE = "agree"  # one committed log is a prefix of the other, or will be after ordinary commits
    YIELD = "yield"  # the peer's full state revokes the commits here after the common prefix
    PREVAIL = "prevail"  # our full state revokes the commits of the peer after the common prefix
    REFUSE = "refuse"  # two births, and each replica has met others of its own


def decode(text: str) -> list[Epoch]:
    """Return the epochs of a stored history, oldest first. The text is JSON: [[number, promoter, first CSN], ...]. An
    epoch that heals has a fourth entry, true."""
    return [Epoch(*entry) for entry in json.loads(text)]


def judge(mine: Holding, theirs: Holding) -> tuple[Verdict, int]:
    """Return the verdict on a peer's history, and the last CSN that the two logs share."""
    if not mine.birth or not theirs.birth:
        return Verdict.AGREE, min(mine.csn, theirs.csn)
    if mine.birth != theirs.birth:
        return _judge_births(mine, theirs), 0
    ours, other = decode(mine.history), decode(theirs.history)
    shared = 0
    while shared < min(len(ours), len(other)) and ours[shared] == other[shared]:
        shared += 1
    common = min(_end(ours, shared, mine.csn), _end(other, shared, theirs.csn))
    if _last(ours) == _last(other):
        return Verdict.AGREE, common
    if _last(ours) < _last(other):
        return (Verdict.YIELD if mine.csn > common else Verdict.AGREE), common
    return (Verdict.PREVAIL if theirs.csn > common else Verdict.AGREE), common


def prevails(one: str, other: str) -> bool:
    """Return whether the first of two histories prevails over the second."""
    return _last(decode(one)) > _last(decode(other))


def heals(one: str, other: str) -> bool:
    """Return whether the history `one` has an epoch that heals and that is not in `other`."""
    return any(epoch.heals for epoch in set(decode(one)) - set(decode(other)))


def _last(epochs: list[Epoch]) -> tuple[int, str]:
    """Return the number and the promoter of the last epoch. The history with the greater pair prevails. A history
    without epochs gets a pair that is less than any other, so a copy that has given up its history yields."""
    return epochs[-1][:2] if epochs else (-1, "")


def _end(epochs: list[Epoch], shared: int, csn: int) -> int:
    """Return the last CSN that a log has in its first `shared` epochs. The whole log ends at `csn`."""
    return min(epochs[shared].first_csn - 1, csn) if shared < len(epochs) else csn


def _judge_births(mine: Holding, theirs: Holding) -> Verdict:
    """Decide between two different births. A replica that has met nobody yields to one that has met others. If both
    have met nobody, the replica with the greater id yields. If both have met others, there can be no session."""
    if mine.met and theirs.met:
        return Verdict.REFUSE
    if mine.met != theirs.met:
        return Verdict.PREVAIL if mine.met else Verdict.YIELD
    return Verdict.PREVAIL if mine.server < theirs.server else Verdict.YIELD
