"""docs/rest.md: the tables list the declared endpoints, and the examples print the output that the document shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps import NAMES
from replica.events.counters import Counters
from replica.http.app import tables_of
from replica.http.auth import Security
from replica.http.parts import Parts
from tests.replica.test_openapi import parts
from tests.support.live import ROOT, live

__all__ = ["parts"]  # the fixture

DOCUMENT = (ROOT / "docs" / "rest.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^### .*\(`(\w+)`\)\n\n((?:\|.*\n)+)", re.MULTILINE)
EXAMPLE = re.compile(r"^```sh\n(.*?)^```\n\n```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LABELS = ("one", "two", "three")
PORT_FIRST = 8001  # the port of replica one in config.yaml; the other replicas have the next ports
BY_HAND = {"interval_s": 0, "after_write": False}
# What differs from run to run: the id of a server, and a stamp.
VARIABLE = re.compile(r"[a-z0-9_-]+~[a-z0-9]{6}|\b[0-9]{16}\b")


def test_the_tables_are_the_endpoints(parts: Parts) -> None:
    """Each application of this project must have a section in docs/rest.md. Applications of other projects need no
    section."""
    documented = dict(SECTION.findall(DOCUMENT))
    tables = tables_of(parts, Counters(), Security(parts.settings, parts.store.read))
    assert {"replica", "rooms", "playlist", "people", "records"} == set(documented) <= {"replica", *NAMES}
    for owner, rows in documented.items():
        expected = [
            f"| {found.method} | `{found.path.replace('{+', '{')}` | {found.summary} | {found.role or '–'} |"
            for found in tables[owner]
        ]
        assert rows.splitlines()[2:] == expected


@pytest.mark.process
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_examples_print_what_the_page_says(tmp_path: Path) -> None:
    rooms = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["rooms"]
    examples = EXAMPLE.findall(DOCUMENT)
    assert len(examples) == 6
    with live(tmp_path, LABELS, rooms=rooms, anti_entropy=BY_HAND) as replicas:
        for commands, output in examples:
            script = commands
            for port, label in enumerate(LABELS, PORT_FIRST):
                script = script.replace(f"127.0.0.1:{port}", str(replicas.settings.replica(label).rest))
            ran = subprocess.run(
                ["bash", "-euc", script], capture_output=True, check=True, text=True, timeout=60, encoding="utf-8"
            )
            assert list(documents(ran.stdout)) == list(documents(output)), commands


def documents(text: str) -> Iterator[Any]:
    """Return the JSON documents in a text, one after another. Values that differ from run to run are replaced."""
    rest = VARIABLE.sub("*", text).strip()
    while rest:
        found, end = json.JSONDecoder().raw_decode(rest)
        yield found
        rest = rest[end:].strip()
