"""Decides when sessions run, and with whom: at an interval, after a write, and on request.

One thread waits for the interval, and each peer has a thread that calls it. If a peer does not answer, its thread calls
again after pauses that grow. Writes that arrive in a session are passed on at once. Peers are added and removed as
membership writes arrive.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from redis import RedisError

from bayou.anti_entropy import Report, Session
from bayou.errors import Away, Conflict, PeerRefusalCode, Refusal, Unknown
from bayou.frames import Hello
from bayou.sender import Reach
from bayou.stamps import AHEAD_US_MAX, DAY_US, moment
from replica.anti_entropy.grpc_transport import PeerClient, PeerServer, SessionParts, UnaryCall
from replica.anti_entropy.partner_policy import choose_partners
from replica.anti_entropy.peer_addresses import peer_addresses
from replica.anti_entropy.session_registry import SessionRegistry
from replica.anti_entropy.tls import read_credentials, read_signing
from replica.clock import Clock, microseconds, utc_now
from replica.config import Address, AntiEntropySettings, Config
from storage.members import label_of
from storage.store import Store

LOGGER = logging.getLogger("bayou.replica")
BUSY_PAUSE_S_MAX = 0.05  # a busy peer is called again after a random part of this
PAUSE_S_FIRST = 0.2  # before a peer that is down is called again; doubles each time
PAUSE_S_MAX = 10.0
BREAK_OFF_S_MAX = 5.0  # how long cutting a link waits for its session to end
UNKNOWN_CALLERS_MAX = 100  # unknown callers whose refusal is noted
HELLOS_MAX = 1000
SYNC_S_MAX = 30.0  # how long a session on request waits for another one to end

AfterSession = Callable[[Report], object]


class _Peer:
    """One peer: its client, the result of the last session, and whether another session is wanted."""

    def __init__(self, label: str, address: Address, client: PeerClient) -> None:
        self.label = label
        self.address = address
        self.client = client
        self.wanted = threading.Event()
        self.gone = False
        self.is_resting = False  # the peer is down, and its thread calls it again by itself
        self.reachable: bool | None = None
        self.failures = 0  # failed sessions in a row
        self.last: dict[str, Any] | None = None
        self.held: Reach | None = None  # at the end of the last session that succeeded
        self.thread: threading.Thread | None = None


def pauses_s(policy: AntiEntropySettings) -> Iterator[float]:
    """Yield the seconds to wait before each automatic round of sessions. The first pause is short. The others last the
    interval, with random variations, so that replicas that started together do not always start sessions at the same
    time."""
    if policy.is_automatic:
        yield random.uniform(0, PAUSE_S_FIRST)
    while policy.interval_s:
        yield policy.interval_s * random.uniform(1 - policy.jitter, 1 + policy.jitter)


class Scheduler:
    """The sessions of one replica. Implements replica.anti_entropy.peers.Peers. `tags` are the applications whose
    writes this replica can execute, each as NAME/VERSION."""

    def __init__(
        self, settings: Config, label: str, store: Store, rules: Mapping[str, str], clock: Clock = utc_now
    ) -> None:
        self._settings = settings
        self._label = label
        self._policy = settings.anti_entropy
        self._store = store
        self._alike = {"auth": settings.auth, "timezone": settings.timezone}
        self._rules = rules
        self._clock = clock
        self._registry = SessionRegistry(label)
        self._cut: set[str] = set()
        self._hellos: dict[str, Hello] = {}  # label -> the last one
        self._warned_of_clock: set[str] = set()  # labels of peers
        self._primary: str | None = None  # its label; None while unknown
        self._unknown_callers: dict[str, str] = {}  # label -> why it was refused
        self._stopping = threading.Event()
        self._changing = threading.Lock()
        self._peers: dict[str, _Peer] = {}  # replaced as a whole, so it may be read without the lock
        self._after_session: AfterSession = lambda _report: None
        credentials = read_credentials(settings, label)
        self.signing = read_signing(settings, label)
        self._parts = SessionParts(self._registry, self._make_session, self._note_hello, credentials)
        address = settings.replica(label).anti_entropy
        self._server = PeerServer(address, self._parts, self._is_cut, self._note_answered)
        self._ticking = threading.Thread(target=self._tick, name="interval", daemon=True)

    def start(self, unary_calls: Mapping[str, UnaryCall], after_session: AfterSession) -> None:
        """Listen for sessions of peers, and start sessions with peers. Peers may make the calls of `unary_calls`.
        `after_session` is called after each session."""
        self._after_session = after_session
        self._cut = self._store.cut_links()
        self._server.start(unary_calls)
        self.refresh()
        self._ticking.start()

    def stop(self) -> None:
        """Cancel the sessions that run, and stop listening."""
        self._stopping.set()
        self._server.stop()
        with self._changing:
            peers = list(self._peers.values())
        for peer in peers:
            peer.wanted.set()
            self._registry.break_off(peer.label)
        for peer in peers:
            if peer.thread is not None:
                peer.thread.join()
        if self._ticking.ident is not None:
            self._ticking.join()

    def refresh(self) -> None:
        """Read the peers from the store, and start or end their threads."""
        state, created = self._store.state(), self._store.members()
        met = self.servers()
        self._primary = label_of(state.primary, created)
        wanted = peer_addresses(self._settings, self._label, state, created, met, self._store.forgotten())
        with self._changing:
            if self._stopping.is_set():
                return
            kept = {label: peer for label, peer in self._peers.items() if wanted.get(label) == peer.address}
            left = [peer for label, peer in self._peers.items() if label not in kept]
            new = [self._make_peer(label, address) for label, address in wanted.items() if label not in kept]
            found = kept | {peer.label: peer for peer in new}
            self._peers = {label: found[label] for label in wanted}
            for peer in left:
                peer.gone = True
                peer.wanted.set()
            for peer in new:
                assert peer.thread is not None
                peer.thread.start()

    def notify_new_write(self) -> None:
        self._pass_on(but=None)

    def status(self) -> list[dict[str, Any]]:
        return [
            {
                "label": peer.label,
                "address": str(peer.address),
                "link": "cut" if self._is_cut(peer.label) else "up",
                "reachable": peer.reachable,
                "busy": self._registry.is_busy(peer.label),
                "last_session": peer.last,
            }
            for peer in self._peers.values()
        ]

    def servers(self) -> dict[str, str]:
        hellos = list(self._hellos.items())
        return {label: hello.server for label, hello in hellos if hello.cluster == self._settings.cluster_id}

    def holders(self, ids: Collection[str]) -> list[str]:
        return [peer.label for peer in self._peers.values() if peer.held and all(peer.held.holds(one) for one in ids)]

    def lacking(self, tag: str) -> list[str]:
        """Return the labels of the peers that are not known to play this version of an application, NAME/VERSION. The
        hello of a session says what a peer can play."""
        hellos = {label: self._hellos.get(label) for label in self._peers}
        return [label for label, hello in hellos.items() if hello is None or tag not in hello.applications]

    def labels(self) -> list[str]:
        return list(self._peers)

    def check_known(self, label: str) -> None:
        """Raise Unknown `peer_unknown` if there is no such peer."""
        self._known(label)

    def linked_address(self, label: str) -> Address:
        """Return the address at which a peer listens. Raises Unknown `peer_unknown`, and Conflict `link_cut` if the
        link to the peer is cut."""
        return self._linked(label).address

    def reachable(self) -> list[str]:
        """Return the labels of the peers to which the link is up, beginning with those whose last session succeeded."""
        up = [peer for peer in self._peers.values() if not self._is_cut(peer.label)]
        return [peer.label for peer in sorted(up, key=lambda peer: (peer.failures, peer.reachable is not True))]

    def sync(self, label: str) -> Report:
        peer = self._linked(label)
        deadline = time.monotonic() + SYNC_S_MAX
        report = self._call(peer)
        while report.code == PeerRefusalCode.BUSY and (left_s := deadline - time.monotonic()) > 0:
            # After a session here ends, call at once: under load the next session with this peer begins soon.
            if self._registry.is_busy(label):
                self._registry.wait_idle(label, left_s)
            else:
                self._stopping.wait(random.uniform(0, BUSY_PAUSE_S_MAX))
            report = self._call(peer)
        if report.code == PeerRefusalCode.LINK_CUT:
            raise Conflict(
                PeerRefusalCode.LINK_CUT,
                f"{label} has cut the link to this replica. Heal the link on {label}.",
                peer=label,
            )
        if report.error is not None:
            raise Away("peer_unreachable", f"The session with {label} failed: {report.error.message}", peer=label)
        return report

    def set_link(self, label: str, *, up: bool) -> None:
        """Cut or heal the link to a peer. After a cut, this method waits until the session with the peer has ended."""
        # The link to a peer that has retired can be healed, since the peer may still have writes to send.
        has_retired = up and label in self._cut and label not in self._peers
        peer = None if has_retired else self._known(label)
        self._store.set_link(label, up=up)
        self._cut = self._cut - {label} if up else self._cut | {label}
        if not up:
            self._registry.break_off(label)
            self._registry.wait_idle(label, BREAK_OFF_S_MAX)
        elif peer is not None:
            peer.failures = 0
            if self._policy.is_automatic:
                peer.wanted.set()

    def _known(self, label: str) -> _Peer:
        if label not in self._peers:
            self.refresh()
        if label not in self._peers:
            known = f"The peers are {', '.join(self._peers)}." if self._peers else "There is no peer yet."
            raise Unknown("peer_unknown", f"There is no peer {label!r}. {known}", peer=label)
        return self._peers[label]

    def _linked(self, label: str) -> _Peer:
        peer = self._known(label)
        if self._is_cut(label):
            raise Conflict(PeerRefusalCode.LINK_CUT, f"The link to {label} is cut here. Heal it first.", peer=label)
        return peer

    def _is_cut(self, label: str) -> bool:
        return label in self._cut

    def _note_hello(self, hello: Hello) -> None:
        before = self._hellos.get(hello.label)
        if before is not None or len(self._hellos) < HELLOS_MAX:
            self._hellos[hello.label] = hello
            if hello.cluster == self._settings.cluster_id and (before is None or before.settings != hello.settings):
                self._warn_of_settings(hello)
            self._warn_of_clock(hello)

    def _warn_of_settings(self, hello: Hello) -> None:
        """Log a warning for each setting that differs and should be the same at the two replicas. The session
        continues: when a setting is changed, the replicas are changed one after the other."""
        one, other = self._label, hello.label
        here, there = self._alike, hello.settings
        if (here["auth"] == "none") != (there.get("auth", here["auth"]) == "none"):
            strict, lax = (other, one) if here["auth"] == "none" else (one, other)
            LOGGER.warning(
                "%s makes its clients log in, and %s does not (auth: none). A client of %s can use any name, and its"
                " writes count on every replica. Give both the same configuration.",
                strict,
                lax,
                lax,
            )
        if here["timezone"] != there.get("timezone", here["timezone"]):
            LOGGER.warning(
                "%s has the time zone %s, and %s has %s. Each judges opening hours and shows times in its own zone."
                " Give both the same configuration.",
                one,
                here["timezone"],
                other,
                there["timezone"],
            )

    def _warn_of_clock(self, hello: Hello) -> None:
        """Log a warning if the clocks of the two replicas are more than a day apart: once for each peer, until they
        agree again. If they are more than a year apart, the session is refused, and the refusal says so."""
        now_us = self._now_us()
        if abs(hello.clock - now_us) <= DAY_US:
            self._warned_of_clock.discard(hello.label)
        elif abs(hello.clock - now_us) <= AHEAD_US_MAX and hello.label not in self._warned_of_clock:
            self._warned_of_clock.add(hello.label)
            LOGGER.warning(
                "The clock of %s says %s, and the clock of %s says %s. Tentative writes are ordered by these clocks:"
                " correct the wrong one.",
                self._label,
                moment(now_us),
                hello.label,
                moment(hello.clock),
            )

    def _now_us(self) -> int:
        return microseconds(self._clock())

    def _make_session(self, initiator: bool) -> Session:
        return Session(
            self._store,
            self._rules,
            initiator=initiator,
            clock_us=self._now_us,
            settings=self._alike,
            signing=self.signing,
        )

    def _make_peer(self, label: str, address: Address) -> _Peer:
        peer = _Peer(label, address, PeerClient(label, address, self._parts))
        peer.thread = threading.Thread(target=self._run, args=(peer,), name=f"peer-{label}", daemon=True)
        return peer

    def _tick(self) -> None:
        """Ask for sessions at each interval. Runs in the thread that keeps the interval. Peers that do not answer are
        left out, because their own threads call them again."""
        for pause_s in pauses_s(self._policy):
            if self._stopping.wait(pause_s):
                return
            peers = self._peers
            for label in self._partners([peer.label for peer in peers.values() if not peer.is_resting]):
                peers[label].wanted.set()

    def _run(self, peer: _Peer) -> None:
        """Call one peer whenever a session is wanted. Runs in the thread of that peer."""
        pause_s: float | None = None
        while True:
            if peer.wanted.wait(pause_s):
                self._stopping.wait(self._policy.debounce_ms / 1000)
            peer.wanted.clear()
            if self._stopping.is_set() or peer.gone:
                peer.client.close()
                return
            report = None if self._is_cut(peer.label) else self._call(peer)
            pause_s = self._pause(peer, report)
            peer.is_resting = pause_s is not None

    def _pause(self, peer: _Peer, report: Report | None) -> float | None:
        """Return the seconds until a peer is called again after a session that failed. Returns None if the peer's
        thread should wait until a session is wanted."""
        if report is not None and report.code == PeerRefusalCode.BUSY:
            peer.wanted.set()
            return random.uniform(0, BUSY_PAUSE_S_MAX)
        if peer.failures and report is not None:
            return min(PAUSE_S_FIRST * 2.0**peer.failures, PAUSE_S_MAX) * random.uniform(0.8, 1.2)
        return None

    def _call(self, peer: _Peer) -> Report:
        began = time.monotonic()
        report = peer.client.call()
        if report.code != PeerRefusalCode.BUSY and not self._stopping.is_set():
            self._note(report, peer.label, time.monotonic() - began)
        return report

    def _note_answered(self, report: Report) -> None:
        """Record the result of a session that a peer started."""
        if not self._stopping.is_set():
            self._note(report, report.peer, None)

    def _note(self, report: Report, label: str, seconds: float | None) -> None:
        """Follow up a session: refresh the peers, record the result, and pass on the writes that arrived. If the
        storage cannot be reached, only pass the writes on."""
        try:
            self._follow(report, label)
            peer = self._peers.get(label)
            if peer is not None:
                self._keep(peer, report, seconds)
            elif report.error is not None:
                self._record_unknown_caller(label, report.error.message)
        except (RedisError, Refusal) as error:
            LOGGER.warning("after a session with %s: %s", label, error)
        if report.received:
            # A primary has committed what it received in a session that it started, and the peer does not know yet.
            owes = seconds is not None and self._primary == self._label
            self._pass_on(but=None if owes else label)

    def _follow(self, report: Report, label: str) -> None:
        """Refresh the peers if the session may have changed the members or the primary. Then call `_after_session`,
        which heals what the session showed, and commits if this replica is the primary."""
        if report.received or report.installed or (label not in self._peers and report.error is None):
            self.refresh()
        self._after_session(report)

    def _keep(self, peer: _Peer, report: Report, seconds: float | None) -> None:
        """Record the result of a session. Add an event if something was sent or received, or if the error changed."""
        error = report.error.message if report.error else None
        before = peer.last["error"] if peer.last else None
        peer.reachable = report.code not in {PeerRefusalCode.UNREACHABLE, PeerRefusalCode.BROKEN_OFF}
        peer.failures = 0 if report.error is None else peer.failures + 1
        peer.held = report.held or peer.held
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

    def _record_unknown_caller(self, label: str, error: str) -> None:
        """Record the refusal of a caller that is not a peer. The same error is recorded only once, because the caller
        may call again and again."""
        if self._unknown_callers.get(label) != error and len(self._unknown_callers) < UNKNOWN_CALLERS_MAX:
            self._unknown_callers[label] = error
            self._store.add_session_event({"peer": label, "sent": 0, "received": 0, "error": error})

    def _partners(self, labels: Sequence[str]) -> list[str]:
        reachable = [label for label in labels if not self._is_cut(label)]
        return choose_partners(self._policy.partners, reachable, self._primary)

    def _pass_on(self, but: str | None) -> None:
        peers = self._peers
        if self._policy.after_write:
            for label in self._partners([peer.label for peer in peers.values() if peer.label != but]):
                peers[label].wanted.set()
