"""`cluster.py compare`: plays one script of reservations under eight designs, and shows the results."""

from __future__ import annotations

import sys
from pathlib import Path

from cluster import screens
from cluster.compare.bayou import play_bayou
from cluster.compare.designs import DESIGNS
from cluster.compare.play import NotComparable, play, read_script
from cluster.compare.tables import requests, summary, table
from cluster.run import simulation
from cluster.waiting import on_stop, raise_stopped

WRONG = 2


def compare(script: Path) -> int:
    """Play a script under eight designs and show the results. On a terminal, wait for a key after each table.

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
    tables = (table(number, story) for number, story in enumerate(stories, 1))
    screens.show("\n".join(lines) for lines in (requests(stories[0].rows), *tables, summary(stories)))
    return 0
