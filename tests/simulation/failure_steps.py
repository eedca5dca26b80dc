"""Steps that cause failures: crashes, pauses, lost replies of Redis, lost storage, wrong clocks."""

from __future__ import annotations

from tests.simulation.nodes import CLUSTER, FAULTS, Copy, Node, dump, restore
from tests.simulation.session_steps import SessionSteps

YEAR_US = 365 * 24 * 3600 * 1_000_000
JUMPS_US = (1000, 60_000_000, 3600_000_000, 86_400_000_000, YEAR_US, 3 * YEAR_US)
PAUSE_MAX = 80  # steps
TAIL_MAX = 12  # scripts, including those that only read


class FailureSteps(SessionSteps):
    """Has these steps: `crash`, `restart`, `pause`, `reply`, `flush`, `tail`, `copy`, `restore`, `birth` and `clock`.

    The comments in tests/simulation/faults.py explain the steps whose names are not obvious.
    """

    def _do_crash(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        if node is None:
            return "nothing"
        self._stop(node)
        self.scenario.say(f"crash {node.label}")
        return node.label

    def _stop(self, node: Node) -> None:
        node.running, node.pause = False, 0
        self._drop_all(node)

    def _do_restart(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        down = [node for node in self.nodes.values() if not node.running]
        if not down:
            return "nothing"
        node = down[a % len(down)]
        node.running, node.store.fault = True, ""
        self.scenario.say(f"recover {node.label}")
        if node.unsure:
            self._rename(node)
            node.unsure, node.joined = False, True
        else:
            self._reopen(node)
        return f"{node.label} {node.store.state().server}"

    def _reopen(self, node: Node) -> None:
        server = node.store.server()
        assert server is not None
        node.store.begin(server=server, cluster=CLUSTER, first_primary=False)

    def _do_pause(self, a: int, b: int, _c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        if node is None:
            return "nothing"
        node.pause = 1 + b % PAUSE_MAX
        return f"{node.label} for {node.pause} steps"

    def _do_reply(self, a: int, b: int, _c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        if node is None:
            return "nothing"
        node.store.fault = FAULTS[b % len(FAULTS)]
        return f"{node.label} {node.store.fault}"

    def _do_flush(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        self.wire.call("SCRIPT", "FLUSH")
        if node is None:
            return "scripts"
        self._reopen(node)
        return f"scripts {node.label}"

    def _do_tail(self, a: int, b: int, _c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        if node is None or len(self.nodes) < 2:
            return "nothing"
        node.power_cut = dump(self.wire, node.label), node.store.scripts_run + 1 + b % TAIL_MAX
        return f"{node.label} soon"

    def _lose_tails(self) -> None:
        """Carry out the power cuts that are due. Each one stops a node and drops the last changes of the node's
        storage."""
        for node in self.nodes.values():
            if node.power_cut is not None and node.store.scripts_run >= node.power_cut[1]:
                self._stop(node)
                self._replace(node, node.power_cut[0])
                node.unsure = True
                self.counts["lost tails"] += 1
                self.scenario.note(f"{node.label} stops and loses the last transactions of its storage")
                self.scenario.say(f"crash {node.label}")

    def _replace(self, node: Node, copy: Copy) -> None:
        """Replace a node's storage by a copy.

        A write that is neither in the copy nor at another node is lost; the checker allows this.
        """
        self.checker.look(node)  # before anything else changes
        self.checker.destroyed(node.label, [other for other in self.nodes.values() if other is not node])
        restore(self.wire, node.label, copy)
        node.store.forget()
        node.store.fault, node.power_cut = "", None

    def _do_copy(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        if node is None:
            return "nothing"
        node.copy = dump(self.wire, node.label)
        return f"{node.label} CSN {node.store.state().csn}"

    def _do_restore(self, a: int, b: int, _c: int, _d: int, _e: int) -> str:
        """Replace a node's storage by an old copy or by an empty storage, and give the node a new id."""
        node = self._running(a)
        if node is None or len(self.nodes) < 2:
            return "nothing"
        self._drop_all(node)
        copy = node.copy if node.copy is not None and b % 4 else []
        self._replace(node, copy)
        self._rename(node)
        node.joined = True
        return f"{node.label} {'from a copy' if copy else 'empty'} {node.store.state().server}"

    def _do_birth(self, _a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        """Delete the storage of the configured primary. This primary then starts the cluster a second time."""
        node = self.nodes.get("s1")
        if node is None or not node.runs or len(self.nodes) < 2:
            return "nothing"
        self._drop_all(node)
        self._replace(node, [])
        server = self.mint(node.label)
        node.store.begin(server=server, cluster=CLUSTER, first_primary=True)
        node.joined = True
        return f"{node.label} {server}"

    def _do_clock(self, a: int, b: int, c: int, _d: int, _e: int) -> str:
        node = self._running(a)
        if node is None:
            return "nothing"
        jump = JUMPS_US[b % len(JUMPS_US)] * (c % 7 - 3)
        node.offset_us = max(-40 * YEAR_US, min(60 * YEAR_US, node.offset_us + jump))
        self.scenario.clock(node.label, node.offset_us)
        return f"{node.label} {jump}"
