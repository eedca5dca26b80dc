"""Mutation tests: put deliberate faults into the Lua scripts and into the standing sessions, and check that the
simulation finds each one.

`make mutants` prints the seed and the invariant that found each fault. `make mutants MUTANT='forget undo'` tries one
fault, and prints the failure as a short scenario.
"""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from unittest.mock import patch

from apps import APPLICATIONS
from bayou.application import LuaApplication
from bayou.frames import Holds
from bayou.payloads import Selection
from bayou.reach import Reach
from bayou.stamps import DAY_US
from storage import scripts
from tests.simulation.report import failure
from tests.simulation.run import Lab, Run, lab
from tests.simulation.shrink import shrink

SEEDS_MAX = 100
STEPS = 600
SHRINK_S = 60.0


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault: in the Lua script of `verb`, `replacement` replaces every match of the regular expression `pattern`.

    If `verb` is None, the fault is in the scripts of all verbs. The hunt begins with the seed `first_seed`. Set
    `first_seed` if the first 100 seeds do not show the fault.
    """

    name: str
    pattern: str
    replacement: str
    verb: str | None = None
    first_seed: int = 0


@dataclass(frozen=True, slots=True)
class PythonMutant:
    """A fault: `faulty` replaces the method `target`, which is named as MODULE.CLASS.METHOD."""

    name: str
    target: str
    faulty: Callable[..., object]


def _forget_tentative(reach: Reach, selection: Selection) -> None:
    """Record only the commits of a batch as sent, and not its tentative writes. So the next batch of a standing session
    has the same tentative writes again."""
    NOTE_SENT(reach, replace(selection, items=tuple(item for item in selection.items if item.csn is not None)))


def _believe_too_much(reach: Reach, holds: Holds) -> None:
    """Assume that the receiver holds more writes of each server than the Holds frame says. So the commits of these
    extra writes are sent without the bodies."""
    later = {server: stamp + YEAR_US for server, stamp in holds.vector.items()}
    NOTE_HOLDS(reach, replace(holds, vector=later))


NOTE_SENT, NOTE_HOLDS = Reach.note_sent, Reach.note_holds
YEAR_US = 365 * DAY_US

SORTED = """local function sorted(whole)
  local numbers, found = {}, {}
  for i, head in ipairs(heads) do
    local number, id, size = head:match('^%[(%d+),"([^"]+)",(%d+)%]$')
    numbers[i], found[i] = number, {id, size, bodies[i]}
  end
  table.sort(found, function(a, b) return Order.before(a[1], b[1]) end)
  for i, write in ipairs(found) do
    heads[i], bodies[i] = '[' .. numbers[i] .. ',"' .. write[1] .. '",' .. write[2] .. ']', write[3]
  end
  return whole
