"""`make sim` runs many seeds on all cores. The first seed is drawn at random and printed.

SEED=n runs one seed and prints the trace of the run. SEEDS= sets the number of seeds, and STEPS= sets the number of
steps per seed. BASE= sets the first seed. SECONDS= sets a time limit: when the time is over, no new seed begins.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import sys
import time

from tests.simulation.report import Total, failure
from tests.simulation.run import lab
from tests.simulation.shrink import shrink
from tests.simulation.workers import SHRINK_S, run_seeds

BASE_MAX = 1_000_000_000
SEEDS_IN_TIME = 1_000_000  # more than can run in the time
LINE_EVERY_S = 0.5
LINE_EVERY_S_WITHOUT_TERMINAL = 30.0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make sim", description="Simulate many replicas under faults that a seed chooses."
    )
    parser.add_argument("--seeds", type=int, help="number of seeds (default 50)")
    parser.add_argument("--steps", type=int, default=1000, help="steps of each seed")
    parser.add_argument("--seconds", type=float, help="begin no new seed after this time")
    parser.add_argument("--seed", type=int, help="run only this seed and print its trace")
    parser.add_argument("--base", type=int, help="the first seed (default random)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="number of processes")
    asked = parser.parse_args()
    if asked.seed is not None:
        return _one(asked.seed, asked.steps)
    base = asked.base if asked.base is not None else secrets.randbelow(BASE_MAX)
    return _many(base, asked.seeds or (SEEDS_IN_TIME if asked.seconds else 50), asked)


def _one(seed: int, steps: int) -> int:
    total = Total()
    with lab() as laboratory:
        run = laboratory.seed(seed, steps)
        print("\n".join(run.trace))
        if run.error is not None:
            print("\n".join(failure(shrink(laboratory, run, SHRINK_S))))
    total.add(run.counts, run.seconds, failed=run.error is not None)
    print("\n".join(total.lines()))
    return total.failed


def _many(base: int, count: int, asked: argparse.Namespace) -> int:
    print(f"base seed {base}, {asked.steps} steps a seed, {asked.workers} workers", flush=True)
    total, began = Total(), time.monotonic()
    progress = Progress(None if asked.seconds else count, asked.seconds)
    runs = contextlib.closing(run_seeds(base, count, asked.steps, asked.workers, asked.seconds))
    with contextlib.suppress(KeyboardInterrupt), runs as ended:
        for came in ended:
            if came is not None:
                total.add(came.counts, came.seconds, failed=bool(came.failure))
                if came.failure:
                    progress.clear()
                    print("\n".join(came.failure), flush=True)
            progress.show(total)
    progress.clear()
    print("\n".join(total.lines()))
    took_s = time.monotonic() - began
    print(f"  {took_s:.0f} s, {total.counts['steps'] / took_s:.0f} steps/s of all")
    return 1 if total.failed else 0


class Progress:
    """Prints progress. On a terminal, the progress is one line that changes. Elsewhere, a new line is printed every 30
    s."""

    def __init__(self, seeds: int | None, seconds: float | None) -> None:
        self._seeds, self._seconds = seeds, seconds
        self._terminal = sys.stderr.isatty()
        self._began = self._shown = time.monotonic()

    def show(self, total: Total) -> None:
        now = time.monotonic()
        if now - self._shown < (LINE_EVERY_S if self._terminal else LINE_EVERY_S_WITHOUT_TERMINAL):
            return
        self._shown, took_s = now, now - self._began
        share = total.seeds / self._seeds if self._seeds else min(took_s / (self._seconds or took_s), 1.0)
        left = f", {took_s / share - took_s:.0f} s left" if share else ""
        bar = "█" * int(20 * share) + "░" * (20 - int(20 * share))
        of = f"/{self._seeds}" if self._seeds else ""
        speed = total.counts["steps"] / took_s
        line = f"{bar} {total.seeds}{of} seeds, {total.failed} failed, {speed:.0f} steps/s{left}"
        print(
            f"\r{line}\033[K" if self._terminal else line,
            end="" if self._terminal else "\n",
            file=sys.stderr,
            flush=True,
        )

    def clear(self) -> None:
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
