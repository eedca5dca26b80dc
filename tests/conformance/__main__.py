"""Runs the checks: `python -m tests.conformance HOST:PORT`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.conformance.checks import CHECKS
from tests.conformance.peer import Failed
from tests.conformance.subject import NotReady, Skipped, Subject

UNREADABLE = (AssertionError, LookupError, TypeError, ValueError)  # a check may raise these if an answer makes no sense
DESCRIPTION = "Check an implementation of docs/protocol.md against the rules of that page."
EPILOG = """\
The replica at HOST:PORT must be fresh: it holds nothing, is not the first primary, and plays `records` and `members`
only. docs/protocol.md, section 11, says how to start it. The suite plays the first primary and other replicas.

exit status: 0 if every check is ok or skipped, 1 if one has failed or the suite cannot begin
"""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("address", metavar="HOST:PORT", help="the anti-entropy address of the replica")
    parser.add_argument("--only", metavar="NAME", help="run the checks whose name contains this text")
    asked = parser.parse_args(arguments)
    try:
        subject = Subject(asked.address)
    except (NotReady, Failed) as problem:
        print(f"The suite cannot begin. {problem}")
        return 1
    failed = run(subject, asked.only or "")
    return 1 if failed else 0


def run(subject: Subject, only: str = "") -> list[str]:
    """Run the checks, and print a line for each check. Return the names of the checks that failed."""
    failed, skipped = list[str](), list[str]()
    begun_s = time.monotonic()
    wanted = [(number, check) for number, check in CHECKS if only in check.__name__]
    for number, check in wanted:
        name = check.__name__
        if sys.stdout.isatty():
            print(f"...     {name}", end="\r", flush=True)
        try:
            check(subject)
            print(f"ok      {name}", flush=True)
        except Skipped as reason:
            skipped.append(name)
            print(f"skipped {name}: {reason}", flush=True)
        except (Failed, *UNREADABLE) as problem:
            failed.append(name)
            said = problem if isinstance(problem, Failed) else f"The answer of the replica cannot be read: {problem!r}."
            print(f"FAILED  {name}: {check.__doc__}\n        {said}\n        See docs/protocol.md, section {number}.")
    seconds = time.monotonic() - begun_s
    ok = len(wanted) - len(failed) - len(skipped)
    print(f"{len(wanted)} checks in {seconds:.0f} s: {ok} ok, {len(failed)} failed, {len(skipped)} skipped.")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
