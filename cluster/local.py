"""Runs temporary clusters. The replicas are processes. Each cluster has free ports and its own folder."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from cluster.processes import NotServing, Processes
from replica.free_addresses import free_addresses

ATTEMPTS_MAX = 3
ROOMS = ["6.12", "6.13", "7.01"]


def write_configuration(folder: Path, labels: Sequence[str], settings: dict[str, Any]) -> Path:
    """Write `folder`/config.yaml with these replicas on free ports, and return the path of the file. `settings` are
    added to the configuration, and replace settings with the same name.

    Unless `settings` sets limits, the number of requests is not limited, because one program makes the requests of all
    users.
    """
    free = free_addresses(2 * len(labels))
    replicas = {label: {"rest": next(free), "anti_entropy": next(free)} for label in labels}
    whole = {"cluster": folder.name, "primary": labels[0], "rooms": ROOMS, "replicas": replicas}
    whole |= {"requests": {"user_per_s": 0, "address_per_s": 0}} | settings
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    return path


@contextlib.contextmanager
def running(
    folder: Path,
    labels: Sequence[str],
    settings: dict[str, Any],
    stopping: threading.Event | None = None,
    processes_of: Callable[[Path], Processes] = Processes,
) -> Iterator[Processes]:
    """Run these replicas on embedded Redis until the `with` block ends. `processes_of` returns the Processes for a
    configuration file.

    Raise NotServing if a replica ends before it answers, and TooLong if a replica does not answer in time. Raise
    Stopped if the user stops the program.
    """
    with contextlib.ExitStack() as cleanup:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            processes = processes_of(write_configuration(folder, labels, settings))
            cleanup.callback(processes.stop)
            try:
                processes.start()
                processes.wait_until_serving(stopping=stopping)
                break
            except NotServing as problem:
                processes.stop()
                # Another process may have taken a port since it was found free.
                if "listen" not in problem.output or attempt == ATTEMPTS_MAX:
                    raise
        yield processes
