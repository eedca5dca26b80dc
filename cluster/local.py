"""Temporary clusters: a configuration on free ports, in a folder of its own, and its replicas as processes."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from cluster.processes import NotServing, Processes

ATTEMPTS_MAX = 3
PORTS = range(20_000, 32_768)  # below the ports that Linux and macOS use for outgoing connections
ROOMS = ["6.12", "6.13", "7.01"]


def write_configuration(folder: Path, labels: Sequence[str], settings: dict[str, Any]) -> Path:
    """Write `folder`/config.yaml with these replicas on free ports; `settings` add to it or replace parts of it."""
    free = free_addresses(2 * len(labels))
    replicas = {label: {"rest": next(free), "anti_entropy": next(free)} for label in labels}
    whole = {"cluster": folder.name, "primary": labels[0], "rooms": ROOMS, "replicas": replicas} | settings
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    return path


def free_addresses(count: int) -> Iterator[str]:
    """Find free addresses. Each port is held until all are found, so no two are the same."""
    with contextlib.ExitStack() as held:
        found = []
        for port in random.sample(PORTS, len(PORTS)):
            listener = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                found.append(f"127.0.0.1:{port}")
            if len(found) == count:
                return iter(found)
    raise OSError("no port is free on 127.0.0.1")


@contextlib.contextmanager
def running(
    folder: Path, labels: Sequence[str], settings: dict[str, Any], stopping: threading.Event | None = None
) -> Iterator[Processes]:
    """Run these replicas on embedded Redis while the block lasts. Raises NotServing, TooLong or Stopped."""
    with contextlib.ExitStack() as cleanup:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            processes = Processes(write_configuration(folder, labels, settings))
            try:
                with contextlib.ExitStack() as undo:
                    undo.callback(processes.stop)
                    processes.start()
                    processes.wait_until_serving(stopping=stopping)
                    cleanup.enter_context(undo.pop_all())
            except NotServing as problem:
                # Another process may have taken a port since it was found free.
                if "listen" not in problem.output or attempt == ATTEMPTS_MAX:
                    raise
            else:
                break
        yield processes
