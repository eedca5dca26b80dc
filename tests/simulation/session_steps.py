"""Steps of sessions and links. Several sessions run at once, one frame per step, and may be cut anywhere."""

from __future__ import annotations

from redis import ConnectionError as Lost

from bayou.anti_entropy import Report
from bayou.errors import Conflict
from bayou.handshake import FORK_OF_MEMBERS
from bayou.healing import Cure
from bayou.state import State
from tests.simulation.base import WorldBase
from tests.simulation.meeting import Meeting
from tests.simulation.nodes import CLUSTER, Node, restore

SESSIONS_MAX = 6
LIES = {"unproven", "foreign_commit", "early_promotion", "commit_not_signed"}  # refusals that an honest peer never gets


class SessionSteps(WorldBase):
    """Has these steps: `open`, `frame`, `meet`, `cut`, `link` and `heal`. The class also ends sessions as a replica
    does."""

    def _do_open(self, a: int, b: int, _c: int, _d: int, _e: int) -> str:
        pair = self._two(a, b)
        if pair is None or len(self.sessions) >= SESSIONS_MAX:
            return "nothing"
        labels = {node.label for node in pair}
        if any(set(session.pair) == labels and not session.gone for session in self.sessions):
            return "busy"
        self.sessions.append(Meeting(*pair, self.now_us))
        return " ".join(self.sessions[-1].pair)

    def _do_frame(self, a: int, b: int, c: int, d: int, e: int) -> str:
        if not self.sessions:
            return "nothing"
        session = self.sessions[a % len(self.sessions)]
        text = " ".join(session.pair)
        end = next((end for end in (b % 2, 1 - b % 2) if session.is_waiting(end) and self._open_to(session, end)), None)
        if end is None:
            if c % 4 == 0 or not any(session.wires):
                self._drop(session)
                return f"{text} broken off"
            return f"{text} blocked"
        if e == 2:
            self.counts["lost frames"] += 1
            return f"{text} {type(session.wires[end].popleft()).__name__} lost"
        try:
            self.counts["doubled frames"] += e
            kind = session.deliver(end, double=bool(e), encoded=d % 8 == 0)
        except Lost:
            self._drop(session)
            raise
        if session.over:
            self._drop(session)
            self._ended(session)
            return f"{text} {kind} to {end}: {session.error or 'done'}"
        return f"{text} {kind} to {end}"

    def _do_meet(self, a: int, b: int, _c: int, _d: int, _e: int) -> str:
        pair = self._two(a, b)
        if pair is None:
            return "nothing"
        return f"{pair[0].label} {pair[1].label} {self._whole_session(*pair, 2000)}"

    def _whole_session(self, one: Node, other: Node, frames_max: int) -> str:
        session = Meeting(one, other, self.now_us)
        for number in range(frames_max):
            if session.over:
                break
            end = number % 2 if session.is_waiting(number % 2) else 1 - number % 2
            session.deliver(end)
        self._ended(session)
        return session.error

    def _ended(self, session: Meeting) -> None:
        """Do what a replica does after a session, at both ends, and check the result of the session.

        A node whose storage has lost its last writes takes a new id. A node that has retired leaves.
        """
        self.counts["sessions"] += 1
        self.checker.demand(15, not session.echo, *session.pair, "sent back", sorted(session.echo))
        for number, (node, end) in enumerate(zip(session.nodes, session.ends, strict=True)):
            if number in session.gone:
                continue
            self.counts["rolled back"] += end.report.rolled_back
            self.counts["replayed"] += end.report.replayed
            if end.report.error:
                self.counts[f"error {end.report.error.code}"] += 1
                if end.report.error.message == FORK_OF_MEMBERS:  # the one that lacks the commit has refused it
                    self.forks_of_members.add(min(session.nodes, key=lambda one: one.store.state().csn).label)
                if not self.checker.forked:
                    self.checker.demand(10, end.report.error.code != "fork", *session.pair, "found a fork of an id")
                    self.checker.demand(20, end.report.error.code not in LIES, *session.pair, end.report.error.message)
            self.checker.look(node)
            if end.report.installed is not None:
                self.counts["full states"] += 1
            self.checker.compared(node.label, is_partial=number in session.partial)
            self._heal(node, end.report)
            self._return_if_forgotten(node)
        if not session.succeeded:
            return
        self.scenario.session(*session.pair)
        for node in session.nodes:
            state = node.store.state()
            node.joined = node.joined or state.server in state.vector
        # like replica/membership/commands.py
        caller, peer = session.nodes
        both = {caller.label, peer.label} <= set(self.nodes)
        state = caller.store.state()
        if both and session.has_caller_retired and state.retired and state.server == session.caller_server:
            server = peer.store.state().server
            if not self.checker.knows_retired(caller.label, server):
                self._leave(caller)
                self.scenario.leave(caller.label, peer.label)
                self.counts["left"] += 1

    def _return_if_forgotten(self, node: Node) -> None:
        """Let a node that was forgotten say that it is back, like replica/membership/commands.py."""
        if node.label in node.store.forgotten() and not node.store.state().retired:
            try:
                node.store.come_back(self._clock(node))
            except (Lost, Conflict):
                return  # it tries again after its next session
            self.counts["returned"] += 1

    def _heal(self, node: Node, report: Report) -> None:
        """Do what replica/membership/commands.py does after a session that has shown that a copy has run."""
        state = node.store.state()
        cure = node.healing.cure(report, state)
        if cure is Cure.NEW_ID:
            self._rename(node)
        elif cure is Cure.NEW_EPOCH:
            self.counts["healed epochs"] += 1
            if self._has_original(node, state):
                node.store.begin(server=self.mint(node.label), cluster=CLUSTER, first_primary=False, manner="copy")
            else:
                node.store.force(self.mint(node.label), self._clock(node), heals=True)
            node.healing.note_epoch(report.peer)
        self._resubmit(node)

    def _resubmit(self, node: Node) -> None:
        """Make the writes again that were set aside, as replica/membership/commands.py does after a session or an
        import."""
        state = node.store.state()
        if state.set_aside:
            if not state.has_place:
                self._rename(node)
            self.counts["made again"] += state.set_aside - node.store.resubmit(self._clock(node))
            if state.retired:
                node.store.retire(self._clock(node))
            self.checker.look(node)

    def _has_original(self, node: Node, state: State) -> bool:
        """Return whether another primary of this history answers, and has more commits."""
        for other in self.nodes.values():
            there = other.store.state()
            is_rival = other is not node and other.runs and self._linked(node, other) and there.is_primary
            if is_rival and there.history == state.history and (there.csn, there.server) > (state.csn, state.server):
                return True
        return False

    def _leave(self, node: Node) -> None:
        self._drop_all(node)
        del self.nodes[node.label]
        restore(self.wire, node.label, [])
        self.checker.forget(node.label)
        node.running = False

    def _do_cut(self, a: int, b: int, c: int, _d: int, _e: int) -> str:
        """Cut a session at both ends, or at one end only."""
        if not self.sessions:
            return "nothing"
        session = self.sessions[a % len(self.sessions)]
        text = " ".join(session.pair)
        if b % 2:
            session.leave(c % 2)
            text += f" half: {session.nodes[c % 2].label} has left"
        if not b % 2 or session.over:
            self._drop(session)
        return text

    def _do_link(self, a: int, b: int, c: int, _d: int, _e: int) -> str:
        pair = self._two(a, b, linked=False)
        if pair is None:
            return "nothing"
        one, other = pair[0].label, pair[1].label
        ways = {(one, other)} if c % 3 == 0 else {(one, other), (other, one)}
        self.cut = self.cut - ways if ways <= self.cut else self.cut | ways
        return " ".join(f"{x}->{y} {'cut' if (x, y) in self.cut else 'up'}" for x, y in sorted(ways))

    def _do_heal(self, _a: int, _b: int, _c: int, _d: int, _e: int) -> str:
        self.cut.clear()
        return "all links"
