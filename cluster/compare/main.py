"""`cluster.py compare`: one script of reservations, played under every design, and what came of it."""

from __future__ import annotations

import sys
from pathlib import Path

from cluster.compare.bayou import play_bayou
from cluster.compare.designs import MODELS
from cluster.compare.play import NotComparable, play, read_script
from cluster.compare.tables import asked, summary, table
from cluster.run import simulation
from cluster.waiting import Stopped, on_stop

STOPPED = 130
WRONG = 2


def compare(script: Path) -> int:
    """0; 2 where the script has what is not compared; 130 when stopped. OSError where it cannot be read."""
    try:
        with script.open(encoding="utf-8-sig", errors="replace") as opened:
            lines = read_script(opened)
    except NotComparable as problem:
        print(f"{script}: {problem}", file=sys.stderr)
        return WRONG
    on_stop(_stop)
    try:
        stories = [play(model(), lines) for model in MODELS]
        with simulation() as driver:
            stories.append(play_bayou(driver, lines, lambda text: print(text, file=sys.stderr)))
    except Stopped:
        return STOPPED
    print("\n".join(asked(stories[0].rows)))
    for number, story in enumerate(stories, 1):
        print()
        print("\n".join(table(number, story)))
    print()
    print("\n".join(summary(stories)))
    return 0


def _stop() -> None:
    raise Stopped
