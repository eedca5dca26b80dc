"""Check that the simulation finds a few of the deliberate faults quickly; `make mutants` tries all of them."""

from __future__ import annotations

import pytest

from tests.mutants.__main__ import MUTANTS, Mutant, PythonMutant, hunt
from tests.simulation.run import lab

pytestmark = pytest.mark.slow

QUICK = {"truncate past the commit", "drop the session check", "forget undo"}


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.name in QUICK], ids=lambda mutant: mutant.name)
def test_a_fault_is_found(mutant: Mutant | PythonMutant) -> None:
    with lab() as laboratory:
        found = hunt(laboratory, mutant, seeds_max=15)
    assert found is not None, "no seed has found the fault"
