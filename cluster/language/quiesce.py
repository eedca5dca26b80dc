"""Quiescence: runs sessions over working links until linked servers hold the same writes.

It compares vectors and CSNs, and uses no time limit. It runs a session only between servers that differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cluster.drivers.driver import Driver, Holding, Pair

Failure = Callable[[Pair, str], object]


def quiesce(driver: Driver, links: Sequence[Pair], failed: Failure) -> None:
    """Run sessions over these links until no server can learn anything more. Call `failed` for each session that fails.

    The function always ends: two servers meet only if they differ, and meet again only after one of the two has
    changed.
    """
    holdings = {label: driver.holding(label) for label in dict.fromkeys(label for pair in links for label in pair)}
    fruitless: dict[Pair, tuple[Holding, Holding]] = {}
    while pairs := disjoint([pair for pair in links if _differ(pair, holdings, fruitless)]):
        before = {pair: (holdings[pair[0]], holdings[pair[1]]) for pair in pairs}
        for pair, problem in driver.exchange(pairs).items():
            failed(pair, problem)
        for pair in pairs:
            for label in pair:
                holdings[label] = driver.holding(label)
            if before[pair] == (holdings[pair[0]], holdings[pair[1]]):
                fruitless[pair] = before[pair]


def disjoint(pairs: Sequence[Pair]) -> list[Pair]:
    """Choose pairs from the list so that no server is in two of them. Earlier pairs are preferred."""
    taken: set[str] = set()
    chosen = []
    for pair in pairs:
        if taken.isdisjoint(pair):
            chosen.append(pair)
            taken.update(pair)
    return chosen


def _differ(pair: Pair, holdings: dict[str, Holding], fruitless: dict[Pair, tuple[Holding, Holding]]) -> bool:
    one, other = holdings[pair[0]], holdings[pair[1]]
    are_same = (one.vector, one.csn, one.history) == (other.vector, other.csn, other.history)
    return not are_same and fruitless.get(pair) != (one, other)
