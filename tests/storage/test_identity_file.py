"""The identity file of a replica, and the lock of the replica's folder.

The tests check when a replica may keep its id. They also check that a damaged identity file is refused.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bayou.errors import Conflict
from storage.identity_file import Findings, IdentityFile, decide, load, mint, save
from storage.redis.lock import lock_folder

OLD = "one~aaaaaa"
IDENTITY = IdentityFile(
    id=OLD,
    label="one",
    cluster="building-6",
    founded_at="2026-03-02T08:00:00+00:00",
    redis_run_id="run-1",
    redis_version="6.2.14",
)
CLEAN = replace(IDENTITY, clean=True, mark="csn 7")
SAME = {"run_id": "run-1", "mark": "csn 7", "durable": False}
OTHER = SAME | {"run_id": "run-2"}


@pytest.mark.parametrize(
    ("known", "namespace_id", "now", "kept", "reason"),
    [
        (None, None, SAME, False, "first time"),
        (None, OLD, SAME | {"durable": True}, False, "identity file is missing"),
        (CLEAN, None, SAME | {"durable": True}, False, "namespace is empty"),
        (CLEAN, "two~bbbbbb", SAME, False, "belongs to two~bbbbbb"),
        (IDENTITY, OLD, SAME, True, "has kept running"),
        (IDENTITY, OLD, SAME | {"restored": True}, False, "restored from a copy"),
        (replace(IDENTITY, repaired=True), OLD, SAME, False, "was repaired"),
        (replace(IDENTITY, repaired=True), OLD, OTHER | {"durable": True}, False, "was repaired"),
        (IDENTITY, OLD, OTHER, False, "restarted or replaced"),
        (IDENTITY, OLD, OTHER | {"durable": True}, True, "every acknowledged write"),
        (CLEAN, OLD, OTHER, True, "stopped normally"),
        (CLEAN, OLD, OTHER | {"mark": "csn 6"}, False, "restarted or replaced"),
        (replace(CLEAN, clean=False), OLD, OTHER, False, "restarted or replaced"),
        (replace(IDENTITY, id="one~zzzzzz", next=OLD), OLD, SAME, True, "has kept running"),
        (replace(IDENTITY, id="one~zzzzzz", next=OLD), OLD, OTHER, False, "restarted or replaced"),
        (replace(IDENTITY, next="one~zzzzzz"), OLD, SAME, True, "has kept running"),
        (replace(IDENTITY, redis_run_id=""), OLD, SAME | {"run_id": ""}, False, "restarted or replaced"),
        (IDENTITY, OLD, OTHER | {"is_whole": True}, True, "everything that this replica has acknowledged"),
        (replace(IDENTITY, repaired=True), OLD, OTHER | {"is_whole": True}, True, "everything"),
        (CLEAN, OLD, OTHER | {"is_whole": False, "durable": True}, False, "lacks writes"),
        (CLEAN, OLD, OTHER | {"is_here": False}, True, "is a copy, or was moved"),
        (CLEAN, OLD, OTHER | {"is_here": False, "mark": "csn 6"}, False, "restarted or replaced"),
        (IDENTITY, OLD, OTHER | {"is_here": False, "durable": True}, True, "is a copy, or was moved"),
        (IDENTITY, OLD, SAME | {"is_here": False, "durable": True}, True, "has kept running"),
        (CLEAN, OLD, OTHER | {"mark": "csn 6", "durable": True}, True, "has changed since the replica stopped"),
    ],
)
def test_an_id_is_kept_only_if_the_state_is_known_to_be_complete(known, namespace_id, now, kept, reason):
    decision = decide(known, Findings(namespace_id=namespace_id, **now))
    assert decision.id == (OLD if kept else None)
    assert reason in decision.reason
    assert decision.may_be_copy == (reason in {"is a copy, or was moved", "has changed since the replica stopped"})


def test_minted_ids_have_the_label_and_six_characters_and_differ():
    minted = {mint("one") for _ in range(50)}
    assert len(minted) == 50
    assert all(name.startswith("one~") and len(name) == 10 and name == name.lower() for name in minted)
    assert mint("one", lambda count: b"\0" * count) == "one~aaaaaa"


def test_an_identity_file_is_read_as_it_was_written(tmp_path: Path):
    assert load(tmp_path) is None
    save(tmp_path, IDENTITY)
    save(tmp_path, CLEAN)
    assert load(tmp_path) == CLEAN
    assert [path.name for path in tmp_path.iterdir()] == ["identity.json"]


def test_an_identity_file_with_its_former_name_is_renamed_and_read(tmp_path: Path):
    save(tmp_path, CLEAN)
    (tmp_path / "identity.json").rename(tmp_path / "birth.json")
    assert load(tmp_path) == CLEAN
    assert [path.name for path in tmp_path.iterdir()] == ["identity.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"id": "one~a"}',
        json.dumps({"id": 7, "label": "one", "cluster": "c", "founded_at": ""}),
        json.dumps({"id": "x", "label": "one", "cluster": "c", "founded_at": "", "clean": "yes"}),
        json.dumps({"id": "x", "label": "one", "cluster": "c", "founded_at": "", "colour": "red"}),
        b"\xff\xfe",
    ],
)
def test_a_damaged_identity_file_is_refused_and_not_changed(tmp_path: Path, text: str | bytes):
    content = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "identity.json").write_bytes(content)
    with pytest.raises(Conflict, match="cannot be read") as refusal:
        load(tmp_path)
    assert refusal.value.code == "identity_damaged"
    assert "delete this file" in refusal.value.message
    assert (tmp_path / "identity.json").read_bytes() == content


def test_one_process_at_a_time_holds_the_lock_of_a_folder(tmp_path: Path):
    folder = tmp_path / "data" / "one"
    lock = lock_folder(folder, "serves replica one")
    with pytest.raises(Conflict, match=f"already in use .process {os.getpid()}, which serves replica one") as refusal:
        lock_folder(folder, "exports")
    assert refusal.value.code == "already_running"
    assert json.loads((folder / "lock").read_text())["reason"] == "serves replica one"
    assert folder.stat().st_mode & 0o777 == 0o700
    lock.release()
    lock.release()
    lock_folder(folder, "exports").release()
