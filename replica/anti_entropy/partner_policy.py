"""Chooses which peers to call: the policy `anti_entropy.partners`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Choose = Callable[[Sequence[str]], str]


def choose_partners(
    policy: str | tuple[str, ...], peers: Sequence[str], primary: str | None, choose: Choose = random.choice
) -> list[str]:
    """Return the labels to call, out of the reachable `peers`, at each interval and after a write.

    The policy `all` chooses every peer, `random` one, and `primary_first` the primary, or a random peer if the primary
    is not reachable. A tuple lists labels.
    """
    if policy == "all" or not peers:
        return list(peers)
    if policy == "primary_first" and primary in peers:
        return [primary] if primary else []
    if isinstance(policy, tuple):
        return [label for label in peers if label in policy]
    return [choose(peers)]
