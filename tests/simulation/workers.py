"""Runs seeds in several processes. Each process has its own Redis, so the result of a seed depends on no other seed."""

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
class SeedResult:
    """The result of a seed. If the run failed, `failure` has the lines to print about the shrunk run. Otherwise,
    `failure` is empty."""

    seed: int
    counts: Counter[str]
    seconds: float
    failure: tuple[str, ...]


def run_seeds(
    first: int, count: int, steps: int, workers: int, seconds: float | None = None
) -> Generator[SeedResult | None]:
    """Run the seeds. Yield each result when its seed ends, in any order. Yield None now and then, so that the caller
    can show the time.

    After `seconds` seconds, no new seed begins. Closing the generator stops the workers. Raise RuntimeError if a worker
    has crashed.
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
            raise RuntimeError(
                "A worker crashed before its seeds were done: read its error above, then run its seed with SEED=n."
            )
    finally:
        stopping.set()
        came.cancel_join_thread()
        for process in processes:
            process.join()


def _work(seeds: range, steps: int, came: Any, stopping: Event) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent stops the workers
    with lab() as laboratory:
        for seed in seeds:
            if stopping.is_set():
                return
            run = laboratory.seed(seed, steps)
            lines = tuple(failure(shrink(laboratory, run, SHRINK_S))) if run.error is not None else ()
            came.put(SeedResult(seed, run.counts, run.seconds, lines))
