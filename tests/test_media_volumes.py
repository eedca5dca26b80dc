"""Anti-entropy by file in several volumes: each is a file of its own that says what it needs (Petersen 1997, 3.4)."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from bayou.errors import BadInput, Conflict
from bayou.media import Head, Importer, export
from cli.volumes import Volumes
from replica.media_file import MAGIC, read, write
from tests.engine_harness import Cluster, Replica
from tests.toy import TAGS

WRITES = 1200  # three batches


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster(2, met=False)
    for number in range(WRITES):
        cluster.replicas[0].accept_only(f"n{number}", "p")
    return cluster


def written(source: Replica, folder: Path, volume_bytes: int = 1) -> list[Path]:
    """The files of an export, as the command line makes them of a stream of small pieces."""
    whole = b"".join(write(export(source, TAGS, 0, {}, volume_bytes)))
    with Volumes(folder / "out") as volumes:
        for at in range(0, len(whole), 1000):
            volumes.write(whole[at : at + 1000])
        files = volumes.keep()
    assert b"".join(file.read_bytes() for file in files) == whole
    assert sorted(folder.iterdir()) == sorted(files)
    return files


def take(receiver: Replica, content: bytes) -> None:
    importer = None
    for frame in read(io.BytesIO(content)):
        if isinstance(frame, Head):
            importer = Importer(receiver, TAGS)
        assert importer is not None
        importer.take(frame)


def test_each_volume_is_a_file_and_goes_on_where_the_one_before_it_ends(cluster: Cluster, tmp_path: Path) -> None:
    one, two = cluster
    files = written(one, tmp_path)
    assert [file.name for file in files] == ["out", "out.2", "out.3"]
    assert all(file.read_bytes().startswith(MAGIC) for file in files)
    for file, csn in zip(files, (500, 1000, WRITES), strict=True):
        take(two, file.read_bytes())
        assert two.state().csn == csn
    assert two.state().vector == one.state().vector
    whole = tmp_path / "whole"
    whole.mkdir()
    assert len(written(one, whole, 64 * 1024 * 1024)) == 1


def test_a_volume_that_does_not_fit_says_what_is_needed_and_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    one, two = cluster
    second = written(one, tmp_path)[1].read_bytes()
    before = two.dump()
    with pytest.raises(Conflict) as refusal:
        take(two, second)
    assert refusal.value.code == "media_does_not_fit"
    server = one.state().server
    assert refusal.value.details["needed"]["csn"] == 500
    assert refusal.value.details["needed"]["vector"].keys() == refusal.value.details["missing"].keys() == {server}
    assert two.dump() == before


def test_of_a_damaged_volume_nothing_behind_the_damage_is_stored(cluster: Cluster, tmp_path: Path) -> None:
    one, two = cluster
    content = b"".join(file.read_bytes() for file in written(one, tmp_path))
    damaged = content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]
    with pytest.raises(BadInput, match="a checksum does not fit"):
        take(two, damaged)
    assert two.state().csn == 500
    take(two, content)
    assert two.state().csn == WRITES


def test_a_volume_with_a_full_state_needs_nothing(cluster: Cluster, tmp_path: Path) -> None:
    one, two = cluster
    one.truncate(100)
    two.note("own", "p")
    (file,) = written(one, tmp_path)
    take(two, file.read_bytes())
    assert (two.state().csn, two.state().tentative) == (WRITES, 1)
