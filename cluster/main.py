"""The command line of `cluster.py`, which runs a whole cluster on this machine."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bayou.errors import Conflict
from cluster.classroom import write_class_configuration
from cluster.demo import demo
from cluster.fresh import delete_data
from cluster.language.parser import USAGES
from cluster.processes import NotServing
from cluster.up import up
from cluster.waiting import Stopped
from replica.config import ConfigError

CONFIG_FILE = Path(__file__).parent.parent / "config.yaml"
STOPPED = 130
EXAMPLES = """\
examples:
  python cluster.py up                       all replicas of config.yaml, until Ctrl-C
  python cluster.py up --config mine.yaml    the replicas of another configuration
  python cluster.py up --fresh               start over: delete their data first
  python cluster.py class                    step by step on the cluster page, on data of its own
  python cluster.py demo                     three replicas disagree, and agree again
  python cluster.py run scenarios/FILE.test  a script of the scenario language
  python cluster.py run scenarios/FILE.test --diagram FILE.html    also draw what happened
  python cluster.py lesson displaced         a scenario, step by step, for a class
  python cluster.py exercise 1               an exercise that checks itself
  python cluster.py compare scenarios/compare/same_room.test    compare Bayou with seven other designs
"""


def main(arguments: Sequence[str]) -> int:
    """Run a command. Return 0 on success, 1 after a failure, and 2 if the command line is wrong or a file cannot be
    opened. Return 130 if the user stops the command."""
    asked = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
    try:
        return _carry_out(asked)
    except (ConfigError, Conflict, NotServing) as problem:
        print(problem, file=sys.stderr)
        return 1
    except Stopped:
        print("\nStopped. Nothing is left running.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has left, as `| head` does
        return 1
    except OSError as problem:
        if problem.filename is None:
            raise
        print(f"{problem.filename}: {problem.strerror}.", file=sys.stderr)
        return 2


def _carry_out(asked: argparse.Namespace) -> int:
    """Run the command in `asked`. Import a module only when a command needs this module, to save time."""
    match asked.command:
        case "run":
            from cluster.run import run  # noqa: PLC0415

            return run(asked.script, in_process=asked.in_process, check=asked.check, diagram=asked.diagram)
        case "lesson":
            from cluster.lessons.lesson import lesson  # noqa: PLC0415

            return lesson(asked.name, with_frames=asked.frames)
        case "exercise":
            from cluster.exercises.exercise import exercise  # noqa: PLC0415

            return exercise(asked.number)
        case "compare":
            from cluster.compare.main import compare  # noqa: PLC0415

            return compare(asked.script)
        case "demo":
            return demo()
    return _up_or_reset(asked)


def _up_or_reset(asked: argparse.Namespace) -> int:
    if asked.command == "class":
        configuration = write_class_configuration(asked.config)
        delete_data(configuration)
        return up(configuration, in_class=True)
    if asked.command == "reset" or asked.fresh:
        delete_data(asked.config)
    return 0 if asked.command == "reset" else up(asked.config)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cluster.py",
        description="Run a whole cluster of replicas on this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add = partial(commands.add_parser, formatter_class=argparse.RawDescriptionHelpFormatter)
    runs = add(
        "up",
        help="start all replicas of the configuration and show their output",
        description="Start all replicas of the configuration and show their output. Ctrl-C stops them.",
    )
    runs.add_argument("--fresh", action="store_true", help="delete the data of these replicas first")
    resets = add(
        "reset",
        help="delete the data of all replicas of the configuration",
        description="Delete the data of all replicas of the configuration, so that they start over as a new cluster.\n"
        "The replicas must not run. Nothing else is deleted.",
    )
    teaches = add(
        "class",
        help="start all replicas on new data for a class, with manual pace, and open the cluster page",
        description="Start all replicas of the configuration for a class. The replicas begin with empty logs. Their\n"
        "data is in the folder .class of the data folder. The replicas have manual pace: they send and commit\n"
        "nothing by themselves. You start each session and each commit on the cluster page. You can also crash\n"
        "and restart replicas there, and start over. To start over in the terminal, type reset. Ctrl-C stops\n"
        "the replicas.",
    )
    for command in (runs, resets, teaches):
        command.add_argument(
            "--config",
            metavar="PATH",
            type=Path,
            default=CONFIG_FILE,
            help="the configuration (default: config.yaml in the folder of cluster.py)",
        )
    add(
        "demo",
        help="play a conflict and its resolution, in a few seconds",
        description="Play a conflict and its resolution on three temporary replicas.",
    )
    scripted = add(
        "run",
        help="run a script of the scenario language on temporary servers",
        description="Run a script of the scenario language on temporary servers. Results go to standard output,\n"
        "and all other text goes to standard error. The exit status is 1 if an `expect` command failed, if\n"
        "the output differs from the file of --check, or if no line is a command. Otherwise it is 0.\n"
        "The exit status is also 0 if the script has only blank lines and comments.",
        epilog="commands:\n" + "".join(f"  {name} {usage}".rstrip() + "\n" for name, (usage, _, _) in USAGES.items()),
    )
    taught = add(
        "lesson",
        help="play a scenario step by step, for a class; without a name, list all",
        description="Play a scenario step by step, with a picture of all logs after each step. NAME may also be a\n"
        "file with another script. Each comment in the script begins a step. On a terminal, Enter or Page Down\n"
        "shows the next step, and ← or Page Up shows the previous step. Without a name, list the scenarios\n"
        "and their claims. docs/teaching.md describes a class with these scenarios.",
    )
    taught.add_argument("name", metavar="NAME", nargs="?", help="one of scenarios/NAME.test, or the file of a script")
    taught.add_argument(
        "--frames", action="store_true", help="show the frames of all sessions; the lesson one_session is made for this"
    )
    trained = add(
        "exercise",
        help="give a student an exercise, and check it; without a number, list all",
        description="Copy the file of exercise N into the current folder. If this folder already has the file, check\n"
        "the file instead: play the file in the simulation, and show what the cluster did. Also show which\n"
        "demands of the exercise the file meets. Without N, list the exercises.\n\n"
        "To do an exercise, run the command, edit the file, and run the command again.",
    )
    trained.add_argument("number", metavar="N", type=int, nargs="?", help="the number of the exercise")
    compared = add(
        "compare",
        help="play a script of reservations under eight designs, side by side",
        description="Play a script of reservations under eight designs: a central server, last writer wins, a\n"
        "grow-only set, a two-phase set, an observed-remove set, an operation-based set, commit by stable\n"
        "stamps, and Bayou. For each design, show which users believe that they have the room. Also show\n"
        "lost and double bookings, and requests that were refused because a link was cut. On a terminal,\n"
        "Enter shows the next screen, and ← shows the previous screen. The script can use joinServer,\n"
        "joinClient, breakConnection, restoreConnection, pause, start, stabilize, reserve and cancel.",
    )
    compared.add_argument("script", metavar="SCRIPT", type=Path, help="such as scenarios/compare/same_room.test")
    scripted.add_argument("script", metavar="FILE", type=Path, nargs="?", help="the script (default: standard input)")
    scripted.add_argument("--in-process", action="store_true", help="simulate the servers in this process")
    scripted.add_argument("--check", metavar="FILE.sol", type=Path, help="compare the output with this file")
    scripted.add_argument("--diagram", metavar="FILE.html", type=_web_page, help="draw a space-time diagram of the run")
    return parser


def _web_page(name: str) -> Path:
    """Convert the name of a diagram file to a path. Raise ArgumentTypeError if the name does not end in .html."""
    path = Path(name)
    if path.suffix != ".html":
        example = f"{path.stem or 'diagram'}.html"
        raise argparse.ArgumentTypeError(f"a diagram is a web page: its name must end in .html, such as {example}")
    return path
