"""The checker excuses a lost write only if a simulated fault explains the loss."""

from __future__ import annotations

import pytest

from tests.simulation import clients
from tests.simulation.checker import Checker
from tests.simulation.demand import Violation
from tests.simulation.meeting import Meeting
from tests.simulation.nodes import BEGIN_US, CLUSTER, FaultyStore, Node, dump, restore
from tests.simulation.run import Lab

pytestmark = pytest.mark.slow


class Three:
    """Three nodes, and a checker for these nodes. The first node is the primary."""

    def __init__(self, laboratory: Lab) -> None:
        laboratory.wire.call("FLUSHDB")
        self.wire, self.now_us = laboratory.wire, BEGIN_US
        self.checker = Checker(self.wire, "auto")
        self.nodes = [Node(label, self._store(label)) for label in ("s0", "s1", "s2")]
        self.look()

    def _store(self, label: str) -> FaultyStore:
        store = FaultyStore(self.wire, label, "auto", self.checker.installed)
        store.begin(server=f"{label}~aaaaaa", cluster=CLUSTER, first_primary=label == "s0")
        if label != "s0":
            store.adopt("s0~aaaaaa")
        return store

    def look(self) -> None:
        for node in self.nodes:
            self.checker.look(node)

    def put(self, number: int, request: str) -> str:
        store = self.nodes[number].store
        before = store.state()
        self.now_us += 1000
        identifier = store.accept(clients.put("u", request, 1, 1), self.now_us).id
        assert identifier is not None
        self.checker.accepted(store.label, identifier, before)
        self.look()
        return identifier

    def meet(self, one: int, other: int) -> None:
        meeting = Meeting(self.nodes[one], self.nodes[other], lambda: self.now_us)
        while not meeting.over:
            meeting.deliver(0 if meeting.is_waiting(0) else 1)
        self.look()

    def destroy(self, number: int) -> None:
        node = self.nodes[number]
        others = [other for other in self.nodes if other is not node]
        self.checker.destroyed(node.label, others)
        restore(self.wire, node.label, [])
        node.store.forget()
        node.store.begin(server=f"{node.label}~zzzzzz", cluster=CLUSTER, first_primary=False)

    def end(self) -> None:
        """Run sessions until all nodes are equal. Then check the invariants for the end of a run."""
        for one, other in ((0, 1), (0, 2), (1, 2)) * 3:
            self.meet(one, other)
            for node in self.nodes:
                node.store.catch_up()
                node.store.resubmit(self.now_us)
        self.look()
        self.checker.quiet(self.nodes)


@pytest.fixture
def three(laboratory: Lab) -> Three:
    return Three(laboratory)


@pytest.mark.parametrize("is_destroyed", [True, False])
def test_a_write_that_was_set_aside_is_held_where_it_waits(three: Three, is_destroyed: bool) -> None:
    """`s2` has set a write aside, and no other node holds this write. The write may be lost only if `s2` is destroyed.

    `s1` accepts the write, sends the write to `s2`, and is rolled back. Then `s1` accepts a second write in the place
    of the first write. The second write is committed, so `s2` sets the first write aside.
    """
    copy = dump(three.wire, "s1")
    set_aside = three.put(1, "r1")
    three.meet(1, 2)
    three.checker.forked.add("s1~aaaaaa")
    three.checker.lines.forks += 1
    rolled_back = three.nodes[1]
    three.checker.destroyed("s1", [three.nodes[0], three.nodes[2]])
    restore(three.wire, "s1", copy)
    rolled_back.store.forget()
    three.look()
    three.put(1, "r2")
    three.meet(1, 0)
    three.meet(0, 2)
    assert three.nodes[2].store.state().set_aside == 1
    if is_destroyed:
        three.destroy(2)
    three.look()
    three.end()
    assert (set_aside in three.checker.excused) == is_destroyed


def test_a_write_is_excused_when_the_last_write_of_its_request_is_revoked(three: Three) -> None:
    """Two nodes accept the same request, so the request has two writes. When the storage of one node is destroyed, no
    write is excused, because the other node still holds the request. When the other node's write is revoked, both
    writes are excused."""
    first = three.put(1, "r1")
    second = three.put(0, "r1")
    three.destroy(1)
    assert not three.checker.excused
    three.nodes[0].store.truncate(0)
    three.nodes[2].store.force("s2~bbbbbb", three.now_us)
    three.look()
    three.end()
    assert three.checker.excused == {first, second}


def test_a_write_that_a_running_node_has_lost_is_not_excused(three: Three) -> None:
    lost = three.put(1, "r1")
    restore(three.wire, "s1", [])
    three.nodes[1].store.forget()
    three.nodes[1].store.begin(server="s1~zzzzzz", cluster=CLUSTER, first_primary=False)
    with pytest.raises(Violation, match=lost):
        three.end()
