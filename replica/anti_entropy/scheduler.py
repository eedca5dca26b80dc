"""Decides when sessions run, and with whom: at an interval, after a write, and on request.

With the setting `after_write`, this replica has a standing session with each peer that the policy always chooses. A
standing session stays open, and carries new writes and commits in both directions.

All sessions run in one event loop. Each peer has a task in this loop, which calls the peer. If the peer does not
answer, the task calls again after a pause. After each failure, the pause is longer, up to about PAUSE_S_MAX seconds.
Peers are added and removed when membership writes arrive.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from redis import RedisError

from bayou.anti_entropy import PROTOCOL, Report, Session
from bayou.arrivals import Arrivals
from bayou.errors import Away, Conflict, PeerRefusalCode, Refusal, Unknown
from bayou.frames import Hello
from bayou.state import State
from bayou.window import PeerMemory
from replica.anti_entropy.event_loop import EventLoop, Tasks
from replica.anti_entropy.grpc_client import PeerClient
from replica.anti_entropy.grpc_server import BUSY, Answering, PeerServer, UnaryCall
from replica.anti_entropy.hellos import Hellos
from replica.anti_entropy.partner_policy import choose_partners
from replica.anti_entropy.peer_addresses import peer_addresses
from replica.anti_entropy.session_parts import SessionParts
from replica.anti_entropy.session_registry import SessionRegistry
from replica.anti_entropy.session_results import AfterSession, PeerRecord, SessionResults
from replica.anti_entropy.tls import read_credentials, read_signing
from replica.clock import Clock, microseconds, utc_now
from replica.config import Address, AntiEntropySettings, Config
from replica.events.frame_ring import NOT_RECORDING, FrameRing
from storage.members import label_of
from storage.queries import Pace
from storage.store import Store

LOGGER = logging.getLogger("bayou.replica")
BROKEN = {PeerRefusalCode.BROKEN_OFF, PeerRefusalCode.UNREACHABLE}  # codes of a session that ended without Done
BUSY_PAUSE_S_MAX = 0.05  # a busy peer is called again after a random part of this
PAUSE_S_FIRST = 0.2  # before a peer that is down is called again; doubles each time
PAUSE_S_MAX = 10.0
DOUBLINGS_MAX = 10  # of that pause; more than 1,000 failures in a row would be too many for a float
CLOSE_S_MAX = 2.0  # how long a stop waits for the standing sessions to end by themselves
BREAK_OFF_S_MAX = 5.0  # how long cutting a link waits for its session to end
SYNC_S_MAX = 30.0  # how long a request for a session tries again while the peer is busy
READ_EVERY_S = 0.2  # how often the peers are read from the store while writes arrive
TELL_AFTER_S = 0.2  # how long after a write the peers are told what this replica holds


class _Peer:
    """One peer, with the task that calls the peer. `wanted` is set when the task should start a session. `record` has
    the results of the sessions."""

    def __init__(self, label: str, address: Address, client: PeerClient) -> None:
        self.label = label
        self.address = address
        self.client = client
        self.wanted = asyncio.Event()
        self.is_gone = False
        self.is_resting = False  # the peer is down, and its task calls it again by itself
        self.record = PeerRecord()
        self.task: asyncio.Task[None] | None = None


def pauses_s(policy: AntiEntropySettings) -> Iterator[float]:
    """Yield the seconds to wait before each automatic round of sessions. The first pause is short. Each later pause is
    the interval with a random variation. So replicas that started together do not always start sessions at the same
    time."""
    if policy.is_automatic:
        yield random.uniform(0, PAUSE_S_FIRST)
    while policy.interval_s:
        yield policy.interval_s * random.uniform(1 - policy.jitter, 1 + policy.jitter)


def retry_pause_s(failures: int) -> float:
    """Return the seconds to wait before a peer is called again, after `failures` failed sessions in a row."""
    return min(PAUSE_S_FIRST * 2.0 ** min(failures, DOUBLINGS_MAX), PAUSE_S_MAX) * random.uniform(0.8, 1.2)


class Scheduler:
    """The sessions of one replica. Implements replica.anti_entropy.peers.Peers. `rules` has an entry for each
    application that this replica can play. The key is NAME/VERSION, and the value is a hash of the application's
    rules."""

    def __init__(
        self,
        settings: Config,
        label: str,
        store: Store,
        rules: Mapping[str, str],
        clock: Clock = utc_now,
        frames: FrameRing = NOT_RECORDING,
    ) -> None:
        self._settings = settings
        self._label = label
        self._policy = settings.anti_entropy
        self._pause_s = self._policy.debounce_ms / 1000
        self._store = store
        self._alike = {"auth": settings.auth, "timezone": settings.timezone}
        self._rules = rules
        self._clock = clock
        self._hellos = Hellos(label, settings.cluster_id, self._alike, self._now_us)
        self._arrivals = Arrivals(self._pause_s) if self._policy.after_write else None
        self._memory = PeerMemory()  # for Session
        self._cut: set[str] = set()
        self._primary: str | None = None  # its label; None while unknown
        self._is_stopping = False
        self._peers: dict[str, _Peer] = {}  # replaced as a whole, in the event loop, so any thread may read it
        self._results = SessionResults(store, self._record_of, self.refresh, lambda _report: None)
        credentials = read_credentials(settings, label)
        self.signing = read_signing(settings, label)
        self._loop = EventLoop()
        self._registry = SessionRegistry(label, self._is_cut, self._is_paused)
        self._parts = SessionParts(
            self._loop, self._registry, self._make_session, self._hellos.note, credentials, self._pause_s, frames
        )
        answering = Answering(self._is_peer, self._is_cut, self._is_paused, self._note_progress, self._note_answered)
        self._server = PeerServer(settings.replica(label).anti_entropy, self._parts, answering)
        self._tasks = Tasks()
        self._telling: asyncio.TimerHandle | None = None
        self._read_at_s = 0.0  # when the peers were last read from the store
        self._is_told_of_writes = False
        self._ticking: asyncio.Task[None] | None = None

    def start(self, unary_calls: Mapping[str, UnaryCall], after_session: AfterSession) -> None:
        """Listen for sessions of peers, and start sessions with peers. Peers may make the calls of `unary_calls`.
        `after_session` is called after each session. In a standing session, `after_session` is also called whenever
        this replica has received something."""
        self._results = SessionResults(self._store, self._record_of, self.refresh, after_session)
        self._cut = self._store.cut_links()
        self.refresh()  # before peers call: only a session with a known peer may stay open
        self._server.start(unary_calls)
        self._loop.wait(self._start_ticking())

    def stop(self) -> None:
        """End the sessions that run, and stop listening."""
        self._is_stopping = True
        self._loop.wait(self._stop())
        self._loop.close()

    async def _start_ticking(self) -> None:
        self._ticking = asyncio.create_task(self._tick())

    async def _stop(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        await self._registry.close(CLOSE_S_MAX)
        labels = self._registry.labels()
        await asyncio.gather(
            *(self._registry.break_off(one, "This replica is stopping.", BREAK_OFF_S_MAX) for one in labels)
        )
        await self._server.stop()
        await asyncio.gather(*(self._end(peer) for peer in self._peers.values()))

    def refresh(self) -> None:
        """Read the peers from the store, and start or end their tasks. End each standing session in which the hello of
        this replica is out of date."""
        if not self._is_stopping:
            self._loop.wait(self._replace(*self._read()))

    def _read(self) -> tuple[State, Mapping[str, Address]]:
        """Return the state of this replica, and the address of each peer."""
        state, created = self._store.state(), self._store.members()
        self._primary = label_of(state.primary, created)
        forgotten = self._store.forgotten()
        return state, peer_addresses(self._settings, self._label, state, created, self.servers(), forgotten)

    async def _replace(self, state: State, wanted: Mapping[str, Address]) -> None:
        """Start or end the tasks of peers. Tell the peers what this replica holds."""
        kept = {label: peer for label, peer in self._peers.items() if wanted.get(label) == peer.address}
        left = [peer for label, peer in self._peers.items() if label not in kept]
        new = {label: self._make_peer(label, address) for label, address in wanted.items() if label not in kept}
        found = kept | new
        self._peers = {label: found[label] for label in wanted}
        for peer in left:
            self._tasks.start(self._end(peer))
        for peer in new.values():
            peer.task = asyncio.create_task(self._run(peer))
            if self._policy.after_write:
                peer.wanted.set()  # earlier arrivals were passed on to the other peers only
        self._update(state)

    def _update(self, state: State) -> None:
        for label in self._registry.labels():
            if standing := self._registry.standing(label):
                standing.update(state)

    async def _end(self, peer: _Peer) -> None:
        """Wait until the session with a peer has ended. Then end the peer's task."""
        peer.is_gone = True
        while self._registry.has_session(peer.label):
            await self._registry.wait_change(BREAK_OFF_S_MAX)
        if peer.task is not None:
            peer.task.cancel()
        await peer.client.close()

    def notify_new_write(self) -> None:
        if not self._is_told_of_writes:
            self._is_told_of_writes = True
            self._loop.soon(self._send_new_writes)

    def _send_new_writes(self) -> None:
        self._is_told_of_writes = False
        self._pass_on()
        self._tell_in(TELL_AFTER_S)

    def status(self) -> list[dict[str, Any]]:
        return [
            {
                "label": peer.label,
                "address": str(peer.address),
                "link": "cut" if self._is_cut(peer.label) else "up",
                "reachable": peer.record.reachable,
                "busy": self._registry.is_busy(peer.label),
                "last_session": peer.record.last,
            }
            for peer in self._peers.values()
        ]

    def servers(self) -> dict[str, str]:
        return self._hellos.servers()

    def holders(self, ids: Collection[str]) -> list[str]:
        found = []
        for peer in self._peers.values():
            standing = self._registry.standing(peer.label)
            held = (standing and standing.held) or peer.record.held
            if held and all(map(held.holds, ids)):
                found.append(peer.label)
        return found

    def lacking(self, tag: str) -> list[str]:
        """Return the labels of the peers that may be unable to play the application `tag` (NAME/VERSION). These are the
        peers whose last hello does not list the application, and the peers that have not said hello yet."""
        hellos = {label: self._hellos.get(label) for label in self._peers}
        return [label for label, hello in hellos.items() if hello is None or tag not in hello.applications]

    def labels(self) -> list[str]:
        return list(self._peers)

    def check_known(self, label: str) -> None:
        """Raise Unknown `peer_unknown` if there is no such peer."""
        self._known(label)

    def linked_address(self, label: str) -> Address:
        """Return the address at which a peer listens. Raises Unknown `peer_unknown` if there is no such peer, and
        Conflict `link_cut` if the link to the peer is cut."""
        return self._linked(label).address

    def reachable(self) -> list[str]:
        """Return the labels of the peers to which the link is up. Peers whose last session succeeded come first."""
        up = [peer for peer in self._peers.values() if not self._is_cut(peer.label)]
        up.sort(key=lambda peer: (peer.record.failures, peer.record.reachable is not True))
        return [peer.label for peer in up]

    def sync(self, label: str) -> Report:
        report = self._loop.wait(self._sync(self._linked(label)))
        if report.code == PeerRefusalCode.LINK_CUT:
            raise Conflict(
                PeerRefusalCode.LINK_CUT,
                f"{label} has cut the link to this replica. Heal the link on {label}.",
                peer=label,
            )
        if report.error is not None:
            raise Away("peer_unreachable", f"The session with {label} failed: {report.error.message}", peer=label)
        return report

    async def _sync(self, peer: _Peer) -> Report:
        """Exchange all writes with a peer, in the open session or in a new session. If the peer is busy or the open
        session breaks, try again. After SYNC_S_MAX seconds, do not try again. For example, the open session breaks if
        the peer starts another session."""
        deadline_s = time.monotonic() + SYNC_S_MAX
        while True:
            standing = self._registry.standing(peer.label)
            report = await (standing.sync() if standing else self._request_session(peer))
            left_s = deadline_s - time.monotonic()
            has_broken = standing is not None and report.code in BROKEN
            if not (has_broken or report.code == PeerRefusalCode.BUSY) or left_s <= 0:
                return report
            if self._registry.standing(peer.label) is None:
                # After a session here ends, call at once: under load the next session with this peer begins soon.
                pause_s = random.uniform(0, BUSY_PAUSE_S_MAX)
                await self._registry.wait_change(left_s if self._registry.has_session(peer.label) else pause_s)

    async def _request_session(self, peer: _Peer) -> Report:
        """Call a peer because a person asked for a session, and return the report of this session. If a standing
        session with the peer opens first, return at once a report with the error `busy`. The caller can then use the
        standing session."""
        call = asyncio.create_task(self._call(peer, requested=True))
        self._tasks.keep(call)
        opening = [call, asyncio.create_task(self._registry.wait_standing(peer.label))]
        await asyncio.wait(opening, return_when=asyncio.FIRST_COMPLETED)
        opening[1].cancel()
        return call.result() if call.done() else Report(peer=peer.label, error=BUSY)

    def set_link(self, label: str, *, up: bool) -> None:
        """Cut or heal the link to a peer. After a cut, this method waits until the session with the peer has ended."""
        # The link to a peer that has retired can be healed, since the peer may still have writes to send.
        has_retired = up and label in self._cut and label not in self._peers
        peer = None if has_retired else self._known(label)
        self._store.set_link(label, up=up)
        self._cut = self._cut - {label} if up else self._cut | {label}
        if not up:
            self._loop.wait(self._registry.break_off(label, "The link is cut.", BREAK_OFF_S_MAX))
        elif peer is not None:
            peer.record.failures = 0
            if self._policy.is_automatic:
                self._loop.soon(peer.wanted.set)

    def set_pace(self, pace: Pace) -> None:
        self._store.set_pace(pace)
        if self._is_paused():
            self._loop.wait(self._registry.pause("This replica has manual pace.", BREAK_OFF_S_MAX))
        elif self._policy.is_automatic:
            self._loop.soon(self._call_again)

    def _call_again(self) -> None:
        for peer in self._peers.values():
            peer.record.failures = 0
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
            raise Conflict(
                PeerRefusalCode.LINK_CUT,
                f"The link to {label} is cut on this replica. Heal the link: `link heal {label}`.",
                peer=label,
            )
        return peer

    def _is_cut(self, label: str) -> bool:
        return label in self._cut

    def _is_paused(self) -> bool:
        return self._store.pace == "manual"

    def _is_peer(self, hello: Hello) -> bool:
        """Return whether the hello comes from a peer of this cluster that has the same version of the protocol."""
        ours = hello.cluster == self._settings.cluster_id and hello.protocol == PROTOCOL
        return ours and hello.label in self._peers

    def _now_us(self) -> int:
        return microseconds(self._clock())

    def _make_session(self, *, initiator: bool, stands: bool) -> Session:
        return Session(
            self._store,
            self._rules,
            initiator=initiator,
            clock_us=self._now_us,
            settings=self._alike,
            signing=self.signing,
            arrivals=self._arrivals if stands and not self._is_paused() else None,
            memory=self._memory,
        )

    def _make_peer(self, label: str, address: Address) -> _Peer:
        client = PeerClient(label, address, self._parts, partial(self._note_progress, label))
        return _Peer(label, address, client)

    # In the event loop.

    async def _tick(self) -> None:
        """At each interval, tell the peers what this replica holds, and request sessions with the partners. Leave out
        a peer whose last session failed, because the task of this peer tries again after a pause."""
        for pause_s in pauses_s(self._policy):
            await asyncio.sleep(pause_s)
            self._tell_in(0)
            peers = self._peers
            for peer in peers.values():
                if self._registry.standing(peer.label) and not self._registry.is_busy(peer.label):
                    peer.record.note_still_open()
            for label in self._partners([peer.label for peer in peers.values() if not peer.is_resting]):
                self._request(peers[label])

    def _request(self, peer: _Peer, *, waits: bool = False) -> None:
        """If a session with the peer is open, send new writes and commits in this session. With `waits`, pause before
        sending. If no session is open, tell the peer's task to start a session."""
        standing = self._registry.standing(peer.label)
        if standing is not None:
            standing.push(standing.session.pause_s if waits else 0.0)
        else:
            peer.wanted.set()

    async def _run(self, peer: _Peer) -> None:
        """Call one peer whenever a session is wanted. After a failed session, pause before the next call, even if new
        writes arrive."""
        pause_s: float | None = None
        while not (self._is_stopping or peer.is_gone):
            try:
                await asyncio.sleep(min(pause_s or 0.0, PAUSE_S_FIRST) if peer.record.failures else 0.0)
                await asyncio.wait_for(peer.wanted.wait(), pause_s)
                await asyncio.sleep(self._pause_s)
            except TimeoutError:
                pass
            peer.wanted.clear()
            try:
                pause_s = await self._go_on(peer)
            except Exception:
                LOGGER.exception("a session with %s failed", peer.label)
                peer.record.failures, pause_s = peer.record.failures + 1, PAUSE_S_MAX
            peer.is_resting = pause_s is not None

    async def _go_on(self, peer: _Peer) -> float | None:
        """If a session with the peer is open, send new writes and commits in this session. Otherwise call the peer,
        unless the link is cut or this replica has manual pace. Return the seconds until the next call. Return None if
        the peer's task should wait until a session is wanted."""
        if standing := self._registry.standing(peer.label):
            standing.push()
            return None
        if self._is_cut(peer.label) or self._is_paused():
            return None
        return self._pause(peer, await self._call(peer))

    def _stands_with(self, label: str) -> bool:
        """Return whether a session with this peer stays open. A session stays open if `after_write` is set and the
        policy always chooses this peer."""
        partners = self._policy.partners
        if partners == "primary_first":
            return self._policy.after_write and label == self._primary
        is_partner = label in partners if isinstance(partners, tuple) else partners == "all"
        return self._policy.after_write and is_partner

    def _pause(self, peer: _Peer, report: Report) -> float | None:
        """Return the seconds until a peer is called again after a session. Return None if the peer's task should wait
        until a session is wanted."""
        if report.code == PeerRefusalCode.BUSY:
            peer.wanted.set()
            return random.uniform(0, BUSY_PAUSE_S_MAX)
        if peer.record.failures:
            return retry_pause_s(peer.record.failures)
        return None

    async def _call(self, peer: _Peer, *, requested: bool = False) -> Report:
        began_s = time.monotonic()
        report = await peer.client.call(stands=self._stands_with(peer.label), requested=requested)
        seconds = None if report.has_stood else time.monotonic() - began_s
        await self._loop.in_worker(partial(self._note, report, peer.label, seconds))
        if report.has_stood:
            peer.wanted.set()  # the hello of one side was no longer true, or the session broke
        return report

    def _send_received(self, label: str) -> None:
        """After a pause, send the other peers what the peer `label` has sent. If another peer announces during the
        pause that it holds these writes, do not send them to that peer."""
        self._pass_on(label, waits=True)
        self._tell_in(self._pause_s / 2)

    def _pass_on(self, but: str | None = None, *, waits: bool = False) -> None:
        """Send new writes and commits in every open session. Also request a session with each partner that the policy
        chooses and that has no open session. Leave out the peer `but`. With `waits`, pause before sending. Do nothing
        if `after_write` is not set."""
        if not self._policy.after_write:
            return
        peers = self._peers
        labels = [peer.label for peer in peers.values() if peer.label != but]
        standing = {label for label in labels if self._registry.standing(label)}
        for label in {*standing, *self._partners(labels)}:
            self._request(peers[label], waits=waits)

    def _tell_in(self, delay_s: float) -> None:
        """After `delay_s` seconds, tell the peers what this replica holds. Also end each standing session in which the
        hello of this replica is out of date."""
        loop = asyncio.get_running_loop()
        if self._telling is not None:
            if self._telling.when() <= loop.time() + delay_s:
                return
            self._telling.cancel()
        self._telling = loop.call_later(delay_s, self._tell)

    def _tell(self) -> None:
        self._telling = None
        if not self._is_stopping:
            self._tasks.start(self._tell_peers())

    async def _tell_peers(self) -> None:
        """Tell the peers what this replica holds. Before that, read the list of peers again, unless the list was read
        less than READ_EVERY_S seconds ago."""
        now_s = time.monotonic()
        try:
            if now_s - self._read_at_s > READ_EVERY_S:
                self._read_at_s = now_s
                await self._replace(*await self._loop.in_worker(self._read))
            else:
                self._update(await self._loop.in_worker(self._store.state))
                self._tell_in(READ_EVERY_S)
        except (RedisError, Refusal):
            self._tell_in(READ_EVERY_S)

    # In a worker thread.

    def _record_of(self, label: str) -> PeerRecord | None:
        peer = self._peers.get(label)
        return peer.record if peer is not None else None

    def _note_answered(self, report: Report) -> None:
        """Handle the report of a session that a peer started."""
        self._note(report, report.peer, None)

    def _note_progress(self, label: str, report: Report) -> None:
        """Handle a report of a standing session with the peer `label`. Send the other peers what this replica has
        received."""
        if self._is_stopping:
            return
        self._results.note_progress(label, report)
        if report.received or report.installed:
            self._loop.soon(partial(self._send_received, label))

    def _note(self, report: Report, label: str, seconds: float | None) -> None:
        """Handle the report of a session that has ended. Pass on the writes that this replica has received."""
        if self._is_stopping:
            return
        self._results.note(label, report, seconds)
        if report.received:
            # A primary has committed what it received in a session that it started, and the peer does not know yet.
            owes = seconds is not None and self._primary == self._label
            self._loop.soon(partial(self._pass_on, None if owes else label))

    def _partners(self, labels: Sequence[str]) -> list[str]:
        reachable = [label for label in labels if not self._is_cut(label)]
        return choose_partners(self._policy.partners, reachable, self._primary)
