"""When anti-entropy runs, and with whom: at an interval, at once after a write, and on request.

One thread sees to the interval, and one a peer calls it when that is wanted; a peer that is down is tried again with
growing pauses. What a session brought is passed on at once. Peers come and go as the membership writes say.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from redis import RedisError

from apps.api.application import Application
from bayou.anti_entropy import Report, Session
from bayou.errors import Away, Conflict, RefusalCode, Unknown
from bayou.frames import Hello
from bayou.store import AntiEntropyStore
from replica.anti_entropy.grpc_transport import Caller, Listener, Pairs
from replica.anti_entropy.partner_policy import partners
from replica.anti_entropy.peer_addresses import roster
from replica.anti_entropy.peers import Membership
from replica.anti_entropy.tls import read_credentials
from replica.config import Address, AntiEntropySettings, Config
from storage.members import Member, label_of

LOGGER = logging.getLogger("bayou.replica")
BUSY_PAUSE_S_MAX = 0.05  # a busy peer is asked again after a random part of this
PAUSE_S_FIRST = 0.2  # before a peer that is down is tried again; doubles each time
PAUSE_S_MAX = 10.0
BREAK_OFF_S_MAX = 5.0  # how long cutting a link waits for its session to end
STRANGERS_MAX = 100  # callers that are no peers whose refusal is told
HELLOS_MAX = 1000
SYNC_S_MAX = 30.0  # how long a session on request waits for one that is going on


class SchedulerStore(AntiEntropyStore, Protocol):
    """What the scheduler needs of the store, beside the sessions."""

    def cut_links(self) -> set[str]: ...

    def set_link(self, peer: str, *, up: bool) -> None: ...

    def add_session_event(self, report: dict[str, Any]) -> None: ...

    def members(self) -> list[Member]: ...


class _Peer:
    """One peer: its caller, what became of the last session, and whether one is wanted."""

    def __init__(self, label: str, address: Address, caller: Caller) -> None:
        self.label = label
        self.address = address
        self.caller = caller
        self.wanted = threading.Event()
        self.gone = False
        self.is_resting = False  # it is down, and its thread tries again by itself
        self.reachable: bool | None = None
        self.failures = 0  # sessions in a row that did not come about
        self.last: dict[str, Any] | None = None
        self.thread: threading.Thread | None = None


def pauses_s(policy: AntiEntropySettings) -> Iterator[float]:
    """Seconds before each round of sessions that starts by itself: the first one soon, the others at the interval, so
    varied that replicas which were started together do not stay in step."""
    if policy.is_automatic:
        yield random.uniform(0, PAUSE_S_FIRST)
    while policy.interval_s:
        yield policy.interval_s * random.uniform(1 - policy.jitter, 1 + policy.jitter)


class Scheduler:
    """The sessions of one replica; implements replica.anti_entropy.peers.LivePeers."""

    def __init__(
        self, settings: Config, label: str, store: SchedulerStore, applications: Sequence[Application]
    ) -> None:
        self._settings = settings
        self._label = label
        self._policy: AntiEntropySettings = settings.anti_entropy
        self._store = store
        self._asks_for_tokens = settings.auth == "tokens"
        self._tags = [application.tag for application in applications]
        self._pairs = Pairs(label)
        self._cut: set[str] = set()
        self._hellos: dict[str, Hello] = {}  # label -> the last one
        self._primary: str | None = None  # its label, as far as it is known
        self._strangers: dict[str, str] = {}  # label -> why it was refused
        self._stopping = threading.Event()
        self._changing = threading.Lock()
        self._peers: dict[str, _Peer] = {}  # replaced as a whole, so that it can be read at any time
        self._membership: Membership | None = None
        address = settings.replica(label).anti_entropy
        self._credentials = read_credentials(settings, label)
        heard = self._session, self._is_cut, self._answered, self._met
        self._listener = Listener(address, self._pairs, *heard, self._credentials)
        self._ticking = threading.Thread(target=self._tick, name="interval", daemon=True)

    def start(self, membership: Membership) -> None:
        """Listen for sessions and begin to start some."""
        self._membership = membership
        self._cut = self._store.cut_links()
        self._listener.start(membership.unary())
        self.refresh()
        self._ticking.start()

    def stop(self) -> None:
        """End what is open, and stop listening."""
        self._stopping.set()
        self._listener.stop()
        with self._changing:
            peers = list(self._peers.values())
        for peer in peers:
            peer.wanted.set()
            self._pairs.break_off(peer.label)
        for peer in peers:
            if peer.thread is not None:
                peer.thread.join()
        if self._ticking.ident is not None:
            self._ticking.join()

    def refresh(self) -> None:
        """Look in the store who the peers are; threads come and go."""
        state, created = self._store.state(), self._store.members()
        met = {label: hello.server for label, hello in list(self._hellos.items())}
        self._primary = label_of(state.primary, created)
        wanted = roster(self._settings, self._label, state, created, met)
        with self._changing:
            if self._stopping.is_set():
                return
            kept = {label: peer for label, peer in self._peers.items() if wanted.get(label) == peer.address}
            left = [peer for label, peer in self._peers.items() if label not in kept]
            new = [self._peer(label, address) for label, address in wanted.items() if label not in kept]
            found = kept | {peer.label: peer for peer in new}
            self._peers = {label: found[label] for label in wanted}
            for peer in left:
                peer.gone = True
                peer.wanted.set()
            for peer in new:
                assert peer.thread is not None
                peer.thread.start()

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

    def address_of(self, label: str) -> Address:
        return self._known(label).address

    def reachable(self) -> list[str]:
        """The labels of the peers to which a link is up, those that answered last first."""
        up = [peer for peer in self._peers.values() if not self._is_cut(peer.label)]
        return [peer.label for peer in sorted(up, key=lambda peer: (peer.failures, peer.reachable is not True))]

    def sync(self, label: str) -> Report:
        """Run one session to its end; raises Unknown peer_unknown, Conflict link_cut, Away peer_unreachable."""
        peer = self._known(label)
        if self._is_cut(label):
            raise Conflict(RefusalCode.LINK_CUT, f"The link to {label} is cut here. Heal it first.", peer=label)
        deadline = time.monotonic() + SYNC_S_MAX
        report = self._call(peer)
        while report.code == RefusalCode.BUSY and time.monotonic() < deadline:
            self._pairs.wait_idle(label, BUSY_PAUSE_S_MAX)
            self._stopping.wait(random.uniform(0, BUSY_PAUSE_S_MAX))
            report = self._call(peer)
        if report.code == RefusalCode.LINK_CUT:
            raise Conflict(
                RefusalCode.LINK_CUT, f"{label} has cut the link to this replica. Heal it there.", peer=label
            )
        if report.error is not None:
            raise Away("peer_unreachable", f"No session with {label}: {report.error.message}", peer=label)
        return report

    def set_link(self, label: str, *, up: bool) -> None:
        """Cut or heal the link to a peer. Once it is cut no session is under way."""
        if up and label in self._cut and label not in self._peers:
            # It has retired, and may have something to tell before it ends.
            self._store.set_link(label, up=True)
            self._cut = self._cut - {label}
            return
        peer = self._known(label)
        self._store.set_link(label, up=up)
        if up:
            self._cut = self._cut - {label}
            peer.failures = 0
            if self._policy.is_automatic:
                peer.wanted.set()
        else:
            self._cut = self._cut | {label}
            self._pairs.break_off(label)
            self._pairs.wait_idle(label, BREAK_OFF_S_MAX)

    def _known(self, label: str) -> _Peer:
        if label not in self._peers:
            self.refresh()
        if label not in self._peers:
            known = f"The peers are {', '.join(self._peers)}." if self._peers else "There is no peer yet."
            raise Unknown("peer_unknown", f"There is no peer {label!r}. {known}", peer=label)
        return self._peers[label]

    def _is_cut(self, label: str) -> bool:
        return label in self._cut

    def _met(self, hello: Hello) -> None:
        before = self._hellos.get(hello.label)
        if before is not None or len(self._hellos) < HELLOS_MAX:
            self._hellos[hello.label] = hello
            if before is None or before.asks_for_tokens != hello.asks_for_tokens:
                self._warn_of_open_door(hello)

    def _warn_of_open_door(self, hello: Hello) -> None:
        """It is no reason to refuse: so it is while a cluster goes over to tokens, one replica after the other."""
        if hello.asks_for_tokens in {None, self._asks_for_tokens} or hello.cluster != self._settings.cluster_id:
            return
        asking, open_door = self._label, hello.label
        if not self._asks_for_tokens:
            asking, open_door = open_door, asking
        LOGGER.warning(
            "%s asks its clients for tokens, and %s does not (auth: none). Whoever reaches %s may use any name, and"
            " what they do there counts everywhere: give both the same configuration.",
            asking,
            open_door,
            open_door,
        )

    def _session(self, initiator: bool) -> Session:
        return Session(self._store, self._tags, initiator=initiator, asks_for_tokens=self._asks_for_tokens)

    def _peer(self, label: str, address: Address) -> _Peer:
        caller = Caller(label, address, self._pairs, self._session, self._met, self._credentials)
        peer = _Peer(label, address, caller)
        peer.thread = threading.Thread(target=self._run, args=(peer,), name=f"peer-{label}", daemon=True)
        return peer

    def _tick(self) -> None:
        """The life of the thread of the interval. Peers that are down have pauses of their own."""
        for pause_s in pauses_s(self._policy):
            if self._stopping.wait(pause_s):
                return
            peers = self._peers
            for label in self._partners([peer.label for peer in peers.values() if not peer.is_resting]):
                peers[label].wanted.set()

    def _run(self, peer: _Peer) -> None:
        """The life of one peer's thread."""
        pause_s: float | None = None
        while True:
            if peer.wanted.wait(pause_s):
                self._stopping.wait(self._policy.debounce_ms / 1000)
            peer.wanted.clear()
            if self._stopping.is_set() or peer.gone:
                peer.caller.close()
                return
            report = None if self._is_cut(peer.label) else self._call(peer)
            pause_s = self._pause(peer, report)
            peer.is_resting = pause_s is not None

    def _pause(self, peer: _Peer, report: Report | None) -> float | None:
        """Seconds until a peer that did not answer is tried again; None for when a session is wanted."""
        if report is not None and report.code == RefusalCode.BUSY:
            peer.wanted.set()
            return random.uniform(0, BUSY_PAUSE_S_MAX)
        if peer.failures and report is not None:
            return min(PAUSE_S_FIRST * 2.0**peer.failures, PAUSE_S_MAX) * random.uniform(0.8, 1.2)
        return None

    def _call(self, peer: _Peer) -> Report:
        began = time.monotonic()
        report = peer.caller.call()
        if report.code != RefusalCode.BUSY and not self._stopping.is_set():
            self._note(report, peer.label, time.monotonic() - began)
        return report

    def _answered(self, report: Report) -> None:
        """A session that the peer started has ended here."""
        if not self._stopping.is_set():
            self._note(report, report.peer, None)

    def _note(self, report: Report, label: str, seconds: float | None) -> None:
        """See to what follows from a session, as far as the storage can be had."""
        try:
            self._follow(report, label)
            peer = self._peers.get(label)
            if peer is not None:
                self._keep(peer, report, seconds)
            elif report.error is not None:
                self._tell_of_stranger(label, report.error.message)
        except RedisError as error:
            LOGGER.warning("after a session with %s: %s", label, error)
        if report.received:
            # What a primary received in a session that it began is committed here, and not known there yet.
            owes = seconds is not None and self._primary == self._label
            self._pass_on(but=None if owes else label)

    def _follow(self, report: Report, label: str) -> None:
        """Membership may have changed, or the role, or it was found that this replica has lost something."""
        hello = self._hellos.get(label)
        if report.received or report.installed or (label not in self._peers and report.error is None):
            self.refresh()
        if self._membership is not None:
            self._membership.after_session(report.code, hello.vector if hello else {})

    def _keep(self, peer: _Peer, report: Report, seconds: float | None) -> None:
        """Keep what a session did, and tell screens what is worth telling."""
        error = report.error.message if report.error else None
        before = peer.last["error"] if peer.last else None
        peer.reachable = report.code not in {RefusalCode.UNREACHABLE, RefusalCode.BROKEN_OFF}
        peer.failures = 0 if report.error is None else peer.failures + 1
        peer.last = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "seconds": None if seconds is None else round(seconds, 4),
            "sent": report.sent,
            "received": report.received,
            "error": error,
        }
        if report.sent or report.received or error != before:
            counts = {"rolled_back": report.rolled_back, "replayed": report.replayed}
            self._store.add_session_event({"peer": peer.label, **peer.last, **counts})

    def _tell_of_stranger(self, label: str, error: str) -> None:
        """Somebody who is no peer has called and was refused: told once, for it may call again and again."""
        if self._strangers.get(label) != error and len(self._strangers) < STRANGERS_MAX:
            self._strangers[label] = error
            self._store.add_session_event({"peer": label, "sent": 0, "received": 0, "error": error})

    def _partners(self, labels: Sequence[str]) -> list[str]:
        return partners(self._policy.partners, [label for label in labels if not self._is_cut(label)], self._primary)

    def _pass_on(self, but: str | None) -> None:
        peers = self._peers
        if self._policy.after_write:
            for label in self._partners([peer.label for peer in peers.values() if peer.label != but]):
                peers[label].wanted.set()
