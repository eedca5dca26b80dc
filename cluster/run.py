"""`cluster.py run`: a script from a file or from standard input, on real servers or in the simulation.

Results go to standard output, all else to standard error. The exit status is 0 whatever was skipped, but for an
`expect` that did not hold and a `--check` that found a difference.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bayou.errors import Away
from cluster.drivers.driver import Driver
from cluster.drivers.private_redis import private_redis
from cluster.drivers.process import real
from cluster.language.runner import Runner
from cluster.waiting import Stopped, on_stop

if TYPE_CHECKING:
    from cluster.drivers.simulated import InProcess

STOPPED = 130


def run(script: Path | None, *, in_process: bool, check: Path | None) -> int:
    """0, 1 where an expectation or the check failed, 130 when stopped; OSError where a file cannot be read."""
    expected = None if check is None else _lines_of(check)
    printed: list[str] = []

    def say(line: str) -> None:
        printed.append(line)
        print(line, flush=True)

    def note(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    on_stop(_stop)
    try:
        with _lines(script) as lines, _driver(in_process) as driver:
            runner = Runner(driver, say, note)
            runner.run(lines)
    except Stopped:
        note("The script was stopped. Nothing of it is left.")
        return STOPPED
    failed = runner.failures > 0
    if failed:
        note(f"{runner.failures} expectation(s) did not hold")
    if expected is not None and (difference := differences(expected, printed)):
        note(f"the output is not that of {check}:")
        note("\n".join(difference))
        failed = True
    return int(failed)


def differences(expected: Sequence[str], printed: Sequence[str]) -> list[str]:
    """What `diff` shows of the two, line by line; nothing where they are the same."""
    return list(difflib.unified_diff(expected, printed, "expected", "printed", lineterm=""))


@contextlib.contextmanager
def simulation() -> Iterator[InProcess]:
    """The simulation on a Redis of its own; in memory of this process where there is no redis-server."""
    # Real servers need none of what it loads.
    from cluster.drivers.simulated import InProcess  # noqa: PLC0415

    with contextlib.ExitStack() as cleanup:
        try:
            client = cleanup.enter_context(private_redis())
        except Away:
            # Nobody else needs it, so nobody else loads it.
            import fakeredis  # noqa: PLC0415

            client = fakeredis.FakeRedis(protocol=2)
        driver = InProcess(client)
        cleanup.callback(driver.close)
        yield driver


@contextlib.contextmanager
def _driver(in_process: bool) -> Iterator[Driver]:
    with simulation() if in_process else real() as driver:
        yield driver


@contextlib.contextmanager
def _lines(script: Path | None) -> Iterator[TextIO]:
    """The lines of the script as they come, so that a person can type one after another."""
    if script is None:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace")
        yield sys.stdin
    else:
        with _open(script) as opened:
            yield opened


def _lines_of(file: Path) -> list[str]:
    with _open(file) as opened:
        return opened.read().splitlines()


def _stop() -> None:
    raise Stopped


def _open(file: Path) -> TextIO:
    return file.open(encoding="utf-8-sig", errors="replace")
