"""Steps of sessions and links. Several sessions run at the same time, and a step `frame` delivers one frame of one
session. A session may be cut after any frame."""

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
    """Adds these steps to a world: `open`, `frame`, `meet`, `cut`, `link` and `heal`. The class also does what a
    replica does when a session ends."""

    def _do_open(self, a: int, b: int, c: int, _d: int, _e: int) -> str:
        pair = self._two(a, b)
        if pair is None or len(self.sessions) >= SESSIONS_MAX:
            return "nothing"
        labels = {node.label for node in pair}
        if any(set(session.pair) == labels and not session.gone for session in self.sessions):
            return "busy"
        self.sessions.append(Meeting(*pair, lambda: self.now_us, stands=bool(c % 2)))
        return " ".join(self.sessions[-1].pair) + (" to stand" if c % 2 else "")

    def _do_frame(self, a: int, b: int, c: int, d: int, e: int) -> str:
        if not self.sessions:
            return "nothing"
        session = self.sessions[a % len(self.sessions)]
        text = " ".join(session.pair)
        end = next((end for end in (b % 2, 1 - b % 2) if session.is_waiting(end) and self._open_to(session, end)), None)
        if end is None and session.stands and not any(session.wires):
            return self._go_on(session, b % 2, c % 4)
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
            self._check_frames(session)
        except Lost:
            self._drop(session)
            raise
        if session.stands:
            self._follow(session, end)
        if session.over:
            self.sessions.remove(session)
            self._ended(session)
            told = session.error or "done"
            session.break_off()
            return f"{text} {kind} to {end}: {told}"
        return f"{text} {kind} to {end}"

    def _go_on(self, session: Meeting, end: int, choice: int) -> str:
        """Let the side `end` act in a session that stays open. `choice` decides what the side does: send new writes,
        tell what its node holds, or sync.

        If the hello of the side `end` is out of date, this side closes the session instead.
        """
        node, one = session.nodes[end], session.ends[end]
        text = f"{' '.join(session.pair)} {node.label}"
        try:
            state = node.store.state()
            if one.has_changed(state):
                session.send(end, one.close())
                self.counts["closed"] += 1
                return f"{text} closes"
            if choice == 0:
                session.send(end, one.sync()[1])
                self.counts["syncs"] += 1
                return f"{text} syncs"
            session.send(end, one.tell(state) if choice == 1 else one.send_new())
        except Lost:
            self._drop(session)
            raise
        self._check_frames(session)
        return f"{text} {'tells' if choice == 1 else 'sends'}"

    def _follow(self, session: Meeting, end: int) -> None:
        """Do what a replica does when it has received a frame in a session that stays open."""
        node, report = session.nodes[end], session.ends[end].take_report()
        self.counts["rolled back"] += report.rolled_back
        self.counts["replayed"] += report.replayed
        self.counts["frames taken"] += 1
        if report.received or report.installed:
            self.checker.look(node)
            if report.installed is not None:
                self.counts["full states"] += 1
            self.checker.compared(node.label, is_partial=end in session.partial)
            self._heal(node, report)
            self._return_if_forgotten(node)

    def _check_frames(self, session: Meeting) -> None:
        if not self.checker.forked:
            self.checker.demand(21, not session.faults, *session.pair, *session.faults)

    def _do_meet(self, a: int, b: int, c: int, _d: int, _e: int) -> str:
        pair = self._two(a, b)
        if pair is None:
            return "nothing"
        return f"{pair[0].label} {pair[1].label} {self._whole_session(*pair, 2000, stands=bool(c % 2))}"

    def _whole_session(self, one: Node, other: Node, frames_max: int, *, stands: bool = False) -> str:
        """Run a session from beginning to end. If `stands` is true, both sides sync. Then the initiator closes the
        session."""
        session = Meeting(one, other, lambda: self.now_us, stands=stands)
        to_sync = [0, 1, 0] if stands else []
        for number in range(frames_max):
            if session.stands and not any(session.wires):
                end = to_sync.pop() if to_sync else -1
                session.send(max(end, 0), session.ends[0].close() if end < 0 else session.ends[end].sync()[1])
                continue  # there may be nothing to send while the other end takes a full state of a third node
            if session.over:
                break
            end = number % 2 if session.is_waiting(number % 2) else 1 - number % 2
            session.deliver(end)
            if session.stands:
                self._follow(session, end)
        self._check_frames(session)
        self._ended(session)
        return session.error

    def _ended(self, session: Meeting) -> None:
        """Check the result of a session. At both sides, do what a replica does after a session.

        A node whose storage has lost its last writes takes a new id. A node that has retired leaves.
        """
        self.counts["sessions"] += 1
        self.counts["offered states"] += session.offers
        self.checker.demand(15, not session.echo, *session.pair, "sent back", sorted(session.echo))
        for number, (node, end) in enumerate(zip(session.nodes, session.ends, strict=True)):
            if number in session.gone:
                continue
            self.counts["rolled back"] += end.report.rolled_back
            self.counts["replayed"] += end.report.replayed
            if end.report.error:
                self.counts[f"error {end.report.error.code}"] += 1
                if end.report.error.message == FORK_OF_MEMBERS:  # the node with fewer commits has refused the commit
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
        # as replica/membership/commands.py does
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
        """If the node was forgotten, the node returns to the cluster. A replica does the same in
        replica/membership/commands.py."""
        if node.label in node.store.forgotten() and not node.store.state().retired:
            try:
                node.store.come_back(self._clock(node))
            except (Lost, Conflict):
                return  # the node tries again after its next session
            self.counts["returned"] += 1

    def _heal(self, node: Node, report: Report) -> None:
        """Apply the cure that the node needs after a session: a new id, a new epoch, or none. Then make again each
        write that the node has set aside.

        A replica does the same in replica/membership/commands.py.
        """
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
        """Make again each write that the node has set aside. After a session or an import, a replica does the same in
        replica/membership/commands.py."""
        state = node.store.state()
        if state.set_aside:
            if not state.has_place:
                self._rename(node)
            self.counts["made again"] += state.set_aside - node.store.resubmit(self._clock(node))
            if state.retired:
                node.store.retire(self._clock(node))
            self.checker.look(node)

    def _has_original(self, node: Node, state: State) -> bool:
        """Return whether this node can reach a rival primary that wins against this node.

        A rival has the same history. The primary with more commits wins. If both have the same number of commits, the
        primary with the greater server id wins.
        """
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
        """Cut a session on both sides, or on one side only."""
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