end
if sorted(add_committed()) then"""

OTHER_ORDER = """local other = step['for'] and step['for'][#step['for'] + 1 - place] or alternative
      local changed = changes_of(pages, play, step, other)"""

MUTANTS: tuple[Mutant | PythonMutant, ...] = (
    Mutant("skip the prefix check", r"local status = misfit\(write\)", "local status", "receive"),
    Mutant("CSN order by stamp", r"if add_committed\(\) then", SORTED, "select"),
    Mutant("forget undo", r"function Play\.undo\(([^)]*)\)\n", r"function Play.undo(\1)\n  if true then return end\n"),
    Mutant("re-add a retired server", r"return is_retired\(server\) and math\.huge or 0", "return 0"),
    Mutant(  # also removes the prefix check, which would refuse the second commit as a fork
        "apply a commit twice",
        r"(?s)if csn <= Log\.csn then\n.*?\n  end\n(.*?)local status = misfit\(write\)(.*?)local function",
        r"if csn < Log.csn then return end\n\1local status\2local function",
        "receive",
    ),
    Mutant(
        "drop the session check",
        r"function Held\.missing\(needs, view\)\n",
        "function Held.missing()\n  if true then return end\n",
    ),
    Mutant(
        "ignore pages",
        r"work\[#work \+ 1\] = \{other, id\}",
        "",
    ),
    Mutant(
        "reuse a stamp after restart",
        r"if known_server ~= server then redis",
        "redis.call('SET', K.clock, Order.text(0))\nif known_server ~= server then redis",
        "begin",
    ),
    Mutant("truncate past the commit", r"tonumber\(osn\) \+ #dropped\)", "tonumber(osn) + #dropped + 1)", "truncate"),
    Mutant(
        "all or nothing keeps some",
        r'occurrences_wanted == "all_or_nothing" and not is_whole',
        "occurrences_wanted == 0",
    ),
    Mutant("any person is a manager", r' and pages\.get\(person, "role"\) == "manager"', ""),
    Mutant("copy at commit what is forbidden", r" and Play\.is_allowed\(write\)", ""),
    Mutant("judge tentative writes, too", r"view == 'committed' and refusal_of", "refusal_of"),
    Mutant("ignore the check that a write carries", r"if step\.check and not holds\(", "if false and not holds("),
    Mutant(
        "try alternatives in another order",
        r"local changed = changes_of\(pages, play, step, alternative\)",
        OTHER_ORDER,
    ),
    Mutant("forget the first list", r"for i = 1, #entries, 2 do", "for i = 3, #entries, 2 do"),
    Mutant(
        "take commits of others at the primary",
        r"if Log\.is_primary\(\) and csn > forced then",
        "if false then",
        "receive",
    ),
    Mutant(
        "take the commit of a fork beside its rivals",
        r"if status == 'fork' then status = give_way\(write\) end",
        "if status == 'fork' then status = nil end",
        "receive",
        first_seed=240,
    ),
    Mutant("forget what was set aside", r"  Replay\.resubmit\(Log[^\n]*\n", "", "resubmit"),
    Mutant(
        "count the commits that came with a state as dropped",
        r"in pairs\(omitted\)",
        "in pairs(state.vector)",
        "install",
    ),
    Mutant("fork at forced promotion", r"epochs\[#epochs \+ 1\] = ", "epochs[#epochs] = epochs[#epochs] or "),
    PythonMutant("send a write twice as new", "bayou.reach.Reach.note_sent", _forget_tentative),
    PythonMutant("send a commit before its write", "bayou.reach.Reach.note_holds", _believe_too_much),
)


@contextlib.contextmanager
def mutated(mutant: Mutant | PythonMutant) -> Iterator[None]:
    """Put the fault into the code while the `with` block runs. A PythonMutant changes all sessions in the block. A
    Mutant changes the scripts of all stores that are created in the block."""
    if isinstance(mutant, PythonMutant):
        with patch(mutant.target, mutant.faulty):
            yield
        return
    script: Callable[[str, Sequence[LuaApplication]], str] = scripts.script
    changed = 0

    def faulty(verb: str, applications: Sequence[LuaApplication]) -> str:
        nonlocal changed
        text = script(verb, applications)
        if mutant.verb in {None, verb}:
            text, number = re.subn(mutant.pattern, mutant.replacement, text)
            changed += number
        return text

    with patch("storage.script_runner.script", faulty):
        for verb in scripts.VERBS:
            faulty(verb, APPLICATIONS)
        assert changed, f"the pattern of {mutant.name!r} matches no script; adapt it to the Lua"
        yield


def hunt(laboratory: Lab, mutant: Mutant | PythonMutant, seeds_max: int = SEEDS_MAX) -> Run | None:
    """Return the first simulation run that fails because of the fault, or None if no seed finds it."""
    first = mutant.first_seed if isinstance(mutant, Mutant) else 0
    with mutated(mutant):
        for seed in range(first, first + seeds_max):
            run = laboratory.seed(seed, STEPS)
            if run.error is not None:
                return run
    return None


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make mutants", description="Put deliberate faults into the code, and show what finds each."
    )
    parser.add_argument(
        "mutant",
        nargs="?",
        choices=[mutant.name for mutant in MUTANTS],
        help="try this fault only, and show how the run fails",
    )
    wanted = parser.parse_args().mutant
    missed = 0
    with lab() as laboratory:
        for mutant in MUTANTS:
            if wanted in {None, mutant.name}:
                run = hunt(laboratory, mutant)
                missed += run is None
                print(_line(mutant, run), flush=True)
                if wanted and run:
                    with mutated(mutant):
                        print("\n".join(failure(shrink(laboratory, run, SHRINK_S))))
    return missed


def _line(mutant: Mutant | PythonMutant, run: Run | None) -> str:
    if run is None:
        return f"{mutant.name:26} not found in {SEEDS_MAX} seeds"
    what = f"invariant {run.invariant:2}" if run.invariant else type(run.error).__name__
    text = str(run.error).removeprefix(f"invariant {run.invariant}: ")
    return f"{mutant.name:26} seed {run.plan.seed:2} step {len(run.steps):3}  {what}  {text[:90]}"


if __name__ == "__main__":
    raise SystemExit(main())
