"""Run the chaos test (`make chaos`). Print its figures, and exit with status 1 if it found an error."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Callable

from cluster.waiting import Stopped, on_stop
from tests.chaos.run import RunOptions, run

SECONDS = 120.0
SECONDS_MAX = 3600.0  # if only KILLS is given
STOPPED = 130
KILLS = 10_000
LINE_EVERY_S = 30.0  # of a progress that goes to a file


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make chaos", description="Kill replicas at random, and check that no reservation is lost."
    )
    parser.add_argument("--seconds", type=float, help="longest time to inject faults")
    parser.add_argument("--kills", type=int, help="number of kills after which the run ends")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="seed of an earlier run, to repeat it")
    parser.add_argument("--replicas", type=int, default=4, choices=(3, 4, 5))
    options = parser.parse_args()
    seconds = options.seconds or (SECONDS_MAX if options.kills else SECONDS)
    print(f"seed {options.seed}", flush=True)
    on_stop(_stop)
    try:
        result = run(RunOptions(seconds, options.kills or KILLS, options.seed, options.replicas), _progress())
    except Stopped:
        print("stopped; all replicas are stopped, and their files and networks deleted")
        return STOPPED
    print("\n".join(result.lines()))
    return 1 if result.wrong else 0


def _stop() -> None:
    on_stop(lambda: None)  # the clean-up is not to be interrupted
    raise Stopped


def _progress() -> Callable[[str], None]:
    """Return a function that shows the progress on stderr. On a terminal, the function rewrites one line. Elsewhere,
    the function prints a line from time to time."""
    is_terminal, next_line = sys.stderr.isatty(), time.monotonic()

    def show(text: str) -> None:
        nonlocal next_line
        if is_terminal:
            print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)
        elif text and time.monotonic() >= next_line:
            print(text, file=sys.stderr, flush=True)
            next_line = time.monotonic() + LINE_EVERY_S

    return show


if __name__ == "__main__":
    sys.exit(main())
