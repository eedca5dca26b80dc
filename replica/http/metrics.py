"""GET /metrics: the state and the counters of a replica, for Prometheus. docs/operate.md explains each metric.

Gauges show the state, the peers and the disk. Each scrape reads these values again. Counters count what has happened
since the replica started. A scrape is answered even if the storage cannot be reached. Then `bayou_storage_up` is 0, and
the metrics that come from the storage are missing. No metric contains the name of a person or a room, so a scrape needs
no token.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from datetime import datetime

from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from redis import RedisError

from apps.api.endpoint import Endpoint
from apps.api.request import Request
from bayou.errors import Away
from bayou.history import decode
from replica.events.counters import Counters
from replica.http.parts import Parts
from replica.http.routing import own_endpoint


def endpoint(counters: Counters, parts: Parts) -> Endpoint:
    ProcessCollector(registry=counters.registry)
    counters.registry.register(_State(parts))

    def show_metrics(_request: Request[None, None]) -> Response:
        """Show the metrics of the replica, in the text format of Prometheus."""
        return Response(generate_latest(counters.registry), content_type=CONTENT_TYPE_LATEST)

    return own_endpoint("GET", "/metrics", show_metrics, {200: None}, role=None)


class _State:
    """A collector of prometheus_client that reads the state of the replica at each scrape."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def describe(self) -> Iterable[Metric]:
        """Return no names of metrics. Without this method, prometheus_client would read the store to find the names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        yield _gauge("bayou_data_free_bytes", "Free space on the disk of the data folder.", self._free())
        try:
            found = list(self._of_store())
        except (RedisError, Away):
            found = []
        yield _gauge("bayou_storage_up", "1 while Redis answers.", bool(found))
        yield from found
        yield from self._of_peers()

    def _free(self) -> int:
        folder = self._parts.settings.data
        return shutil.disk_usage(folder if folder.is_dir() else folder.parent).free

    def _of_store(self) -> Iterator[Metric]:
        state, vitals = self._parts.store.state(), self._parts.store.vitals()
        info = GaugeMetricFamily(
            "bayou_info", "The label and the ids of this replica; always 1.", labels=["replica", "server", "cluster"]
        )
        info.add_metric([self._parts.label, state.server, state.cluster], 1)
        yield info
        yield _gauge("bayou_is_primary", "1 at the primary.", state.is_primary)
        yield _gauge("bayou_primary_known", "1 once this replica knows of a primary.", bool(state.primary))
        yield _gauge(
            "bayou_paused", "1 while sessions and commits run only on request.", self._parts.store.pace == "manual"
        )
        yield _gauge("bayou_retired", "1 once this replica accepts no more writes.", state.retired)
        epochs = decode(state.history)
        number = epochs[-1].number if epochs else 0
        yield _gauge("bayou_epoch", "Number of the epoch; grows with each forced promotion.", number)
        yield _gauge("bayou_csn", "CSN of the last committed write on this replica.", state.csn)
        log = GaugeMetricFamily("bayou_log_writes", "Writes in the log.", labels=["state"])
        log.add_metric(["committed"], state.csn - state.osn)
        log.add_metric(["tentative"], state.tentative)
        yield log
        now_us, oldest_us = self._parts.service.now().timestamp() * 1e6, vitals.oldest_tentative_us
        waited = 0.0 if oldest_us is None else max(now_us - oldest_us, 0) / 1e6
        yield _gauge("bayou_oldest_tentative_seconds", "How long the oldest tentative write has waited.", waited)
        yield _gauge("bayou_storage_memory_bytes", "Memory that Redis uses.", vitals.memory_bytes)

    def _of_peers(self) -> Iterator[Metric]:
        link = GaugeMetricFamily("bayou_peer_link_up", "0 while the link to a peer is cut here.", labels=["peer"])
        reachable = GaugeMetricFamily("bayou_peer_reachable", "1 if a peer answered when last called.", labels=["peer"])
        failed = GaugeMetricFamily("bayou_peer_session_failed", "1 if the last session failed.", labels=["peer"])
        last = GaugeMetricFamily(
            "bayou_peer_last_session_timestamp_seconds", "When the last session with a peer ended.", labels=["peer"]
        )
        for peer in self._parts.peers.status():
            label = [peer["label"]]
            link.add_metric(label, peer["link"] == "up")
            if peer.get("reachable") is not None:
                reachable.add_metric(label, peer["reachable"])
            if session := peer.get("last_session"):
                failed.add_metric(label, session["error"] is not None)
                last.add_metric(label, datetime.fromisoformat(session["at"]).timestamp())
        yield from (link, reachable, failed, last)


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, value=value)
