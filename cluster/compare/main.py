"""`cluster.py compare`: plays one script of reservations under six designs and prints the results side by side."""

from __future__ import annotations

import sys
from pathlib import Path

from cluster.compare.bayou import play_bayou
from cluster.compare.designs import DESIGNS
from cluster.compare.play import NotComparable, play, read_script
from cluster.compare.tables import requests, summary, table
from cluster.run import simulation
from cluster.waiting import on_stop, raise_stopped

WRONG = 2


def compare(script: Path) -> int:
    """Play a script under six designs and print the results.

    Return 0, or 2 if the script cannot be compared. Raise Stopped if the user stops the program, and OSError if the
    file cannot be read.
    """
    try:
        with script.open(encoding="utf-8-sig", errors="replace") as opened:
            lines = read_script(opened)
    except NotComparable as problem:
        print(f"{script}: {problem}", file=sys.stderr)
        return WRONG
    on_stop(raise_stopped)
    stories = [play(design(), lines) for design in DESIGNS]
    with simulation() as driver:
        stories.append(play_bayou(driver, lines, lambda text: print(text, file=sys.stderr)))
    print("\n".join(requests(stories[0].rows)))
    for number, story in enumerate(stories, 1):
        print()
        print("\n".join(table(number, story)))
    print()
    print("\n".join(summary(stories)))
    return 0
