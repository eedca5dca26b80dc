"""The history of a committed log, as a list of epochs; and how two replicas compare their histories.

The first epoch begins with the birth of the cluster, each later one with a forced promotion; hand-overs stay within an
epoch. Of two committed logs with one history, one is a prefix of the other (invariant 2). If the histories differ, the
one whose last epoch is greater, as a pair (number, promoter), prevails. Commits of the other one after the common
prefix are revoked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Epoch(NamedTuple):
    """One epoch of a history. `first_csn` is the CSN with which `promoter` opened it."""

    number: int
    promoter: str
    first_csn: int


@dataclass(frozen=True, slots=True)
class Holding:
    """What one replica holds of a history. `met` says whether it has met another replica of its birth."""

    server: str
    birth: str
    met: bool
    history: str
    csn: int


class Verdict(Enum):
    """What a replica does about the history of its peer."""

    AGREE = "agree"  # one committed log is a prefix of the other, or will be after ordinary commits
    YIELD = "yield"  # the peer's full state revokes the commits here after the common prefix
    PREVAIL = "prevail"  # our full state revokes the commits of the peer after the common prefix
    REFUSE = "refuse"  # two births, and each replica has met others of its own


def decode(text: str) -> list[Epoch]:
    """Return the epochs of the stored form, JSON [[number, promoter, first CSN], ...], oldest first."""
    return [Epoch(*entry) for entry in json.loads(text)]


def judge(mine: Holding, theirs: Holding) -> tuple[Verdict, int]:
    """Decide what a replica does about the history of its peer. Also returns the last CSN that the two logs share."""
    if not mine.birth or not theirs.birth:
        return Verdict.AGREE, min(mine.csn, theirs.csn)
    if mine.birth != theirs.birth:
        return _judge_births(mine, theirs), 0
    ours, other = decode(mine.history), decode(theirs.history)
    shared = 0
    while shared < min(len(ours), len(other)) and ours[shared] == other[shared]:
        shared += 1
    common = min(_end(ours, shared, mine.csn), _end(other, shared, theirs.csn))
    if ours[-1][:2] == other[-1][:2]:
        return Verdict.AGREE, common
    if ours[-1][:2] < other[-1][:2]:
        return (Verdict.YIELD if mine.csn > common else Verdict.AGREE), common
    return (Verdict.PREVAIL if theirs.csn > common else Verdict.AGREE), common


def _end(epochs: list[Epoch], shared: int, csn: int) -> int:
    """Return the last CSN of the shared epochs in a log that ends at `csn`."""
    return min(epochs[shared].first_csn - 1, csn) if shared < len(epochs) else csn


def _judge_births(mine: Holding, theirs: Holding) -> Verdict:
    """Decide between two births. A replica that has met nobody yields; if neither has met anybody, the one with the
    greater id yields; if both have, there can be no session."""
    if mine.met and theirs.met:
        return Verdict.REFUSE
    if mine.met != theirs.met:
        return Verdict.PREVAIL if mine.met else Verdict.YIELD
    return Verdict.PREVAIL if mine.server < theirs.server else Verdict.YIELD
