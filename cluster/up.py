"""`cluster.py up`: runs all replicas of a configuration in one terminal."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from queue import SimpleQueue

from termcolor import can_colorize, colored

from cluster.processes import Processes
from replica.events.console import Console
from replica.signals import Stopping

# A console line begins with the time and already contains the label.
TIME = re.compile(r"(\x1b\[[0-9;]*m)*\d\d:\d\d:\d\d\b")


def up(configuration: Path) -> int:
    """Run the replicas until the user stops them or all have ended. Return 0, or 1 if a replica ended by itself. Raise
    ConfigError if the configuration is invalid."""
    events: SimpleQueue[tuple[str, str | None] | None] = SimpleQueue()
    stopping = Stopping()
    color = can_colorize()
    processes = Processes(configuration, lambda label, line: events.put((label, line)), color=color)
    threading.Thread(target=_announce_stop, args=(stopping, events), name="signals", daemon=True).start()
    names = Console("", processes.labels, processes.settings.timezone, print, color).name
    print(f"Starting {', '.join(map(names, processes.labels))} of {configuration}. Ctrl-C stops them.")
    running, status, stopper = set(processes.labels), 0, None
    try:
        processes.start()
        while running:
            event = events.get()
            if event is None:
                if stopper is None:
                    stopper = threading.Thread(target=processes.stop)
                    stopper.start()
                continue
            label, line = event
            if line is not None:
                print(_aligned(line, names(label)))
                continue
            running.discard(label)
            if stopper is None:
                status = 1
                others = f"{len(running)} of {len(processes.labels)} are still running" if running else "none is left"
                ending = f"ended by itself with status {processes.status(label)}; {others}."
                print(_aligned(colored(ending, "red"), names(label)))
    finally:
        if stopper is not None:
            stopper.join()
        processes.stop()
    return status


def _announce_stop(stopping: Stopping, events: SimpleQueue[tuple[str, str | None] | None]) -> None:
    stopping.wait()
    events.put(None)


def _aligned(line: str, name: str) -> str:
    """Return a line of output in the columns of a replica's console: time, label, text."""
    if TIME.match(line):
        return line
    return f"{'':8} {name}  {line.removeprefix(f'{name} ')}"
