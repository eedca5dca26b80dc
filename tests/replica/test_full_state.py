"""The transfer of a full state between real processes. `python -m bench.full_state` tests the same with 100,000
reservations."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.full_state import run

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
def test_a_full_state_survives_two_cuts_in_bounded_memory(tmp_path: Path) -> None:
    result = run(tmp_path, 10_000)  # enough for a cut in the middle
    assert result.wrong == [], "\n".join(result.lines())
