"""No vector has an entry for a server that was created and has retired (Petersen 1997, sections 4.2 and 4.4).

`python -m tests.support.churn` creates and retires 1,000 servers.
"""

from __future__ import annotations

import pytest

from bayou.errors import Conflict
from bayou.frame_validation import SERVER_BYTES_MAX
from tests.support.churn import churn, create, is_as_small
from tests.support.engine_harness import Cluster, meet

SERVERS = 100


@pytest.mark.slow
def test_retired_servers_leave_vectors_as_small_as_at_the_start() -> None:
    (one, two), before, after = churn(SERVERS)
    assert all(map(is_as_small, before, after)), (before, after)
    assert dict(one.state().vector) == dict(two.state().vector)
    assert one.state().csn == 2 + SERVERS * 3
    assert one.members() == two.members() == []


def test_a_label_that_is_used_again_gets_a_new_id() -> None:
    (one,) = Cluster(1)
    ids = set()
    for number in range(3):
        four = create(one, number * 7)
        ids.add(four.state().server)
        meet(four, one)
        four.retire(four.clock.tick())
        meet(four, one)
    assert len(ids) == 3


def test_a_chain_of_creators_is_bounded_and_the_refusal_says_what_to_do() -> None:
    (one,) = Cluster(1)
    via, depth = one, 0
    while len(via.state().server) + 17 <= SERVER_BYTES_MAX:
        new = create(via, depth)
        meet(new, via)
        via, depth = new, depth + 1
    assert depth > 20
    csn, vector = via.state().csn, via.state().vector
    with pytest.raises(Conflict, match="and would be too long") as refusal:
        create(via, depth)
    assert refusal.value.code == "chain_too_long"
    assert (via.state().csn, via.state().vector) == (csn, vector)
    meet(via, one)
    assert len(one.state().vector) == depth + 1
