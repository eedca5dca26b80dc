"""A full state between real processes; `python -m bench.full_state` is the same with 100,000 reservations."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.full_state import run

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read as Linux tells it")
def test_a_full_state_is_cut_twice_and_arrives_whole_in_bounded_memory(tmp_path: Path) -> None:
    result = run(tmp_path, 10_000)  # enough to be cut in the middle
    assert result.wrong == [], "\n".join(result.lines())
