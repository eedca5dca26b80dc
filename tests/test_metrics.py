"""GET /metrics: what Prometheus is told, also while the storage is away; the documentation explains all of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from redis import exceptions

from replica.events import Cursor, ScreenEvent, Transaction
from replica.metrics import Metrics
from replica.rest import create_app
from tests.replica_harness import NOW, Harness

OPERATE = Path(__file__).parent.parent / "docs" / "operate.md"
OURS = "bayou_"


def scraped(harness: Harness, metrics: Metrics | None = None) -> dict[str, float]:
    """Each sample as NAME{LABEL,...}."""
    app = create_app(harness.parts, metrics) if metrics else harness.app
    answer = app.test_client().get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(sample.labels.values())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_the_state_is_read_at_each_scrape() -> None:
    harness = Harness()
    before = scraped(harness)
    assert (before["bayou_storage_up"], before["bayou_oldest_tentative_seconds"]) == (1, 0)
    assert before["bayou_peer_link_up{two}"] == 1
    assert before["bayou_data_free_bytes"] > 0
    harness.peers.set_link("two", up=False)
    harness.store.oldest_us = int(NOW.timestamp() * 1e6) - 90_000_000
    after = scraped(harness)
    assert (after["bayou_peer_link_up{two}"], after["bayou_oldest_tentative_seconds"]) == (0, 90)


def test_a_scrape_is_answered_while_the_storage_is_away() -> None:
    harness = Harness()
    harness.store.fault = exceptions.ConnectionError("nobody answers")
    found = scraped(harness)
    assert found["bayou_storage_up"] == 0
    assert "bayou_csn" not in found
    assert "bayou_peer_link_up{two}" in found


def test_what_happens_is_counted() -> None:
    harness, metrics = Harness(), Metrics()
    events = tuple(
        ScreenEvent(Cursor(1, 0, place), name, {}) for place, name in enumerate(("received", "moved", "link"))
    )
    metrics.note(Transaction("1-0", "received", "two", 3, 4, events))
    metrics.note(Transaction("2-0", "received", "two", 0, 0, (), Counter(received=60)))
    found = scraped(harness, metrics)
    assert (found["bayou_writes_total{received}"], found["bayou_writes_total{moved}"]) == (61, 1)
    assert (found["bayou_writes_total{rejected}"], found["bayou_rolled_back_writes_total"]) == (0, 3)
    again = create_app(harness.parts, second := Metrics()).test_client()
    again.get("/nowhere")
    again.open("/rooms", method="WONDER")
    answer = again.get("/metrics").text
    assert 'bayou_http_requests_total{method="GET",status="404"} 1.0' in answer
    assert 'method="other"' in answer
    assert second is not metrics


def test_each_metric_is_explained() -> None:
    text = OPERATE.read_text(encoding="utf-8")
    names = {name.partition("{")[0] for name in scraped(Harness()) if name.startswith(OURS)}
    for name in names:
        plain = name
        for suffix in ("_bucket", "_count", "_sum", "_created"):
            plain = plain.removesuffix(suffix)
        assert f"`{plain}" in text, name
