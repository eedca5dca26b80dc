"""With whom a session is worth starting, of the peers that can be had: the policy `anti_entropy.partners`. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Choose = Callable[[Sequence[str]], str]


def partners(
    policy: str | tuple[str, ...], peers: Sequence[str], primary: str | None, choose: Choose = random.choice
) -> list[str]:
    """The labels to call, of `peers`, when the interval is over or something new is here.

    all: everyone; random: one; primary_first: the primary, or a random one where it cannot be had; else those listed.
    """
    if policy == "all" or not peers:
        return list(peers)
    if policy == "primary_first" and primary in peers:
        return [primary] if primary else []
    if isinstance(policy, tuple):
        return [label for label in peers if label in policy]
    return [choose(peers)]
