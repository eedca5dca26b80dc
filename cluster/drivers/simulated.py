"""The simulation: all servers of a script run in this process, without threads, networks or clocks.

The servers run the code of real replicas: the sessions of bayou.anti_entropy, the REST endpoints, and the store. The
servers share one Redis, and each server has a namespace there. Only the transport is simulated: the driver passes
frames and requests in memory, one after another. So a script always runs in the same way.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from redis import Redis

from apps import APPLICATIONS
from bayou.anti_entropy import ProtocolError, Report, Session
from bayou.errors import Conflict, Refusal, Unknown
from bayou.frames import Frame
from bayou.state import State
from cluster.drivers.driver import Failed, Holding, Pair
from cluster.rest import Answer, Request
from replica.config import parse
from replica.events.describe import Describer
from replica.events.feed import EventFeed
from replica.events.frame_ring import FrameRing, SessionFrames
from replica.http.app import create_app
from replica.http.parts import Parts
from replica.http.service import ReplicaService
from storage.identity_file import mint
from storage.queries import Pace
from storage.scripts import rules_by_tag
from storage.store import Store

CLUSTER = "script"
CONFIGURATION = """\
cluster: script
primary: {label}
replicas:
  {label}: {{rest: 127.0.0.1:1, anti_entropy: 127.0.0.1:2}}
