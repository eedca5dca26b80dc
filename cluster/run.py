"""`cluster.py run`: runs a script from a file or from standard input, on real servers or in the simulation.

Results go to standard output, and all other text goes to standard error.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bayou.errors import Away
from cluster.diagram.recorder import Recorder
from cluster.diagram.web_page import web_page
from cluster.drivers.driver import Driver
from cluster.drivers.private_redis import private_redis
from cluster.drivers.process import process_driver
from cluster.language.runner import Runner
from cluster.waiting import on_stop, raise_stopped

if TYPE_CHECKING:
    from cluster.drivers.simulated import SimulatedDriver


def run(script: Path | None, *, in_process: bool, check: Path | None, diagram: Path | None) -> int:
    """Run a script, and return the exit status. The exit status is 1 if an `expect` failed, if the output differs from
    the file `check`, or if no line of the script is a command. Otherwise the exit status is 0, even if some lines are
    not commands. It is also 0 if the script has only blank lines and comments.

    If `diagram` is given, write a space-time diagram of the run to this file, as a web page. Raise Stopped if the user
    stops the program, and OSError if a file cannot be read or written.
    """
    if diagram is not None:
        _check_writable(diagram)
    expected = None if check is None else check.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    printed: list[str] = []

    def print_result(line: str) -> None:
        printed.append(line)
        print(line, flush=True)

    def note(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    on_stop(raise_stopped)
    driving: AbstractContextManager[Driver]
    driving = (simulation if in_process else process_driver)(records_frames=diagram is not None)
    with _script(script) as lines, driving as driver:
        runner = Runner(driver, print_result, note)
        if diagram is None:
            runner.run(lines)
        else:
            drawn = draw_run(script.stem if script else "A script", runner, driver, lines)
            diagram.write_text(drawn, encoding="utf-8")
    failed = runner.failures > 0
    if failed:
        note(f"{runner.failures} `expect` command(s) failed")
    if runner.has_understood is False:
        note("no line is a command of the scenario language: is this a script? docs/scenarios.md has the commands")
        failed = True
    if expected is not None and (difference := differences(expected, printed)):
        note(f"the output differs from {check}:")
        note("\n".join(difference))
        failed = True
    return int(failed)


def _check_writable(diagram: Path) -> None:
    """Raise OSError if the file cannot be written. Call this before the script runs, because the script may take
    long."""
    try:
        with diagram.open("a"):
            pass
    except OSError as problem:
        raise OSError(
            problem.errno, f"{problem.strerror}. Give --diagram the name of a file that can be written", str(diagram)
        ) from None


def draw_run(title: str, runner: Runner, driver: Driver, lines: Iterable[str]) -> str:
    """Run all lines of a script, and return a web page with a diagram of the run. The servers of `driver` must record
    their frames."""
    recorder = Recorder(driver)
    for number, line in enumerate(lines, 1):
        runner.step(line)
        recorder.note(number, line, runner.world)
    return web_page(title, recorder)


def differences(expected: Sequence[str], printed: Sequence[str]) -> list[str]:
    """Return the difference between two outputs in the format of `diff`; empty if they are equal."""
    return list(difflib.unified_diff(expected, printed, "expected", "printed", lineterm=""))


@contextlib.contextmanager
def simulation(*, records_frames: bool = False) -> Iterator[SimulatedDriver]:
    """Yield a simulation on a private Redis, or on fakeredis if no redis-server is installed."""
    # Imported here, because real servers do not need it and it takes long to load.
    from cluster.drivers.simulated import SimulatedDriver  # noqa: PLC0415

    with contextlib.ExitStack() as cleanup:
        try:
            client = cleanup.enter_context(private_redis())
        except Away:
            # Imported here, because it is seldom needed.
            import fakeredis  # noqa: PLC0415

            client = fakeredis.FakeRedis(protocol=2)
        driver = SimulatedDriver(client, records_frames=records_frames)
        cleanup.callback(driver.close)
        yield driver


def _script(path: Path | None) -> AbstractContextManager[TextIO]:
    """Open a script; None stands for standard input. Its lines are read one by one, so that a person can type them."""
    if path is not None:
        return path.open(encoding="utf-8-sig", errors="replace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace")
    return contextlib.nullcontext(sys.stdin)
