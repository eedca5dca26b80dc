"""GET /metrics: how the replica does, for Prometheus.

What Prometheus is told is in replica/http/metrics_text.py. The first scrape loads it, since prometheus_client, which it
needs, takes a MiB.
"""

from __future__ import annotations

from flask import Response

from apps.api.endpoint import Endpoint
from apps.api.request import Request
from replica.events.counters import Counters
from replica.http.parts import Parts


def endpoint(counters: Counters, parts: Parts) -> Endpoint:
    def show_metrics(_request: Request[None, None]) -> Response:
        from replica.http.metrics_text import CONTENT_TYPE, render  # noqa: PLC0415

        return Response(render(counters, parts), content_type=CONTENT_TYPE)

    summary = "Show how the replica does, in the text format of Prometheus."
    return Endpoint("GET", "/metrics", show_metrics, summary, answers={200: None}, role=None)
