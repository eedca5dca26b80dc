"""Deliberate faults, to see that the simulation sees: each is a text of the engine put in the place of another.

`make mutants` prints which seed, and which invariant, has found each.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from unittest.mock import patch

from bayou.application import Application
from storage import scripts
from tests.simulation.run import Lab, Run, lab

SEEDS_MAX = 40
STEPS = 600


@dataclass(frozen=True, slots=True)
class Mutant:
    """A text in the place of another, in the script of a verb; of every verb where that is None."""

    name: str
    pattern: str
    replacement: str
    verb: str | None = None


SORTED = """local function sorted(whole)
  local pairs_ = {}
  for i = 3, #reply, 3 do pairs_[#pairs_ + 1] = {reply[i + 1], reply[i + 2]} end
  table.sort(pairs_, function(a, b) return Order.before(a[1], b[1]) end)
  for i, pair in ipairs(pairs_) do reply[3 * i + 1], reply[3 * i + 2] = pair[1], pair[2] end
  return whole
end
if sorted(add_committed()) then"""

MUTANTS = (
    Mutant("skip the prefix check", r"local status = misfit\(write\)", "local status", "receive"),
    Mutant("CSN order by stamp", r"if add_committed\(\) then", SORTED, "select"),
    Mutant("forget undo", r"function Play\.undo\(([^)]*)\)\n", r"function Play.undo(\1)\n  if true then return end\n"),
    Mutant("re-add a retired server", r"return is_retired\(server\) and math\.huge or 0", "return 0"),
    Mutant(
        "apply a commit twice", r"if csn <= Log\.csn then return end", "if csn < Log.csn then return end", "receive"
    ),
    Mutant(
        "drop the session check",
        r"function Held\.missing\(needs, view\)\n",
        "function Held.missing()\n  if true then return end\n",
    ),
    Mutant(
        "ignore pages",
        r"for _, other in ipairs\(write\.pages\) do work\[#work \+ 1\] = \{other, id\} end",
        "",
    ),
    Mutant(
        "reuse a stamp after restart",
        r"if id ~= ARGV\[1\] then redis",
        "redis.call('SET', K.clock, Order.text(0))\nif id ~= ARGV[1] then redis",
        "begin",
    ),
    Mutant("truncate past the commit", r"tonumber\(osn\) \+ #dropped\)", "tonumber(osn) + #dropped + 1)", "truncate"),
    Mutant("fork at forced promotion", r"epochs\[#epochs \+ 1\] = ", "epochs[#epochs] = epochs[#epochs] or "),
)


@contextlib.contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    """The engine with this fault, for stores that are made while the block lasts."""
    script: Callable[[str, Sequence[Application]], str] = scripts.script
    changed = 0

    def faulty(verb: str, applications: Sequence[Application]) -> str:
        nonlocal changed
        text = script(verb, applications)
        if mutant.verb in {None, verb}:
            text, number = re.subn(mutant.pattern, mutant.replacement, text)
            changed += number
        return text

    with patch("storage.scripted.script", faulty):
        faulty("receive", ())
        for verb in scripts.VERBS:
            faulty(verb, ())
        assert changed, f"the engine has no such place any more: {mutant.name}"
        yield


def hunt(laboratory: Lab, mutant: Mutant, seeds_max: int = SEEDS_MAX) -> Run | None:
    """The first run that finds it; None when none does."""
    with mutated(mutant):
        for seed in range(seeds_max):
            run = laboratory.seed(seed, STEPS)
            if run.error is not None:
                return run
    return None


def main() -> int:
    missed = 0
    with lab() as laboratory:
        for mutant in MUTANTS:
            run = hunt(laboratory, mutant)
            missed += run is None
            if run is None:
                print(f"{mutant.name:30} not found in {SEEDS_MAX} seeds", flush=True)
            else:
                error = f"invariant {run.invariant}" if run.invariant else type(run.error).__name__
                where = f"seed {run.plan.seed:3} step {len(run.steps):5}"
                print(f"{mutant.name:30} {where} {error}: {str(run.error)[:70]}", flush=True)
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
