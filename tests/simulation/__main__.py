"""`make sim`: seeds one after another. SEED=n runs one, with its trace; SEEDS= and STEPS= say how many and how long."""

from __future__ import annotations

import argparse
import secrets

from tests.simulation.report import failure, summary
from tests.simulation.run import Run, lab
from tests.simulation.shrink import shrink

SHRINK_S = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make sim", description="Many replicas under faults that a seed chooses.")
    parser.add_argument("--seeds", type=int, default=50, help="how many seeds")
    parser.add_argument("--steps", type=int, default=2000, help="steps of each")
    parser.add_argument("--seed", type=int, help="only this one; prints its trace")
    parser.add_argument("--base", type=int, help="the first seed; a random one by default")
    asked = parser.parse_args()
    base = asked.base if asked.base is not None else secrets.randbelow(1_000_000)
    seeds = [asked.seed] if asked.seed is not None else range(base, base + asked.seeds)
    runs: list[Run] = []
    with lab() as laboratory:
        for seed in seeds:
            run = laboratory.seed(seed, asked.steps)
            runs.append(run)
            if asked.seed is not None:
                print("\n".join(run.trace))
            if run.error is not None:
                print("\n".join(failure(shrink(laboratory, run, SHRINK_S))), flush=True)
    print("\n".join(summary(runs)))
    return any(run.error is not None for run in runs)


raise SystemExit(main())
