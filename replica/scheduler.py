"""When anti-entropy runs, and with whom: at an interval, at once after a write, and on request.

One thread a peer waits for the first of these and calls; a peer that is down is tried again with growing pauses. What a
session brought is passed on at once to the other peers.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from bayou.application import Application
from bayou.errors import Away, Conflict, Unknown
from bayou.reconcile import ReconcileStore, Report, Session
from replica.carrier import BUSY, CUT, Caller, Listener, Pairs
from replica.config import Address, AntiEntropySettings, Config

BUSY_PAUSE_S_MAX = 0.05  # a busy peer is asked again after a random part of this
PAUSE_S_FIRST = 0.2  # before a peer that is down is tried again; doubles each time
PAUSE_S_MAX = 10.0
BREAK_OFF_S_MAX = 5.0  # how long cutting a link waits for its session to end
SYNC_S_MAX = 30.0  # how long a session on request waits for one that is going on


class SchedulerStore(ReconcileStore, Protocol):
    """What the scheduler needs of the store, beside the sessions."""

    def cut_links(self) -> set[str]: ...

    def set_link(self, peer: str, *, up: bool) -> None: ...

    def tell_session(self, report: dict[str, Any]) -> None: ...


class _Peer:
    """One peer: its caller, what became of the last session, and whether one is wanted."""

    def __init__(self, label: str, address: Address, caller: Caller) -> None:
        self.label = label
        self.address = address
        self.caller = caller
        self.wanted = threading.Event()
        self.reachable: bool | None = None
        self.failures = 0  # sessions in a row that did not come about
        self.last: dict[str, Any] | None = None
        self.thread: threading.Thread | None = None


class Scheduler:
    """The sessions of one replica; implements replica.peers.Peers."""

    def __init__(
        self, settings: Config, label: str, store: SchedulerStore, applications: Sequence[Application]
    ) -> None:
        self._policy: AntiEntropySettings = settings.anti_entropy
        self._store = store
        self._tags = [application.tag for application in applications]
        self._pairs = Pairs(label)
        self._cut: set[str] = set()
        self._stopping = threading.Event()
        self._peers = {
            name: _Peer(name, peer.anti_entropy, Caller(name, peer.anti_entropy, self._pairs, self._session))
            for name, peer in settings.replicas.items()
            if name != label
        }
        threads = 2 * len(self._peers) + 2
        address = settings.replica(label).anti_entropy
        self._listener = Listener(address, self._pairs, self._session, self._is_cut, self._answered, threads)

    def start(self) -> None:
        """Listen for sessions and begin to start some."""
        self._cut = self._store.cut_links()
        self._listener.start()
        for peer in self._peers.values():
            peer.thread = threading.Thread(target=self._run, args=(peer,), name=f"peer-{peer.label}", daemon=True)
            peer.thread.start()

    def stop(self) -> None:
        """End what is open, and stop listening."""
        self._stopping.set()
        self._listener.stop()
        for peer in self._peers.values():
            peer.wanted.set()
            self._pairs.break_off(peer.label)
        for peer in self._peers.values():
            if peer.thread is not None:
                peer.thread.join()
            peer.caller.close()

    def poke(self) -> None:
        """Something new was accepted here. Returns at once."""
        self._pass_on(but=None)

    def status(self) -> list[dict[str, Any]]:
        """One entry a peer, for GET /replica."""
        return [
            {
                "label": peer.label,
                "address": str(peer.address),
                "link": "cut" if self._is_cut(peer.label) else "up",
                "reachable": peer.reachable,
                "busy": self._pairs.is_busy(peer.label),
                "last_session": peer.last,
            }
            for peer in self._peers.values()
        ]

    def sync(self, label: str) -> Report:
        """Run one session to its end; raises Unknown peer_unknown, Conflict link_cut, Away peer_unreachable."""
        peer = self._known(label)
        if self._is_cut(label):
            raise Conflict("link_cut", f"The link to {label} is cut here. Heal it first.", peer=label)
        deadline = time.monotonic() + SYNC_S_MAX
        report = self._call(peer)
        while report.error == BUSY and time.monotonic() < deadline:
            self._pairs.wait_idle(label, BUSY_PAUSE_S_MAX)
            self._stopping.wait(random.uniform(0, BUSY_PAUSE_S_MAX))
            report = self._call(peer)
        if report.error == CUT:
            raise Conflict("link_cut", f"{label} has cut the link to this replica. Heal it there.", peer=label)
        if report.error is not None:
            raise Away("peer_unreachable", f"No session with {label}: {report.error.message}", peer=label)
        return report

    def set_link(self, label: str, *, up: bool) -> None:
        """Cut or heal the link to a peer. Once it is cut no session is under way."""
        peer = self._known(label)
        self._store.set_link(label, up=up)
        if up:
            self._cut = self._cut - {label}
            peer.failures = 0
            peer.wanted.set()
        else:
            self._cut = self._cut | {label}
            self._pairs.break_off(label)
            self._pairs.wait_idle(label, BREAK_OFF_S_MAX)

    def _known(self, label: str) -> _Peer:
        if label not in self._peers:
            raise Unknown("peer_unknown", f"There is no peer {label!r}. The peers are {', '.join(self._peers)}.")
        return self._peers[label]

    def _is_cut(self, label: str) -> bool:
        return label in self._cut

    def _session(self, initiator: bool) -> Session:
        return Session(self._store, self._tags, initiator=initiator)

    def _run(self, peer: _Peer) -> None:
        """The life of one peer's thread."""
        pause_s: float | None = random.uniform(0, PAUSE_S_FIRST)
        while not self._stopping.is_set():
            if peer.wanted.wait(pause_s):
                self._stopping.wait(self._policy.debounce_ms / 1000)
            peer.wanted.clear()
            if self._stopping.is_set():
                return
            report = None if self._is_cut(peer.label) else self._call(peer)
            pause_s = self._pause(peer, report)

    def _pause(self, peer: _Peer, report: Report | None) -> float | None:
        """Seconds until the next session that nobody asks for; None for never."""
        if report is not None and report.error == BUSY:
            peer.wanted.set()
            return random.uniform(0, BUSY_PAUSE_S_MAX)
        if peer.failures and report is not None:
            return min(PAUSE_S_FIRST * 2.0**peer.failures, PAUSE_S_MAX) * random.uniform(0.8, 1.2)
        if not self._policy.interval_s:
            return None
        return self._policy.interval_s * random.uniform(1 - self._policy.jitter, 1 + self._policy.jitter)

    def _call(self, peer: _Peer) -> Report:
        began = time.monotonic()
        report = peer.caller.call()
        if report.error != BUSY and not self._stopping.is_set():
            self._note(peer, report, time.monotonic() - began)
        return report

    def _answered(self, report: Report) -> None:
        """A session that the peer started has ended here."""
        peer = self._peers.get(report.peer)
        if peer is not None and not self._stopping.is_set():
            self._note(peer, report, None)

    def _note(self, peer: _Peer, report: Report, seconds: float | None) -> None:
        """Keep what a session did, tell screens what is worth telling, and pass on what it brought."""
        error = report.error.message if report.error else None
        before = peer.last["error"] if peer.last else None
        peer.reachable = report.error is None or report.error.code not in {"unreachable", "broken_off"}
        peer.failures = 0 if report.error is None else peer.failures + 1
        peer.last = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "seconds": None if seconds is None else round(seconds, 4),
            "sent": report.sent,
            "received": report.received,
            "error": error,
        }
        if report.sent or report.received or error != before:
            self._tell(peer.label, report, peer.last)
        if report.received:
            self._pass_on(but=peer.label)

    def _tell(self, label: str, report: Report, last: dict[str, Any]) -> None:
        counts = {"rolled_back": report.rolled_back, "replayed": report.replayed}
        self._store.tell_session({"peer": label, **last, **counts})

    def _pass_on(self, but: str | None) -> None:
        if self._policy.after_write:
            for peer in self._peers.values():
                if peer.label != but:
                    peer.wanted.set()
