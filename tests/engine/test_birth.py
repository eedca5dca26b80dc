"""The first primary of a cluster is lost before it has met any other replica. A forced promotion then makes another
replica the birth of the cluster."""

from __future__ import annotations

import json

from tests.support.engine_harness import Cluster, meet


def test_a_forced_promotion_is_the_birth_if_none_is_known() -> None:
    _, alone, other = Cluster(3, met=False)
    alone.note("a", "p")
    alone.force("alone~zzzzzz", alone.clock.tick())
    state = alone.state()
    assert (state.birth, state.primary, state.is_primary) == ("alone~zzzzzz", "alone~zzzzzz", True)
    assert json.loads(state.history) == [[0, "alone~zzzzzz", 1], [1, "alone~zzzzzz", 1]]
    assert (state.tentative, state.csn) == (0, 2)
    other.note("b", "p")
    meet(other, alone)
    meet(other, alone)
    assert (other.state().birth, other.state().history) == (state.birth, state.history)
    assert (other.state().tentative, other.state().csn) == (0, 3)
    assert other.digest() == alone.digest()
