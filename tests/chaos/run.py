"""One chaos run: start replicas and clients, inject faults, stop the faults, wait until all replicas are equal, and
check the result."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.audit import Findings, audit, await_quiet, promote_if_no_primary
from tests.chaos.books import Books
from tests.chaos.clients import RELATION, Client
from tests.chaos.faults import FaultGate, FaultInjector
from tests.chaos.leftovers import folder_prefix, sweep
from tests.chaos.namespaces import Unavailable, namespaces
from tests.chaos.replicas import Replicas, chaotic

LABELS = ("one", "two", "three", "four", "five")
CLIENTS = 9
JOIN_S = 150.0  # longer than any single fault lasts
PROGRESS_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run. The faults end after `seconds` or after `kills` kills, whichever comes first."""

    seconds: float
    kills: int
    seed: str
    replicas: int = 4


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run: the clients' records, the errors that were found, and figures."""

    options: RunOptions
    books: Books
    findings: Findings
    forced: str | None
    network: str
    resets: int
    faults_s: float
    quiet_s: float

    @property
    def wrong(self) -> list[str]:
        return [*self.findings.wrong, *(f"unexpected: {text}" for text in self.books.unexpected)]

    def lines(self) -> Iterator[str]:
        """Yield a readable report, line by line."""
        books, times = self.books, sorted(self.books.recoveries_s)
        yield f"seed {self.options.seed}, {self.options.replicas} replicas, {self.faults_s:.0f} s of faults"
        operations = Counter(entry.op for entry in books.acknowledged)
        yield f"acknowledged  {len(books.acknowledged)}  ({_counts(operations)}; answers: {_counts(books.answers)})"
        yield f"outcomes      {_counts(self.findings.outcomes)}"
        yield f"guarantees    {_counts(books.guarantees)} checks"
        yield f"lost          {len(self.findings.lost)}"
        yield f"doubled       {len(self.findings.doubled)}"
        yield f"overlapping   {len(self.findings.overlapping)}"
        yield f"destroyed     {len(self.findings.destroyed)}  (held only by a storage whose log was torn)"
        yield f"kills         {books.kills.total()}  ({_counts(books.kills)}); frozen: {_counts(books.freezes)}"
        yield f"network       {self.network}; {self.resets} connections reset"
        if times:
            yield f"to recover    {statistics.median(times):.1f} s (p50), {times[-1]:.1f} s (max)"
        yield f"to agree      {self.quiet_s:.1f} s after the last fault" + (
            f"; {self.forced} was promoted by force" if self.forced else ""
        )
        yield from self.wrong


def run(options: RunOptions, show_progress: Callable[[str], object] = lambda _text: None) -> Result:
    """Run replicas and clients, inject faults, and check the result. `show_progress` receives lines about the progress.

    Raises NotServing or TooLong if a replica does not start. Raises TooLong if the replicas are not equal in time after
    the faults.
    """
    labels = LABELS[: options.replicas]
    books, stopping = Books(), threading.Event()
    sweep()
    with contextlib.ExitStack() as stack:
        try:
            present = stack.enter_context(namespaces(labels))
            network = f"namespaces, {present.filter.command[0]} drops packets"
        except Unavailable as reason:
            present, network = None, f"proxies alone, no packets dropped; no network namespaces: {reason}"
        show_progress(f"network: {network}")
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=folder_prefix()))
        replicas = stack.enter_context(chaotic(Path(folder), labels, options.seed, present))
        stack.callback(stopping.set)
        clients = [Client(f"client-{number}", replicas, books, stopping, options.seed) for number in range(CLIENTS)]
        gate = FaultGate()
        injectors = [
            FaultInjector(label, replicas, books, gate, stopping, options.kills, options.seed) for label in labels
        ]
        _define_relation(replicas)
        began = time.monotonic()
        replicas.network.start_weather()
        for client in clients:
            client.thread.start()
        for injector in injectors:
            injector.thread.start()
        deadline = began + options.seconds
        while time.monotonic() < deadline and any(injector.thread.is_alive() for injector in injectors):
            show_progress(
                f"{time.monotonic() - began:.0f} s of at most {options.seconds:.0f},"
                f" {books.kills.total()} kills of at most {options.kills}, {len(books.acknowledged)} acknowledged"
            )
            stopping.wait(PROGRESS_EVERY_S)
        stopping.set()
        show_progress("faults have ended; waiting until all replicas are equal")
        for thread in [injector.thread for injector in injectors] + [client.thread for client in clients]:
            thread.join(JOIN_S)
            if thread.is_alive():
                books.note_unexpected(f"{thread.name} hangs")
        resets = replicas.network.heal()
        if present:
            network += f"; {_counts(replicas.network.faults)}; {present.sent_again()} TCP segments sent again"
        healed = time.monotonic()
        for label in labels:
            replicas.await_answer(label)
        forced = promote_if_no_primary(replicas)
        await_quiet(replicas)
        quiet_s = time.monotonic() - healed
        findings = audit(replicas, books, [client.name for client in clients])
        show_progress("")
    return Result(options, books, findings, forced, network, resets, healed - began, quiet_s)


def _define_relation(replicas: Replicas) -> None:
    """Define the relation into which clients insert records, and wait until all replicas know it."""
    replicas.post(replicas.labels[0], "/relations", RELATION).raise_for_status()
    await_quiet(replicas)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"
