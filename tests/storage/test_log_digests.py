"""Digests of the committed log."""

from __future__ import annotations

import hashlib

import pytest

from storage import log_digests
from tests.support.engine_harness import Cluster, Meeting, Replica


def digest_of(ids: list[str]) -> str:
    digest = "0" * 40
    for identifier in ids:
        digest = hashlib.sha1((digest + identifier).encode()).hexdigest()
    return digest


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(log_digests, "STEP", 4)
    return Cluster(2)


def committed(replica: Replica, count: int) -> list[str]:
    """Commit `count` writes at a replica. Return the ids of all commits in the replica's log, oldest first."""
    for _ in range(count):
        replica.note("a", "p")
    entries = replica.log(None, 1000) or ()
    return [entry.write.id for entry in entries if entry.csn is not None]


def test_a_digest_depends_on_all_commits_up_to_its_csn(cluster: Cluster) -> None:
    one = cluster.replicas[0]
    ids = committed(one, 11)
    for csn in (11, 3, 8, 0, 4, 9):
        assert one.log_digest(csn) == digest_of(ids[:csn])
    assert one.log_digest(12) == ""
    assert len(ids := committed(one, 2)) == 13
    assert one.log_digest(13) == digest_of(ids)


def test_a_digest_stays_when_the_log_is_truncated_and_after_a_full_state(cluster: Cluster) -> None:
    one, two = cluster.replicas
    ids = committed(one, 10)
    before = one.log_digest(10)
    one.truncate(3)
    assert one.log_digest(10) == before == digest_of(ids)
    assert one.log_digest(7) == digest_of(ids[:7])
    assert one.log_digest(2) == ""
    report = Meeting(one, two).run().ends[1].report
    assert report.installed is not None
    assert [two.log_digest(csn) for csn in (7, 9, 10)] == [digest_of(ids[:csn]) for csn in (7, 9, 10)]


def test_a_digest_is_unknown_if_an_older_release_has_dropped_commits(cluster: Cluster) -> None:
    one, two = cluster.replicas
    committed(one, 10)
    one.truncate(5)
    one.client.hset(one.key("meta"), "osn_digest", "4:" + "1" * 40)
    assert one.log_digest(10) == ""
    one.truncate(3)
    assert one.log_digest(10) == ""
    Meeting(one, two).run()
    assert two.log_digest(10) == ""
    assert two.state().last == one.state().last


def test_another_log_under_a_running_replica_is_noticed(cluster: Cluster) -> None:
    one = cluster.replicas[0]
    committed(one, 2)
    copy = [(key, one.client.dump(key) or b"") for key in one.client.scan_iter(one.prefix + "*", count=1000)]
    committed(one, 5)
    one.log_digest(7)
    one.forget()
    for key, content in copy:
        one.client.restore(key.decode(), 0, content)
    ids = committed(one, 6)
    assert one.log_digest(8) == digest_of(ids)
    assert one.log_digest(7) == digest_of(ids[:7])
