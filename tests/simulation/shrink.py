"""The least of a run that still fails in the same way: steps are left out, in halves and then one by one."""

from __future__ import annotations

import time

from tests.simulation.faults import Step
from tests.simulation.run import Lab, Run


def shrink(lab: Lab, failed: Run, seconds_max: float) -> Run:
    """Leaves out ever smaller parts (delta debugging) while there is time; the result fails as `failed` did."""
    deadline = time.monotonic() + seconds_max
    best = failed
    size = max(1, len(best.steps) // 2)
    while time.monotonic() < deadline:
        best, removed = _without_parts(lab, best, size, deadline)
        if size == 1 and not removed:
            break
        size = max(1, size // 2)
    return best


def _without_parts(lab: Lab, best: Run, size: int, deadline: float) -> tuple[Run, bool]:
    removed, at = False, 0
    while at < len(best.steps) and time.monotonic() < deadline:
        fewer: list[Step] = best.steps[:at] + best.steps[at + size :]
        run = lab.replay(best.plan, fewer)
        if run.error is not None and run.kind == best.kind:
            best, removed = run, True
        else:
            at += size
    return best, removed
