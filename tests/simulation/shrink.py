"""Shrinks a failing run. Groups of steps are left out: first large groups, then smaller groups.

A group is left out if the shorter run still fails in the same way.
"""

from __future__ import annotations

import time

from tests.simulation.faults import Step
from tests.simulation.run import Lab, Run
from tests.simulation.world import IDLE


def shrink(lab: Lab, failed: Run, seconds_max: float) -> Run:
    """Leave out groups of steps from the run `failed` (delta debugging), and return the shrunk run. The groups become
    smaller and smaller.

    The shrunk run fails in the same way as `failed`. Shrinking ends after `seconds_max` seconds.
    """
    deadline = time.monotonic() + seconds_max
    best = failed
    for fewer in (best.steps, _without_idle_ones(best)):
        run = lab.replay(best.plan, fewer, whole_every=1)  # more checks may find the failure earlier
        if run.error is not None and run.kind == best.kind:
            best = run
    size = max(1, len(best.steps) // 2)
    while time.monotonic() < deadline:
        best, removed = _without_parts(lab, best, size, deadline)
        if size == 1 and not removed:
            break
        size = max(1, size // 2)
    return best


def _without_idle_ones(run: Run) -> list[Step]:
    """Return the steps of a run that did something. The last step is always kept, because the trace may lack this
    step."""
    last = len(run.steps) - 1
    ends = tuple(f" {text}" for text in IDLE)
    return [step for n, step in enumerate(run.steps) if n == last or not run.trace[n].endswith(ends)]


def _without_parts(lab: Lab, best: Run, size: int, deadline: float) -> tuple[Run, bool]:
    removed, at = False, 0
    while at < len(best.steps) and time.monotonic() < deadline:
        fewer: list[Step] = best.steps[:at] + best.steps[at + size :]
        run = lab.replay(best.plan, fewer, whole_every=1)
        if run.error is not None and run.kind == best.kind:
            best, removed = run, True
        else:
            at += size
    return best, removed
