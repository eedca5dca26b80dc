"""GET /metrics for Prometheus, also while the storage does not answer. docs/operate.md explains every metric."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from redis import exceptions

from replica.events.counters import Counters
from replica.events.expand import Cursor, ScreenEvent, Transaction
from replica.http.app import create_app
from tests.support.replica_harness import NOW, Harness

OPERATE = Path(__file__).parent.parent.parent / "docs" / "operate.md"
OURS = "bayou_"
BOUNDS = ("0.005", "0.01", "10.0", "+Inf")


def scraped(harness: Harness, counters: Counters | None = None) -> dict[str, float]:
    """Return the samples of GET /metrics as a map from NAME{LABEL,...} to the value."""
    app = create_app(harness.parts, counters) if counters else harness.app
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


def test_events_and_requests_are_counted() -> None:
    harness, counters = Harness(), Counters()
    events = tuple(
        ScreenEvent(Cursor(1, 0, place), name, {}) for place, name in enumerate(("received", "moved", "link"))
    )
    counters.note(Transaction("1-0", "received", "two", 3, 4, events))
    counters.note(Transaction("2-0", "received", "two", 0, 0, (), Counter(received=60)))
    found = scraped(harness, counters)
    assert (found["bayou_writes_total{received}"], found["bayou_writes_total{moved}"]) == (61, 1)
    assert (found["bayou_writes_total{rejected}"], found["bayou_rolled_back_writes_total"]) == (0, 3)
    again = create_app(harness.parts, Counters()).test_client()
    again.get("/nowhere")
    again.open("/rooms", method="WONDER")
    answer = again.get("/metrics").text
    assert 'bayou_http_requests_total{method="GET",status="404"} 1.0' in answer
    assert 'method="other"' in answer
    counted = re.findall(r'duration_seconds_bucket{le="\+Inf",method="GET"} (\S+)', answer)
    assert counted == re.findall(r'duration_seconds_count{method="GET"} (\S+)', answer) == ["1.0"]


def test_every_metric_is_documented() -> None:
    text = OPERATE.read_text(encoding="utf-8")
    names = {name.partition("{")[0] for name in scraped(Harness()) if name.startswith(OURS)}
    for name in names:
        plain = name
        for suffix in ("_bucket", "_count", "_sum", "_created"):
            plain = plain.removesuffix(suffix)
        assert f"`{plain}" in text, name


def test_durations_are_counted_in_buckets() -> None:
    counters = Counters()
    for duration_s in (0.004, 0.005, 0.006, 11.0):
        counters.note_answer("PUT", 200, duration_s)
    found = scraped(Harness(), counters)
    up_to = {bound: found[f"bayou_http_request_duration_seconds_bucket{{{bound},PUT}}"] for bound in BOUNDS}
    assert up_to == {"0.005": 2, "0.01": 3, "10.0": 3, "+Inf": 4}
    assert found["bayou_http_request_duration_seconds_sum{PUT}"] == 11.015
    assert found["bayou_http_requests_total{PUT,200}"] == 4
