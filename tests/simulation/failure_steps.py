"""Steps that cause failures: crashes, pauses, lost replies of Redis, lost storage, wrong clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bayou.frames import Batch, Hello
from bayou.healing import Healing
from bayou.payloads import Item, Selection
from bayou.stamps import AHEAD_US_MAX, DAY_US
from bayou.state import State
from bayou.window import PeerMemory
from bayou.write import Draft, Write
from tests.simulation import clients
from tests.simulation.meeting import Meeting
from tests.simulation.nodes import CLUSTER, FAULTS, Copy, Node, dump, restore
from tests.simulation.session_steps import SessionSteps

JUMPS_US = (1000, 60_000_000, 3600_000_000, DAY_US, 100 * DAY_US, 365 * DAY_US)
PAUSE_MAX = 80  # steps
TAIL_MAX = 12  # scripts, including those that only read


LIES: tuple[Callable[[Hello, State], Hello], ...] = (  # the hello of the peer, the state of the victim -> a hello
    lambda hello, state: replace(hello, vector={**hello.vector, state.server: hello.clock + DAY_US}),
    lambda hello, _: replace(hello, vector={server: stamp + DAY_US for server, stamp in hello.vector.items()}),
    lambda hello, _: replace(hello, vector={**hello.vector, "ghost~aaaaaa": hello.clock}),
    lambda hello, _: replace(hello, csn=hello.csn + 1000),
    lambda hello, state: replace(hello, retired=not hello.retired, retired_servers=(state.server,)),
    lambda hello, _: replace(hello, clock=hello.clock + 2 * AHEAD_US_MAX),
)


class FailureSteps(SessionSteps):
    """Adds these steps to a world: `crash`, `restart`, `pause`, `reply`, `flush`, `tail`, `copy`, `restore`,
    `rollback`, `birth`, `clock` and `lie`.

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
        node.memory = PeerMemory()
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
        """Carry out the power cuts that are due. Each power cut stops a node, and drops the last changes of the node's
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

        A write is lost if neither the copy nor another node has the write. The checker excuses such a write.
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
        node.copy, node.has_created = dump(self.wire, node.label), False
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

    def _do_rollback(self, a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        """Replace a node's storage by an old copy. The node goes on under the id in the copy.

        The same happens if an operator sets a machine back to a snapshot.
        """
        node = self._running(a)
        if node is None or node.copy is None or len(self.nodes) < 2:
            return "nothing"
        # If a log is ahead of the clock, the next stamp is the last stamp plus 1. Then the copy and the original may
        # make different writes with the same id. Nothing heals that.
        if any(other.store.state().clock >= self._clock(node) for other in self.nodes.values()):
            return "a clock is wrong"
        if node.has_created:  # the created server would have no place in the order; nothing heals that
            return "has created a server"
        self._drop_all(node)
        before = node.store.state()
        self._replace(node, node.copy)
        state = node.store.state()
        node.joined = state.server in state.vector or ":" not in state.server
        node.forked, node.healing = state.server, Healing()
        self.checker.forked.add(state.server)
        self.checker.lines.forks += 1
        self.scenario.note(f"{node.label} goes on with an old copy of its storage")
        return f"{node.label} {state.server} CSN {state.csn}, before {before.csn}"

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
        if node is None or self.checker.forked:
            return "nothing"
        if abs(node.offset_us) > AHEAD_US_MAX:
            return f"{node.label} {self._correct_clock(node)}"
        jump = JUMPS_US[b % len(JUMPS_US)] * (c % 7 - 3)
        node.offset_us += jump
        self.scenario.clock(node.label, node.offset_us)
        return f"{node.label} {jump}"

    def _correct_clock(self, node: Node) -> str:
        """Correct the clock of a node, as an operator does.

        The log may have stamps so far ahead of the clock that peers refuse these stamps. Then the node starts again
        without its data.
        """
        node.offset_us = 0
        self.scenario.clock(node.label, 0)
        if node.store.state().clock <= self.now_us + AHEAD_US_MAX:
            return "right"
        self._start_without_data(node)
        self.counts["stamps ahead"] += 1
        return "right, without its data"

    def _start_without_data(self, node: Node) -> None:
        self._drop_all(node)
        self._replace(node, [])
        self._rename(node)
        node.joined = True
        self.scenario.note(f"the operator starts {node.label} again without its data")

    def _do_lie(self, a: int, b: int, c: int, d: int, _e: int) -> str:
        """Run a session in which one node, the liar, sends one lie. The lie is an altered hello, or a forged batch
        after an honest hello.

        Check invariant 20: the other node, the victim, keeps its id. If the victim is the primary, the victim also
        keeps its role and its commits. A victim that was rolled back earlier may lose its id, because the liar may hold
        writes that the victim has lost.
        """
        pair = self._two(a, b)
        if pair is None:
            return "nothing"
        victim, liar = pair
        before = victim.store.state()
        session = Meeting(*(pair if d % 2 else pair[::-1]), lambda: self.now_us)
        end = session.nodes.index(victim)
        wire, kind = session.wires[end], c % (len(LIES) + 2)
        forged = self._forged(kind == len(LIES), before, self._clock(victim))
        if kind < len(LIES):
            hello = wire.popleft()
            assert isinstance(hello, Hello)
            wire.append(LIES[kind](hello, before))
        elif kind == len(LIES) or before.is_primary:
            wire.append(Batch(0, forged))
        for number in range(2000):
            if session.over:
                break
            session.deliver(number % 2 if session.is_waiting(number % 2) else 1 - number % 2)
        after = victim.store.state()
        text = f"{victim.label} is told lie {kind} by {liar.label}: {session.error}"
        report, histories = session.ends[end].report, {before.history, liar.store.state().history}
        keeps_id = report.lost is None and (after.server == before.server or report.installed is not None)
        has_id = keeps_id or before.server in self.checker.forked
        self.checker.demand(20, has_id, text, after.server, "was", before.server)
        self.checker.demand(20, not before.is_primary or after.history in histories, text, after.history)
        stamp, origin = forged.items[0].id.split("@")
        self.checker.demand(20, after.vector.get(origin, 0) < int(stamp), text, "and has taken", forged.items[0].id)
        return text

    def _forged(self, is_ahead: bool, state: State, now_us: int) -> Selection:
        """Return a write that no server has accepted.

        If `is_ahead` is true, the write is tentative, and its stamp is far ahead of the clock. Otherwise, the write is
        the next commit after `state`.
        """
        draft: Draft = clients.put("liar", f"lie{self.number}", 1, 1)
        fields = {name: getattr(draft, name) for name in Draft.__slots__}
        stamp = now_us + 2 * AHEAD_US_MAX if is_ahead else now_us
        write = Write(**fields, stamp=stamp, prev=0, origin=f"liar~{self.number:06}")
        item = Item(write.id, None if is_ahead else state.csn + 1, write.encode())
        return Selection(state.csn, state.last, (item,), state.history)
