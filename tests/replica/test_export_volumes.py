"""Anti-entropy by file in several volumes. Each volume is a file. The head of a volume says which writes the receiver
must already hold (Petersen 1997, section 3.4)."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from bayou.errors import BadInput, Conflict
from bayou.export import Head, Importer, export_volumes
from cli.commands.admin import by_number
from cli.commands.export_files import VolumeWriter
from replica.http.export_file import MAGIC, read, write
from tests.support.engine_harness import Cluster, Replica, clock_of
from tests.support.toy import RULES

pytestmark = pytest.mark.slow

WRITES = 1200  # three batches


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster(2, met=False)
    for number in range(WRITES):
        cluster.replicas[0].accept_only(f"n{number}", "p")
    return cluster


def written(source: Replica, folder: Path, volume_bytes: int = 1) -> list[Path]:
    """Write an export to files, and return the files. The test writes small pieces, because the command line also gets
    an export in small pieces."""
    whole = b"".join(write(export_volumes(source, RULES, 0, {}, volume_bytes)))
    with VolumeWriter(folder / "out") as volumes:
        for at in range(0, len(whole), 1000):
            volumes.write(whole[at : at + 1000])
        files = volumes.finish()
    assert b"".join(file.read_bytes() for file in files) == whole
    assert sorted(folder.iterdir()) == sorted(files)
    return files


def take(receiver: Replica, content: bytes) -> None:
    importer = None
    for frame in read(io.BytesIO(content)):
        if isinstance(frame, Head):
            importer = Importer(receiver, RULES, clock_of(receiver))
        assert importer is not None
        importer.take(frame)


def test_each_volume_is_a_file_and_goes_on_where_the_previous_one_ends(cluster: Cluster, tmp_path: Path) -> None:
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


def test_a_volume_that_does_not_fit_names_what_is_missing_and_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    one, two = cluster
    second = written(one, tmp_path)[1].read_bytes()
    before = two.dump()
    with pytest.raises(Conflict) as refusal:
        take(two, second)
    assert refusal.value.code == "export_does_not_fit"
    server = one.state().server
    assert refusal.value.details["needed"]["csn"] == 500
    assert refusal.value.details["needed"]["vector"].keys() == refusal.value.details["missing"].keys() == {server}
    assert two.dump() == before


def test_a_volume_of_an_earlier_export_brings_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """The names FILE* may match the volumes of two exports. If a replica imports the volumes of both exports, the
    volumes of the earlier export must change nothing."""
    one, two = cluster
    earlier = [file.read_bytes() for file in written(one, tmp_path)]
    one.accept_only("later", "p")
    whole = b"".join(write(export_volumes(one, RULES, 0, {}, 64 * 1024 * 1024)))
    take(two, whole)
    before = two.dump()
    for volume in earlier[1:]:
        take(two, volume)
    assert two.dump() == before


def exported(source: Replica, folder: Path, volume_bytes: int) -> tuple[list[str], list[str]]:
    """Write an export. Return (names of the files of the export, names of the files of an older export that were
    removed)."""
    with VolumeWriter(folder / "out") as volumes:
        for chunk in write(export_volumes(source, RULES, 0, {}, volume_bytes)):
            volumes.write(chunk)
        return [file.name for file in volumes.finish()], [file.name for file in volumes.removed]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_an_export_into_fewer_files_removes_the_other_files_of_the_previous_export(
    cluster: Cluster, tmp_path: Path
) -> None:
    one, _ = cluster
    assert exported(one, tmp_path, 1) == (["out", "out.2", "out.3"], [])
    first = contents(tmp_path)
    one.accept_only("later", "p")
    assert exported(one, tmp_path, 1) == (["out", "out.2", "out.3"], [])
    assert contents(tmp_path).keys() == first.keys()
    assert exported(one, tmp_path, 64 * 1024 * 1024) == (["out"], ["out.2", "out.3"])
    assert [*contents(tmp_path)] == ["out"]


def test_a_file_that_is_not_part_of_the_previous_export_stays_as_it_is(cluster: Cluster, tmp_path: Path) -> None:
    one, _ = cluster
    exported(one, tmp_path, 1)
    first = contents(tmp_path)
    one.accept_only("later", "p")
    exported(one, tmp_path, 1)
    others = {
        "out.2": first["out.2"],  # a volume of an earlier export that also continues the first volume
        "out.4": first["out"],
        "out.old": b"",
        "outer.2": first["out.2"],
    }
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match="is not part of the export in out;") as refusal:
        exported(one, tmp_path, 1)
    assert refusal.value.filename == str(tmp_path / "out.2")
    assert contents(tmp_path) == before
    assert exported(one, tmp_path, 64 * 1024 * 1024) == (["out"], [])
    assert contents(tmp_path) == before | {"out": (tmp_path / "out").read_bytes()}


@pytest.mark.parametrize("writes", [0, 1])
def test_a_copy_of_an_export_is_not_part_of_it(writes: int, tmp_path: Path) -> None:
    source = Cluster(1).replicas[0]
    for number in range(writes):
        source.accept_only(f"n{number}", "p")
    exported(source, tmp_path, 1)
    (tmp_path / "out.2").write_bytes((tmp_path / "out").read_bytes())
    assert exported(source, tmp_path, 1) == (["out"], [])
    assert (tmp_path / "out.2").exists()


@pytest.mark.parametrize(
    "content", [b"", b"a note", MAGIC, MAGIC + b"\0\0\0\1" + bytes(4) + b"\xff", MAGIC + bytes(20)]
)
def test_an_export_over_a_file_that_is_not_a_volume_removes_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(content)
    (tmp_path / "out.2").write_bytes(content)
    source = Cluster(1).replicas[0]
    assert exported(source, tmp_path, 1) == (["out"], [])
    assert contents(tmp_path)["out.2"] == content


def test_nothing_after_the_damaged_part_of_a_volume_is_stored(cluster: Cluster, tmp_path: Path) -> None:
    one, two = cluster
    content = b"".join(file.read_bytes() for file in written(one, tmp_path))
    damaged = content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]
    with pytest.raises(BadInput, match="a checksum is wrong"):
        take(two, damaged)
    assert two.state().csn == 500
    take(two, content)
    assert two.state().csn == WRITES


def test_a_volume_with_a_full_state_needs_no_earlier_writes(cluster: Cluster, tmp_path: Path) -> None:
    one, two = cluster
    one.truncate(100)
    two.note("own", "p")
    (file,) = written(one, tmp_path)
    take(two, file.read_bytes())
    assert (two.state().csn, two.state().tentative) == (WRITES, 1)


def test_volumes_are_imported_in_the_order_of_their_numbers() -> None:
    assert by_number(["b/out", "b/out.10", "b/out.2", "b/out.x"]) == ["b/out", "b/out.2", "b/out.10", "b/out.x"]
    assert by_number(["out.3", "a", "out.2"]) == ["out.3", "a", "out.2"], "they are volumes of a file that is not given"
    assert by_number(["tuesday", "monday.2", "monday"]) == ["tuesday", "monday", "monday.2"]
