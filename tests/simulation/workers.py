"""Seeds over processes: each worker has a Redis of its own, so what a seed comes to does not depend on the others."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from typing import Any

from tests.simulation.report import failure
from tests.simulation.run import lab
from tests.simulation.shrink import shrink

SHRINK_S = 60.0
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Came:
    """What a seed came to. `failure` are the lines for people, shrunk; none when all was well."""

    seed: int
    counts: Counter[str]
    seconds: float
    failure: tuple[str, ...]


def run_seeds(first: int, count: int, steps: int, workers: int, seconds: float | None = None) -> Generator[Came | None]:
    """As they end, in no order; None now and then, for whoever watches the time.

    None is begun after so many seconds. Closing it stops the workers, too. RuntimeError when one of them has crashed.
    """
    context = multiprocessing.get_context("fork")
    came: Any = context.Queue()
    stopping = context.Event()
    processes = [
        context.Process(target=_work, args=(range(first + n, first + count, workers), steps, came, stopping))
        for n in range(min(workers, count))
    ]
    began = time.monotonic()
    for process in processes:
        process.start()
    try:
        alive = True
        while alive:
            alive = any(process.is_alive() for process in processes)
            if seconds is not None and time.monotonic() - began > seconds:
                stopping.set()
            try:
                yield came.get(timeout=POLL_S)
                alive = True
            except queue.Empty:
                yield None
        if any(process.exitcode for process in processes):
            raise RuntimeError("a worker has ended before its seeds were done")
    finally:
        stopping.set()
        came.cancel_join_thread()
        for process in processes:
            process.join()


def _work(seeds: range, steps: int, came: Any, stopping: Event) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the one that watches stops the others
    with lab() as laboratory:
        for seed in seeds:
            if stopping.is_set():
                return
            run = laboratory.seed(seed, steps)
            lines = tuple(failure(shrink(laboratory, run, SHRINK_S))) if run.error is not None else ()
            came.put(Came(seed, run.counts, run.seconds, lines))
