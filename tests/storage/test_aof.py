"""An append-only file that was cut off. The complete writes in the file survive the repair. Later writes survive
too."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from bayou.errors import Conflict
from storage.identity_file import load, save
from storage.redis import aof
from storage.redis.binary import find_binary
from storage.redis.connect import OpenStorage, open_storage
from tests.support.storage_harness import IDENTITY, SEVERAL, kill_redis, newest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process


@dataclass(frozen=True)
class Recorded:
    """A data folder that a real server wrote in several steps. `sizes` has the length of the append-only file after
    each step."""

    folder: Path
    content: bytes
    sizes: list[int]

    def whole_steps(self, size: int) -> int:
        return sum(end <= size for end in self.sizes)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    data = tmp_path_factory.mktemp("recorded")
    opened = open_storage("embedded", data, "one")
    sizes = []
    for step in range(5):
        if step % 2:
            opened.client.eval(SEVERAL, 3, f"a{step}", f"b{step}", f"c{step}", "x" * 30)
        else:
            opened.client.set(f"a{step}", "multi\r\n$" + "y" * 20)
        sizes.append(newest(data / "one").stat().st_size)
    opened.close(clean=True)
    return Recorded(data / "one", newest(data / "one").read_bytes(), sizes)


@pytest.fixture
def copy(recorded: Recorded, tmp_path: Path) -> Callable[[bytes], Path]:
    """Return a function that copies the recorded data folder. The argument of the function becomes the content of the
    newest file in the copy."""

    def make(content: bytes) -> Path:
        folder = tmp_path / "one"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(recorded.folder, folder)
        newest(folder).write_bytes(content)
        return folder

    return make


def test_a_tear_at_any_byte_drops_only_the_step_that_it_cuts(recorded, copy):
    server = find_binary().path
    folder = copy(recorded.content)
    file = newest(folder)
    for cut in range(recorded.sizes[0], len(recorded.content) + 1):
        file.write_bytes(recorded.content[:cut])
        called: list[int] = []
        warning = aof.repair(folder, server, partial(called.append, 1))
        good = max(size for size in recorded.sizes if size <= cut)
        assert file.stat().st_size == good, cut
        if cut == good:
            assert (warning, called) == (None, [])
        else:
            assert called == [1]
            assert warning is not None
            assert f"Its last {cut - good} bytes were dropped" in warning


def test_old_and_new_writes_survive_restarts_after_a_tear(recorded, copy, tmp_path):
    first, last = recorded.sizes[1], recorded.sizes[3]
    for cut in [first - 1, first, first + 5, recorded.sizes[2] + 14, (recorded.sizes[2] + last) // 2, last - 3, last]:
        folder = copy(recorded.content[:cut])
        save(folder, IDENTITY)
        opened = open_storage("embedded", tmp_path, "one")
        torn = cut not in recorded.sizes
        assert (is_repaired(opened), bool(opened.warnings)) == (torn, torn)
        steps = recorded.whole_steps(cut)
        held = {key.decode() for key in opened.client.scan_iter()}
        assert held == {f"{letter}{step}" for step in range(steps) for letter in ("abc" if step % 2 else "a")}
        opened.client.set("later", "1")
        opened.client.eval(SEVERAL, 2, "p", "q", "2")
        kill_redis(opened)
        opened.close(clean=False)
        opened = open_storage("embedded", tmp_path, "one")
        assert {key.decode() for key in opened.client.scan_iter()} == held | {"later", "p", "q"}
        # The replica has not decided on its id yet, so the note of the repair must outlive the crash.
        assert is_repaired(opened) == torn
        opened.confirm(IDENTITY)
        opened.close(clean=True)
        assert not is_repaired(open_and_close(tmp_path))


def is_repaired(opened: OpenStorage) -> bool:
    return opened.identity_file is not None and opened.identity_file.repaired


def open_and_close(data: Path) -> OpenStorage:
    opened = open_storage("embedded", data, "one")
    opened.close(clean=False)
    return opened


def test_zeros_at_the_end_count_as_a_tear(recorded, copy):
    server = find_binary().path
    for cut in [recorded.sizes[2], recorded.sizes[2] + 20, recorded.sizes[3] - 10, recorded.sizes[3]]:
        folder = copy(recorded.content[:cut] + b"\0" * 5000)
        assert aof.repair(folder, server, lambda: None)
        assert newest(folder).stat().st_size == max(size for size in recorded.sizes if size <= cut)


@pytest.mark.parametrize("damage", ["overwritten", "long argument", "missing bytes", "no start", "open MULTI"])
def test_damage_before_complete_steps_is_refused_and_not_changed(recorded, copy, tmp_path, damage):
    whole, sizes = recorded.content, recorded.sizes
    content = {
        "overwritten": whole[: sizes[1] + 6] + b"????" + whole[sizes[1] + 10 :],
        "long argument": whole[: sizes[1]] + whole[sizes[1] :].replace(b"$3\r\nSET", b"$3000\r\nSET", 1),
        "missing bytes": whole[: sizes[1] - 5] + whole[sizes[1] :],
        "no start": b"\1\2\3\4" + whole,
        "open MULTI": whole[: sizes[1] - 14] + whole[sizes[1] :],
    }[damage]
    assert content != whole
    folder = copy(content)
    save(folder, IDENTITY)
    before = {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    with pytest.raises(Conflict, match="nothing was changed") as refusal:
        open_storage("embedded", tmp_path, "one")
    assert refusal.value.code == "aof_damaged"
    assert {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()} == before
    assert load(folder) == IDENTITY


def test_only_the_last_of_several_files_may_be_torn(recorded, tmp_path):
    # The layout of Redis 7: a base and increments.
    server = find_binary().path
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    manifest = [
        "file appendonly.aof.1.base.rdb seq 1 type b",
        "file gone.aof seq 0 type h",
        'file "appendonly.aof.1.incr.aof" seq 1 type i',
        "file appendonly.aof.2.incr.aof seq 2 type i",
    ]
    (folder / "appendonly.aof.manifest").write_text("\n".join(manifest) + "\n")
    base, first, last = (folder / f"appendonly.aof.{name}" for name in ("1.base.rdb", "1.incr.aof", "2.incr.aof"))
    torn = recorded.content[: recorded.sizes[3] - 5]
    for file in (base, first):
        file.write_bytes(recorded.content)
    last.write_bytes(torn)
    assert aof.repair(tmp_path, server, lambda: None)
    assert last.stat().st_size == recorded.sizes[2]
    assert aof.repair(tmp_path, server, lambda: None) is None
    for damaged in (base, first):
        damaged.write_bytes(torn)
        with pytest.raises(Conflict, match="nothing was changed"):
            aof.repair(tmp_path, server, lambda: None)
        assert damaged.read_bytes() == torn
        damaged.write_bytes(recorded.content)
    base.write_bytes(b"")
    assert aof.repair(tmp_path, server, lambda: None) is None


def test_a_rewritten_file_with_a_torn_end_is_repaired(tmp_path):
    opened = open_storage("embedded", tmp_path, "one")
    opened.client.set("before", "1")
    opened.client.bgrewriteaof()
    wait_until(lambda: opened.client.info("persistence")["aof_last_rewrite_time_sec"] >= 0)
    opened.client.set("after", "2")
    opened.client.eval(SEVERAL, 2, "p", "q", "3")
    opened.close(clean=True)
    file = newest(tmp_path / "one")
    os.truncate(file, file.stat().st_size - 4)
    opened = open_storage("embedded", tmp_path, "one")
    assert opened.warnings
    assert sorted(opened.client.keys()) == [b"after", b"before"]
    opened.close(clean=True)


def test_files_are_not_checked_if_nothing_changed_since_redis_ended_in_order(tmp_path, monkeypatch):
    checked: list[int] = []

    def check(file: Path, server: Path) -> int | None:
        checked.append(file.stat().st_size)
        return good_bytes(file, server)

    good_bytes = aof.good_bytes
    monkeypatch.setattr(aof, "good_bytes", check)
    for step in ("new", "again"):
        opened = open_storage("embedded", tmp_path, "one")
        opened.client.set("step", step)
        opened.close(clean=True)
    assert not checked
    file = newest(tmp_path / "one")
    with file.open("rb+") as opened_file:
        opened_file.write(file.read_bytes()[:1])  # the same bytes, but the file was written
    size = file.stat().st_size
    opened = open_storage("embedded", tmp_path, "one")
    assert checked[-1:] == [size]
    opened.client.set("step", "killed")
    kill_redis(opened)
    opened.close(clean=False)
    opened = open_storage("embedded", tmp_path, "one")
    assert opened.client.get("step") == b"killed"
    opened.close(clean=True)
    assert len(checked) >= 2
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    before = len(checked)
    open_storage("embedded", tmp_path, "two").close(clean=True)
    assert len(checked) > before, "a copy is another file"