"""
ADDRESS = "127.0.0.1:1"  # nobody listens there: peers are found by their labels
Watch = Callable[[str, str, Frame], object]
READING = {"state", "read", "select", "log"}  # commands of the store that change nothing
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@contextlib.contextmanager
def _raises_failed() -> Iterator[None]:
    """Decorates a method. The method raises Failed if a replica refuses a request."""
    try:
        yield
    except Refusal as refusal:
        raise Failed(f"{refusal.message} [{refusal.code}]") from None


class SimulatedDriver:
    """Implements cluster.drivers.driver.Driver. The driver needs a Redis of its own, and deletes everything in this
    Redis.

    `watch(sender, receiver, frame)` is called for each frame of a session, before the receiver gets the frame. The
    first two arguments are labels.
    """

    def __init__(self, client: Redis, *, records_frames: bool = False) -> None:
        client.flushdb()
        self._records_frames = records_frames
        self._client = client
        self._servers: dict[str, _Server] = {}
        self._clocks_us: dict[str, int] = {}
        self._copies: dict[str, dict[bytes, bytes]] = {}  # of namespaces: label -> key -> its content
        self._numbers = itertools.count(1)  # of the servers that others create
        self.watch: Watch = lambda _here, _there, _frame: None

    def start_primary(self, label: str) -> None:
        self._start(label, mint(label), first_primary=True)

    @_raises_failed()
    def create(self, label: str, creator: str) -> None:
        server_id = self.store(creator).create(
            label=label,
            rest=ADDRESS,
            anti_entropy=ADDRESS,
            request=f"join-{next(self._numbers)}",
            now_us=self._clocks_us[creator],
        )
        self._start(label, server_id, first_primary=False)
        self._one_session(label, creator)

    @_raises_failed()
    def retire(self, label: str, heir: str) -> None:
        if self.store(label).state().is_primary:
            self.promote(heir, label)
        self.store(label).retire(self._clocks_us[label])
        self._one_session(label, heir)
        del self._servers[label]

    @_raises_failed()
    def promote(self, label: str, primary: str | None) -> None:
        store = self.store(label)
        if primary is None:
            store.force(mint(label), self._clocks_us[label])
            return
        self._one_session(label, primary)
        self.store(primary).hand_over(store.state().server, self._clocks_us[primary])
        self._one_session(label, primary)
        store.catch_up()

    def crash(self, label: str) -> None:
        del self._servers[label]

    def recover(self, label: str) -> None:
        server_id = self._store(label).server()
        assert server_id is not None
        self._start(label, server_id, first_primary=False)

    def copy_folder(self, label: str) -> None:
        self._copies[label] = {key: self._client.dump(key) or b"" for key in self._keys(label)}

    def put_back(self, label: str) -> None:
        self._servers.pop(label, None)
        self._client.delete(*self._keys(label))
        for key, content in self._copies[label].items():
            self._client.restore(key, 0, content)
        self.recover(label)
        store = self.store(label)
        own = store.state()
        # As replica/membership/identity.py decides at the start of a real replica.
        others = {member.label for member in store.members()} | {own.birth.partition("~")[0]}
        if not all(self._can_keep(own, label, other) for other in others - {label}):
            store.begin(server=mint(label), cluster=CLUSTER, first_primary=False)

    def set_clock(self, label: str, moment_us: int) -> None:
        self._clocks_us[label] = moment_us

    def send(self, label: str, request: Request) -> Answer:
        return self._servers[label].send(request)

    def holding(self, label: str) -> Holding:
        state = self._servers[label].store.state()
        return Holding(state.server, state.vector, state.csn, state.history)

    def exchange(self, pairs: Sequence[Pair]) -> Mapping[Pair, str]:
        reports = {pair: self.session(*pair) for pair in pairs}
        return {pair: report.error.message for pair, report in reports.items() if report.error is not None}

    def close(self) -> None:
        self._servers.clear()
        self._client.flushdb()

    def session(self, caller: str, answerer: str) -> Report:
        """Run one session to its end. Return the report of the caller."""
        one, other = self._servers[caller], self._servers[answerer]
        ends = one.end(answerer, initiator=True), other.end(caller, initiator=False)
        converse(*ends, self.watch)
        for server, end in zip((one, other), ends, strict=True):
            self._renew_if_lost(server.store, end.session.report.lost)
        return ends[0].session.report

    def store(self, label: str) -> Store:
        """Return the store of a running server."""
        return self._servers[label].store

    @property
    def labels(self) -> list[str]:
        """The labels of the running servers."""
        return list(self._servers)

    def _one_session(self, caller: str, answerer: str) -> None:
        error = self.session(caller, answerer).error
        if error is not None:
            raise Failed(f"no session between {caller} and {answerer}: {error.message}")

    def _can_keep(self, own: State, label: str, other: str) -> bool:
        """Return whether the server `label` may keep its id. Return False if the server `other` is not reachable, or if
        `other` holds writes of `label` that `label` itself lacks. `own` is the state of `label`."""
        if other not in self._servers or other in self.store(label).cut_links():
            return False
        asked = self.store(other)
        held = asked.state()
        return label not in asked.cut_links() and held.vector.get(own.server, 0) <= own.vector.get(own.server, 0)

    def _keys(self, label: str) -> list[bytes]:
        return list(self._client.scan_iter(match=f"bayou:{{{label}}}:*", count=1000))

    def _renew_if_lost(self, store: Store, lost: str | None) -> None:
        """Give a server a new id if its present id is `lost`. `lost` comes from the report of a session. If the peer
        sent a write that the server once made but no longer holds, `lost` is the id of the server. Otherwise, `lost` is
        None."""
        state = store.state()
        if state.server == lost:
            store.begin(server=mint(state.label), cluster=CLUSTER, first_primary=False)

    def _start(self, label: str, server_id: str, *, first_primary: bool) -> None:
        store = self._store(label)
        store.begin(server=server_id, cluster=CLUSTER, first_primary=first_primary)
        frames = FrameRing(lambda: self._records_frames)
        self._servers[label] = _Server(self, label, store, self._client, lambda: self._clocks_us.get(label, 0), frames)

    def _store(self, label: str) -> _Store:
        return _Store(self._client, label, APPLICATIONS)


class _End:
    """One side of a session, with the recorder of its frames."""

    def __init__(self, label: str, session: Session, frames: SessionFrames) -> None:
        self.label = label
        self.session = session
        self._frames = frames

    def start(self) -> list[Frame]:
        return self._sent(self.session.start())

    def receive(self, frame: Frame) -> list[Frame]:
        self._frames.received(frame)
        try:
            return self._sent(self.session.receive(frame))
        except ProtocolError as error:
            return self._sent(self.session.refuse("protocol", str(error)))

    def _sent(self, frames: list[Frame]) -> list[Frame]:
        for frame in frames:
            self._frames.sent(frame)
        return frames


def converse(caller: _End, answerer: _End, watch: Watch) -> None:
    """Run a session: pass frames between the two sides until no frame is left."""
    in_flight: deque[tuple[_End, Frame]] = deque((answerer, frame) for frame in caller.start())
    in_flight.extend((caller, frame) for frame in answerer.start())
    while in_flight:
        receiver, frame = in_flight.popleft()
        if receiver.session.finished:
            continue  # it has refused, and reads no more
        other = caller if receiver is answerer else answerer
        watch(other.label, receiver.label, frame)
        in_flight.extend((other, answer) for answer in receiver.receive(frame))


class _Store(Store):
    """A store that caches its state. A command that may change the state empties the cache. This is safe because no
    other process uses the namespace of the store."""

    _cached: State | None = None

    def state(self) -> State:
        if self._cached is None:
            self._cached = super().state()
        return self._cached

    def run(self, verb: str, *arguments: Any) -> Any:
        if verb not in READING:
            self._cached = None
        return super().run(verb, *arguments)


class _Server:
    """One running server: its store, its sessions and its REST interface."""

    def __init__(
        self,
        cluster: SimulatedDriver,
        label: str,
        store: Store,
        client: Redis,
        clock_us: Callable[[], int],
        frames: FrameRing,
    ) -> None:
        self.store = store
        self._frames = frames
        self._clock_us = clock_us
        settings = parse(CONFIGURATION.format(label=label), Path("script"))
        peers = _Peers(cluster, label, store)
        service = ReplicaService(settings, store, peers, lambda: EPOCH + timedelta(microseconds=clock_us()))
        feed = EventFeed(store, client, lambda: client, Describer(APPLICATIONS), label, lambda _transaction: None)
        app = create_app(Parts(label, settings, service, store, peers, feed, APPLICATIONS, frames=frames))
        self._web = app.test_client()

    def end(self, peer: str, *, initiator: bool) -> _End:
        session = Session(self.store, rules_by_tag(APPLICATIONS), initiator=initiator, clock_us=self._clock_us)
        return _End(self.store.label, session, self._frames.session(peer))

    def send(self, request: Request) -> Answer:
        answer = self._web.open(
            request.path,
            method=request.method,
            base_url=f"http://{ADDRESS}",
            headers=dict(request.headers),
            data=json.dumps(request.body) if request.content is None else request.content,
            content_type="application/json" if request.content is None else "application/octet-stream",
        )
        body = answer.json if answer.is_json else answer.data
        return Answer(answer.status_code, body, answer.headers.get("Bayou-Session"))


class _Peers:
    """Implements replica.anti_entropy.peers.Peers. A session runs in memory, and starts only when `sync` is called."""

    def __init__(self, cluster: SimulatedDriver, label: str, store: Store) -> None:
        self._cluster = cluster
        self._label = label
        self._store = store

    def notify_new_write(self) -> None: ...

    def status(self) -> list[dict[str, Any]]:
        return []

    def servers(self) -> dict[str, str]:
        return {}

    def holders(self, ids: Collection[str]) -> list[str]:  # noqa: ARG002  # sessions in memory are not recorded
        return []

    def sync(self, label: str) -> Report:
        if label not in self._cluster.labels:
            raise Unknown("peer_unknown", f"There is no server {label}.")
        if label in self._store.cut_links():
            raise Conflict("link_cut", f"The link to {label} is cut. Heal the link first.", peer=label)
        return self._cluster.session(self._label, label)

    def set_link(self, label: str, *, up: bool) -> None:
        self._store.set_link(label, up=up)

    def set_pace(self, pace: Pace) -> None:
        self._store.set_pace(pace)
