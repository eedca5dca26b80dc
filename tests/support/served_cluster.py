"""A cluster of any number of replicas in this process, for tests of the web pages.

Each replica has the real REST interface, at its own address, and the real store. Sessions run in memory. A session runs
only when a test or a user asks for it.

Twenty replica processes, each with its own Redis, would occupy a small machine for a minute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from redis import Redis

from apps import APPLICATIONS
from bayou.anti_entropy import Report, Session
from bayou.errors import Away, Conflict, Unknown
from bayou.frames import Frame
from bayou.stamps import split_id
from bayou.state import Vector
from replica.clock import microseconds, utc_now
from replica.config import Config, parse
from replica.events.describe import Describer
from replica.events.feed import EventFeed
from replica.events.frame_ring import FrameRing, SessionFrames
from replica.free_addresses import free_addresses
from replica.http.app import create_app
from replica.http.parts import Parts
from replica.http.server import WebServer
from replica.http.service import ReplicaService
from storage.queries import Pace
from storage.store import Store
from tests.support.sides_harness import RULES, new_stores
from tests.support.worker_redis import worker_redis

DATABASE = 10


class ServedReplica:
    """One replica of the cluster. It implements replica.anti_entropy.peers.Peers."""

    def __init__(self, cluster: ServedCluster, store: Store) -> None:
        self.cluster, self.store, self.label = cluster, store, store.label
        self.settings = cluster.settings
        self.is_up = True
        self.held: dict[str, Vector] = {}  # what each peer held at the end of the last session
        self.frames = FrameRing(lambda: store.pace == "manual")
        client, describer = worker_redis(DATABASE), Describer(APPLICATIONS)
        self.feed = EventFeed(store, client, _another_client, describer, self.label, lambda _: None)
        service = ReplicaService(self.settings, store, self, utc_now)
        parts = Parts(self.label, self.settings, service, store, self, self.feed, APPLICATIONS, frames=self.frames)
        app = create_app(parts)
        self.client = app.test_client()
        self.server = WebServer(app, self.settings.replica(self.label).rest)

    def ask(self, method: str, path: str, body: Any = None, user: str = "vish") -> Any:
        """Send a REST request, assert that the request succeeds, and return the answer."""
        base = f"http://{self.server.address}"
        answer = self.client.open(path, method=method, json=body, headers={"Bayou-User": user}, base_url=base)
        assert answer.status_code < 300, answer.json
        return answer.json

    # The methods of Peers that the endpoints call.

    def notify_new_write(self) -> None: ...

    def status(self) -> list[dict[str, Any]]:
        cut = self.store.cut_links()
        return [
            {
                "label": peer.label,
                "address": str(self.settings.replica(peer.label).anti_entropy),
                "link": "cut" if peer.label in cut else "up",
                "reachable": peer.is_up,
                "busy": False,
                "last_session": None,
            }
            for peer in self.cluster.replicas.values()
            if peer is not self and peer.label not in self.cluster.retired
        ]

    def servers(self) -> dict[str, str]:
        return {label: replica.store.state().server for label, replica in self.cluster.replicas.items()}

    def holders(self, ids: Collection[str]) -> list[str]:
        wanted = [split_id(one) for one in ids]
        return [
            label
            for label, vector in self.held.items()
            if all(vector.get(server, 0) >= stamp for stamp, server in wanted)
        ]

    def sync(self, label: str) -> Report:
        if label not in self.cluster.replicas:
            raise Unknown("peer_unknown", f"There is no peer {label}.")
        if label in self.store.cut_links():
            raise Conflict("link_cut", f"The link to {label} is cut.", peer=label)
        if not self.cluster.replicas[label].is_up:
            raise Away("peer_unreachable", f"{label} cannot be reached.", peer=label)
        return self.cluster.meet(self.label, label)

    def set_link(self, label: str, *, up: bool) -> None:
        self.store.set_link(label, up=up)

    def set_pace(self, pace: Pace) -> None:
        self.store.set_pace(pace)


class ServedCluster:
    """The replicas by label. The first one is the primary."""

    def __init__(self, settings: Config) -> None:
        self.settings = settings
        self.retired: set[str] = set()
        stores = new_stores(settings, DATABASE, *settings.replicas)
        self.replicas = {store.label: ServedReplica(self, store) for store in stores}

    def meet(self, caller: str, answerer: str) -> Report:
        """Run one session, in which the replica `caller` is the initiator. Return the report of the caller."""
        sides = self.replicas[caller], self.replicas[answerer]
        ends = [
            Session(side.store, RULES, initiator=side is sides[0], clock_us=lambda: microseconds(utc_now()))
            for side in sides
        ]
        recorders = [side.frames.session(other.label) for side, other in zip(sides, reversed(sides), strict=True)]
        frames: deque[tuple[int, Frame]] = deque()  # in flight, with the end that has sent it
        for number, end in enumerate(ends):
            frames.extend((number, frame) for frame in recorded(recorders[number], end.start()))
        while frames:
            number, frame = frames.popleft()
            end, recorder = ends[1 - number], recorders[1 - number]
            if not end.finished:
                recorder.received(frame)
                frames.extend((1 - number, answer) for answer in recorded(recorder, end.receive(frame)))
        for side, other, end in zip(sides, reversed(sides), ends, strict=True):
            report = end.report
            assert report.error is None, report.error
            side.held[other.label] = other.store.state().vector
            counts = {name: getattr(report, name) for name in ("sent", "received", "rolled_back", "replayed")}
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            side.store.add_session_event({"peer": other.label, "at": at, "seconds": 0.01, "error": None, **counts})
        return ends[0].report

    def retire(self, label: str, heir: str) -> None:
        """Retire a replica. Send all writes of the replica to the replica `heir`, and stop the retired replica."""
        self.replicas[label].store.retire(microseconds(utc_now()))
        self.meet(label, heir)
        self.stop(label)
        self.retired.add(label)

    def stop(self, label: str) -> None:
        """Stop the server of a replica, if the server runs. The replica no longer answers."""
        replica = self.replicas[label]
        if not replica.is_up:
            return
        replica.is_up = False
        replica.feed.stop()
        replica.server.stop()


def _another_client() -> Redis:
    """Return a client with its own connections. The caller must close the client."""
    return Redis(unix_socket_path=worker_redis(DATABASE).connection_pool.connection_kwargs["path"], db=DATABASE)


def recorded(recorder: SessionFrames, frames: list[Frame]) -> list[Frame]:
    for frame in frames:
        recorder.sent(frame)
    return frames


@contextmanager
def served_cluster(labels: Sequence[str], **settings: Any) -> Iterator[ServedCluster]:
    """Serve replicas with these labels on free ports. `settings` are added to the configuration."""
    free = free_addresses(2 * len(labels))
    replicas = {label: {"rest": next(free), "anti_entropy": next(free)} for label in labels}
    whole = {"cluster": "building-6", "primary": labels[0], "replicas": replicas} | settings
    cluster = ServedCluster(parse(yaml.safe_dump(whole, sort_keys=False), Path("config.yaml")))
    with ExitStack() as undo:
        for label, replica in cluster.replicas.items():
            replica.feed.start()
            replica.server.start()
            undo.callback(cluster.stop, label)
        yield cluster
