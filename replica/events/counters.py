"""Counts writes, notifications and HTTP answers of a replica since its start. Prometheus reads the counters."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from replica.events.expand import Transaction

METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}  # any other counts as one, `other`
COUNTED = ("accepted", "received", "committed", "moved", "rejected", "revoked")
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


class Counters:
    """The counters of one replica. `registry` has all counters. Any thread may call the methods."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        self._writes = Counter("bayou_writes", "Outcomes of writes on this replica.", ["event"], registry=registry)
        for event in COUNTED:
            self._writes.labels(event)  # so that each row is there from the start
        self._rolled_back = Counter("bayou_rolled_back_writes", "Writes rolled back.", registry=registry)
        self._notifications = Counter(
            "bayou_notifications", "Attempts to send a notification.", ["result"], registry=registry
        )
        for result in ("sent", "failed"):
            self._notifications.labels(result)
        self._answers = Counter("bayou_http_requests", "Requests answered.", ["method", "status"], registry=registry)
        self._durations = Histogram(
            "bayou_http_request_duration_seconds",
            "How long an answer took.",
            ["method"],
            registry=registry,
            buckets=BOUNDS_S,
        )

    def note(self, transaction: Transaction) -> None:
        """Count one transaction of the store."""
        self._rolled_back.inc(transaction.rolled_back)
        for event in transaction.events:
            if event.name in COUNTED:
                self._writes.labels(event.name).inc()
        for name, count in transaction.summed.items():
            self._writes.labels(name).inc(count)

    def note_notification(self, result: str) -> None:
        """Count one attempt to send a notification. `result` is `sent` or `failed`."""
        self._notifications.labels(result).inc()

    def note_answer(self, method: str, status: int, duration_s: float) -> None:
        """Count one HTTP answer, and how long it took."""
        known = method if method in METHODS else "other"
        self._answers.labels(known, status).inc()
        self._durations.labels(known).observe(duration_s)
