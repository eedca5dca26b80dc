"""`make bench`: measure this project, and print one table. Each row compares a figure of this project with a limit.

    make bench                       all rows, a few minutes
    make bench ROW=apply,store       some rows
    make bench PEERS=1               all rows, and `peers`: a comparison with PouchDB, which npm installs for the run
    make bench ROW=million           a million reservations: ten minutes, 7 GiB of memory, 4 GiB of disk
    make bench JSON=1                all rows, as JSON

Progress goes to standard error. docs/performance.md explains each row.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence

from bench.measure import Size, report
from bench.rows import ON_REQUEST, ROWS
from bench.table import Row, as_json, as_markdown
from bench.workspace import workspace


def main(arguments: Sequence[str]) -> int:
    """Measure the rows and print the table.

    Return 0 if all rows were measured, else 1. If a row is unknown, end the program with status 2.
    """
    parser = argparse.ArgumentParser(
        prog="make bench", description="Measure this project and compare each figure with its limit."
    )
    every_row = ROWS | ON_REQUEST
    parser.add_argument(
        "--row", metavar="ROW,…", default=",".join(ROWS), help=f"the rows to measure, some of {', '.join(every_row)}"
    )
    parser.add_argument("--peers", action="store_true", help="measure the row `peers` as well")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    asked = parser.parse_args(arguments)
    names = [name.strip() for name in asked.row.split(",") if name.strip()]
    names += ["peers"] if asked.peers else []
    unknown = [name for name in names if name not in every_row]
    if unknown:
        parser.error(f"unknown row {', '.join(unknown)}; use some of {', '.join(every_row)}")
    rows, failed = measure(names, Size())
    print(as_json(rows) if asked.json else as_markdown(rows))
    return 1 if failed else 0


def measure(names: Sequence[str], size: Size) -> tuple[list[Row], list[str]]:
    """Measure the rows with these names. Return the lines of the table, and the names of the rows that failed."""
    began, rows, failed = time.monotonic(), list[Row](), list[str]()
    measures = ROWS | ON_REQUEST
    wanted = [name for name in measures if name in names]
    with workspace() as space:
        for number, name in enumerate(wanted, 1):
            report(f"[{number}/{len(wanted)}] {name} …")
            since = time.monotonic()
            try:
                rows += measures[name](space, size)
            except Exception:  # the other rows are still worth printing
                report(traceback.format_exc())
                failed.append(name)
            report(f"[{number}/{len(wanted)}] {name}: {time.monotonic() - since:.0f} s")
    report(f"{len(wanted)} rows in {time.monotonic() - began:.0f} s")
    if failed:
        report(f"Not measured because of the errors above: {', '.join(failed)}")
    return rows, failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
