"""The state of a simulated world. The numbers of a step choose a node or a client in this world."""

from __future__ import annotations

from collections import Counter

from apps.people.pages import OPERATOR
from bayou import export
from bayou.arrivals import Arrivals
from bayou.payloads import Installed
from bayou.state import State
from storage.full_state import Keep
from tests.simulation import clients
from tests.simulation.checker import Checker
from tests.simulation.clients import Client
from tests.simulation.faults import Plan
from tests.simulation.meeting import Meeting
from tests.simulation.nodes import BEGIN_US, CLUSTER, FaultyStore, Node
from tests.simulation.redis_client import Wire
from tests.simulation.scenario import ScenarioWriter

PAUSE_S = 0.01  # a node passes on new writes after this pause, which takes a few steps
KEPT_US = 100_000  # commits up to this age, about 40 steps, always come with a full state
NONCE = "abcdefghijklmnopqrstuvwxyz234567"


class WorldBase:
    """The state of a world: nodes, clients, links, open sessions and export files.

    `trace` has a line for each step and its result.
    """

    def __init__(self, plan: Plan, wire: Wire) -> None:
        wire.call("FLUSHDB")
        self.plan, self.wire = plan, wire
        self.checker = Checker(wire, plan.commit_mode)
        self.nodes: dict[str, Node] = {}
        self.clients = [Client(f"u{i}", clients.guarantees(plan.seed + i)) for i in range(plan.clients)]
        self.operator = Client(OPERATOR, None)
        self.sessions: list[Meeting] = []
        self.cut: set[tuple[str, str]] = set()
        self.forks_of_members: set[str] = set()  # labels of nodes that have refused a commit with FORK_OF_MEMBERS
        self.files: list[tuple[str, list[export.ExportFrame]]] = []  # (name of the export, its frames)
        self.now_us = BEGIN_US
        self.counts: Counter[str] = Counter()
        self.trace: list[str] = []
        self.scenario = ScenarioWriter()
        self.number = 0
        self._minted = 0
        self._labels = 0

    def _installed(self, store: FaultyStore, before: State, installed: Installed | None) -> None:
        """Check a node that has installed a full state. Before this, check the other nodes that changed in this step.

        One of the other nodes may be the sender of the full state. The checker must see the sender's new commits first.
        """
        for node in self.nodes.values():
            if node.store.dirty and node.store is not store:
                self.checker.look(node)
        self.checker.installed(store, before, installed)

    def _label(self) -> str:
        self._labels += 1
        return f"s{self._labels}"

    def mint(self, label: str) -> str:
        self._minted += 1
        number, nonce = self._minted, ""
        for _ in range(6):
            number, digit = divmod(number, 32)
            nonce += NONCE[(digit + self.plan.seed) % 32]
        return f"{label}~{nonce}"

    def _add(self, label: str, server: str, *, first_primary: bool, joined: bool = True) -> None:
        keep = Keep(self.plan.kept, lambda: self.now_us - KEPT_US)
        store = FaultyStore(self.wire, label, self.plan.commit_mode, self._installed, self.counts, keep)
        store.begin(server=server, cluster=CLUSTER, first_primary=first_primary)
        arrivals = Arrivals(PAUSE_S, lambda: self.now_us / 1e6)
        self.nodes[label] = Node(label, store, joined=joined, arrivals=arrivals)

    def _request(self, client: Client) -> str:
        client.requests += 1
        return f"r{client.requests - 1}"

    def _clock(self, node: Node) -> int:
        return self.now_us + node.offset_us

    def _client(self, number: int) -> Client:
        return self.clients[number % len(self.clients)]

    def _all_serving(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.serves]

    def _serving(self, number: int) -> Node | None:
        nodes = self._all_serving()
        return nodes[number % len(nodes)] if nodes else None

    def _running(self, number: int) -> Node | None:
        nodes = [node for node in self.nodes.values() if node.runs]
        return nodes[number % len(nodes)] if nodes else None

    def _two(self, a: int, b: int, *, linked: bool = True) -> tuple[Node, Node] | None:
        one = self._running(a)
        others = [n for n in self.nodes.values() if n.runs and n is not one]
        if one is None or not others:
            return None
        other = others[b % len(others)]
        return (one, other) if not linked or self._linked(one, other) else None

    def _linked(self, one: Node, other: Node) -> bool:
        return not {(one.label, other.label), (other.label, one.label)} & self.cut

    def _open_to(self, session: Meeting, end: int) -> bool:
        one, other = session.nodes[1 - end], session.nodes[end]
        return other.pause == 0 and (one.label, other.label) not in self.cut

    def _drop(self, session: Meeting) -> None:
        self.sessions.remove(session)
        session.break_off()

    def _drop_all(self, node: Node) -> None:
        """Break all sessions of the node. Frames that the node has already sent may still arrive."""
        for session in self.sessions:
            if node in session.nodes:
                session.leave(session.nodes.index(node))
        self.sessions = [session for session in self.sessions if not session.over]

    def _rename(self, node: Node) -> None:
        """Give the node a new id, because writes that the node accepted may be lost."""
        node.store.begin(server=self.mint(node.label), cluster=CLUSTER, first_primary=False)
        self.counts["new ids"] += 1
