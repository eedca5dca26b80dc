"""What a run, or many, came to, for people: figures, a failure with its shrunk trace, and that trace as a scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from tests.simulation.run import Run

FAULTS = (
    *("cut", "link", "crash", "restart", "flush", "restore", "clock", "truncate", "create", "retire", "left"),
    *("hand", "force", "export", "import"),
)
OTHERS = ("doubled frames", "lost frames", "lost replies", "new ids")
FIGURES = ("operations", "refused", "behind", "writes", "sessions", "frame")
WORK = ("rolled back", "replayed", "full states", "revoked", "whole")

# What the scenario language can say of a step: name -> command, with the words of the trace by number.
COMMANDS = {
    "crash": "crash {0}",
    "restart": "recover {0}",
    "truncate": "truncate {0} 0",
    "commit": "commit {0}",
    "force": "promote {0} force",
    "retire": "retireServer {0}",
    "create": "joinServer {0}",
}


def summary(runs: Iterable[Run]) -> Iterator[str]:
    """Operations, faults by kind, work done, and speed, over all runs."""
    total: Counter[str] = Counter()
    seconds, number, failed = 0.0, 0, 0
    for run in runs:
        total += run.counts
        seconds, number, failed = seconds + run.seconds, number + 1, failed + (run.error is not None)
    speed = total["steps"] / max(seconds, 0.001)
    yield f"{number} seeds, {failed} failed; {total['steps']} steps in {seconds:.0f} s, {speed:.0f}/s"
    for title, names in (("asked", FIGURES), ("faults", [*FAULTS, *OTHERS]), ("work", WORK)):
        yield f"  {title}: " + ", ".join(f"{name} {total[name]}" for name in names)
    errors = sorted(name for name in total if name.startswith("error "))
    yield "  sessions refused: " + (", ".join(f"{name[6:]} {total[name]}" for name in errors) or "none")


def failure(run: Run) -> Iterator[str]:
    """A failure: the seed, the invariant, the steps that lead to it."""
    yield f"SEED {run.plan.seed} FAILS after {len(run.steps)} steps: {run.error!r}"
    drawn = run.plan
    yield f"  {drawn.servers} servers, {drawn.clients} clients, commit {drawn.commit_mode}, batches of {drawn.batch}"
    yield from (f"  {line}" for line in run.trace)
    yield "As a scenario (what the language cannot say stands as a comment):"
    yield from (f"  {line}" for line in scenario(run))


def scenario(run: Run) -> Iterator[str]:
    """The trace in the scenario language, as far as that goes; sessions are frames there for nobody to choose."""
    for number in range(1, run.plan.servers + 1):
        yield f"joinServer s{number}"
    yield "pause"
    for line in run.trace:
        _, _, rest = line.partition(" ")
        name, _, text = rest.partition(" ")
        words = text.split()
        if name in COMMANDS and words and words[0].startswith("s"):
            yield COMMANDS[name].format(*words)
        elif name == "link":
            for way, state in zip(words[::2], words[1::2], strict=False):
                one, _, other = way.partition("->")
                yield f"{'breakConnection' if state == 'cut' else 'restoreConnection'} {one} {other}"
        elif name in {"put", "reserve"} and " at " in text:
            user, server = words[0].split("/")[0], words[2]
            yield f"joinClient {user} {server}"
            yield f"{name} {user} ...  # {text}"
        else:
            yield f"# {line}"
