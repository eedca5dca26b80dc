"""Chooses which peers to call: the policy `anti_entropy.partners`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Choose = Callable[[Sequence[str]], str]


def choose_partners(
    policy: str | tuple[str, ...], peers: Sequence[str], primary: str | None, choose: Choose = random.choice
) -> list[str]:
    """Return the labels of the peers to call at each interval and after a write. `peers` are the reachable peers.

    The policy `all` chooses every peer, and `random` chooses a random peer. `primary_first` chooses the primary, or a
    random peer if the primary is not reachable. A tuple of labels chooses the peers that it lists.
    """
    if policy == "all" or not peers:
        return list(peers)
    if policy == "primary_first" and primary in peers:
        return [primary] if primary else []
    if isinstance(policy, tuple):
        return [label for label in peers if label in policy]
    return [choose(peers)]
