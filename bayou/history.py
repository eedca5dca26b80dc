"""The history of a committed log: a list of epochs. Two replicas compare their histories at the start of a session.

The first epoch begins with the birth of the cluster. Each forced promotion begins another epoch, but a hand-over does
not. If two committed logs have the same history, one log is a prefix of the other (invariant 2).

If two histories differ, the history with the greater last epoch prevails. Epochs are compared as (number, promoter). In
the log whose history does not prevail, the commits after the common prefix are revoked.

A replica may find out that it runs on a copy of another replica's data. Then this replica gives up its history: the new
history is empty. An empty history yields to any other history.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Epoch(NamedTuple):
    """One epoch of a history. The server `promoter` began the epoch with the commit `first_csn`. `heals` is true if the
    primary began the epoch because a copy of the primary's data had run. Then two logs of the previous epoch may differ
    even before `first_csn`."""

    number: int
    promoter: str
    first_csn: int
    heals: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """What `judge` must know of one replica. `met` is true if the replica has met another replica with the same
    birth."""

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
    without epochs gets the least pair, so this history yields to any other."""
    return epochs[-1][:2] if epochs else (-1, "")


def _end(epochs: list[Epoch], shared: int, csn: int) -> int:
    """Return the last CSN of the first `shared` epochs of a log. `csn` is the last CSN of the whole log."""
    return min(epochs[shared].first_csn - 1, csn) if shared < len(epochs) else csn


def _judge_births(mine: Holding, theirs: Holding) -> Verdict:
    """Decide between two replicas with different births. If `met` is true for only one of them, that replica prevails.
    If `met` is false for both, the replica with the greater server id yields. If `met` is true for both, there can be
    no session."""
    if mine.met and theirs.met:
        return Verdict.REFUSE
    if mine.met != theirs.met:
        return Verdict.PREVAIL if mine.met else Verdict.YIELD
    return Verdict.PREVAIL if mine.server < theirs.server else Verdict.YIELD
