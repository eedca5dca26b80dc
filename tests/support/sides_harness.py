"""Replicas with the real REST interface and the real store in one Redis; anti-entropy sessions run in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import Flask
from redis import Redis

from apps import APPLICATIONS
from replica.clock import utc_now
from replica.config import Config
from replica.events.describe import Describer
from replica.events.feed import EventFeed
from replica.http.app import create_app
from replica.http.parts import Parts
from replica.http.service import ReplicaService
from storage.scripts import rules_by_tag
from storage.store import Store
from tests.support.engine_harness import Meeting
from tests.support.replica_harness import FakePeers
from tests.support.worker_redis import worker_redis

RULES = rules_by_tag(APPLICATIONS)


class Side:
    """One replica with its REST interface. The REST interface always uses the configuration of the replica `one`, even
    if the store has another label."""

    def __init__(
        self,
        store: Store,
        settings: Config,
        clock: Callable[[], datetime] = utc_now,
        operator_hash: str | None = None,
    ) -> None:
        self.store = store
        peers = FakePeers()
        feed = EventFeed(store, Redis(), Redis, Describer(APPLICATIONS), "one", lambda _: None)
        service = ReplicaService(settings, store, peers, clock)
        parts = Parts("one", settings, service, store, peers, feed, APPLICATIONS, None, operator_hash)
        self.app: Flask = create_app(parts)
        self.client = self.app.test_client()


def new_stores(settings: Config, database: int, *labels: str) -> list[Store]:
    """Create stores in an emptied database. The first is the primary, and all others have met the primary once."""
    client = worker_redis(database)
    client.flushdb()
    stores = [Store(client, label, APPLICATIONS) for label in labels]
    for store, label in zip(stores, labels, strict=True):
        store.begin(server=f"{label}~aaaaaa", cluster=settings.cluster_id, first_primary=label == labels[0])
    for other in stores[1:]:
        meet(other, stores[0])
    return stores


def meet(initiator: Store, responder: Store) -> None:
    """Run a whole anti-entropy session, and assert that both sides finish without an error."""
    meeting = Meeting(initiator, responder, RULES).run()
    assert all(end.finished and end.report.error is None for end in meeting.ends), meeting.ends[0].report
