"""`make chaos`: a long run by hand. Its figures go to the terminal; the exit status is 1 when anything was lost."""

from __future__ import annotations

import argparse
import secrets
import sys

from cluster.waiting import Stopped, on_stop
from tests.chaos.run import Wish, run

SECONDS = 120.0
SECONDS_MAX = 540.0  # with KILLS alone: a run and its end take less than ten minutes
STOPPED = 130
KILLS = 10_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description="Kill replicas at random, and check the books.")
    parser.add_argument("--seconds", type=float, help="of torment, at the most")
    parser.add_argument("--kills", type=int, help="after which it ends")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="of an earlier run")
    parser.add_argument("--replicas", type=int, default=4, choices=(3, 4, 5))
    asked = parser.parse_args()
    seconds = asked.seconds or (SECONDS_MAX if asked.kills else SECONDS)
    print(f"seed {asked.seed}", flush=True)
    on_stop(_stop)
    try:
        result = run(Wish(seconds, asked.kills or KILLS, asked.seed, asked.replicas), _tell)
    except Stopped:
        print("stopped; nothing of it is left")
        return STOPPED
    print("\n".join(result.lines()))
    return 1 if result.wrong else 0


def _stop() -> None:
    raise Stopped


def _tell(text: str) -> None:
    """One line that is written over on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
