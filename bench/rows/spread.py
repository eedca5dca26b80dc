"""spread: how often a replica receives the body of the same write. Every replica has a standing session with every
other replica. A standing session does not end after a transfer. A replica accepts the next write when the previous
write has arrived everywhere.

All replicas run in this process and use one Redis. Their sessions are real sessions over gRPC.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import redis

from apps import APPLICATIONS
from bayou.anti_entropy import Report
from bayou.payloads import Received, Selection
from bench.measure import Size, report
from bench.table import Row, below, figure
from bench.workload import draft_in_one_room
from bench.workspace import CLUSTER, Workspace
from cluster.local import write_configuration
from cluster.waiting import wait_until
from replica.anti_entropy.scheduler import Scheduler
from replica.clock import microseconds, utc_now
from replica.config import Config, load
from storage.scripts import rules_by_tag
from storage.store import Store

WRITES = 100
LEARNING = 30  # writes that are not counted: the sessions find out how long to wait before they pass a write on
APART = 6  # two drafts whose numbers differ by 6 or more ask for different slots
WAIT_S = 120.0
SETTINGS = {"cluster": CLUSTER, "anti_entropy": {"interval_s": 1, "after_write": True, "debounce_ms": 20}}


class CountingStore(Store):
    """A store that counts the bodies that arrive."""

    arrived = 0

    def receive(self, selection: Selection, source: str) -> Received:
        self.arrived += sum(bool(item.body) for item in selection.items)
        return super().receive(selection, source)


class Side:
    """One replica: its store and its sessions."""

    def __init__(self, socket: str, settings: Config, label: str) -> None:
        client = redis.Redis(unix_socket_path=socket)
        self.store = CountingStore(client, label, APPLICATIONS)
        self.store.begin(server=f"{label}~aaaaaa", cluster=settings.cluster_id, first_primary=label == settings.primary)
        if label == settings.primary:
            self.store.note_log_applications([application.tag for application in APPLICATIONS])
        self.sessions = Scheduler(settings, label, self.store, rules_by_tag(APPLICATIONS))

    def accept(self, number: int) -> None:
        """Accept a write for slots that no other write asks for."""
        accepted = self.store.accept(draft_in_one_room(number * APART), microseconds(utc_now()))
        assert accepted.id is not None
        self.sessions.notify_new_write()

    def after_session(self, _report: Report) -> None:
        state = self.store.state()
        if state.is_primary and state.tentative:
            self.store.catch_up()
            self.sessions.notify_new_write()


def measure(workspace: Workspace, size: Size) -> list[Row]:
    rows = []
    for replicas in (size.of(5, 3), size.of(20, 4)):
        with workspace.redis() as client, sides(workspace, client, replicas) as running:
            _take_turns(running, range(size.of(LEARNING, 1)))
            before = sum(side.store.arrived for side in running)
            writes = size.of(WRITES, 5)
            _take_turns(running, range(WRITES, WRITES + writes))
            bodies = sum(side.store.arrived for side in running) - before
            threads = threading.active_count()
        report(f"  {replicas} replicas: {threads} threads in all")
        rows.append(
            below("spread", f"bodies of a write and receiver, {replicas}", bodies / writes / (replicas - 1), 1.2)
        )
        rows.append(figure("spread", f"threads for the sessions of a replica, {replicas}", threads / replicas))
    return rows


@contextlib.contextmanager
def sides(workspace: Workspace, client: redis.Redis, replicas: int) -> Iterator[list[Side]]:
    labels = [f"r{number:02}" for number in range(replicas)]
    settings = load(write_configuration(workspace.new_folder(), labels, SETTINGS))
    socket = str(client.connection_pool.connection_kwargs["path"])
    running = [Side(socket, settings, label) for label in labels]
    with contextlib.ExitStack() as stopping:
        for side in running:
            side.sessions.start({}, side.after_session)
            stopping.callback(side.sessions.stop)
        running[0].accept(2 * WRITES)
        wait_until(lambda: _are_equal(running) and all(map(_stands_with_all, running)), WAIT_S, "all sessions stand")
        yield running


def _take_turns(running: list[Side], numbers: range) -> None:
    """Let one replica after the other accept a draft. There is one draft for each number. Each replica waits until the
    previous write has arrived everywhere."""
    for number in numbers:
        running[number % len(running)].accept(number)
        wait_until(lambda: _are_equal(running), WAIT_S, "all replicas hold the same")


def _are_equal(running: list[Side]) -> bool:
    states = [side.store.state() for side in running]
    return len({(state.csn, tuple(sorted(state.vector.items()))) for state in states}) == 1 and not any(
        state.tentative for state in states
    )


def _stands_with_all(side: Side) -> bool:
    return all(peer["reachable"] and not peer["busy"] for peer in side.sessions.status())
