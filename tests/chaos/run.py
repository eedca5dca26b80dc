"""One run: start, let clients ask while the network and the processes are tormented, heal, wait, and check."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.audit import Findings, audit, await_quiet, promote_if_nobody_is
from tests.chaos.books import Books
from tests.chaos.clients import Client
from tests.chaos.faults import OneOrMany, Tormentor
from tests.chaos.replicas import chaotic

LABELS = ("one", "two", "three", "four", "five")
CLIENTS = 6
JOIN_S = 150.0  # longer than any single fault lasts
TELL_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Wish:
    """`seconds` of torment at the most; it ends earlier once so many kills are done."""

    seconds: float
    kills: int
    seed: str
    replicas: int = 4


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one run."""

    wish: Wish
    books: Books
    findings: Findings
    forced: str | None
    resets: int
    tormented_s: float
    quiet_s: float

    @property
    def wrong(self) -> list[str]:
        return [*self.findings.wrong, *(f"unexpected: {text}" for text in self.books.unexpected)]

    def lines(self) -> Iterator[str]:
        """For people."""
        books, times = self.books, sorted(self.books.recoveries_s)
        yield f"seed {self.wish.seed}, {self.wish.replicas} replicas, {self.tormented_s:.0f} s of torment"
        yield f"acknowledged  {len(books.acknowledged)}  (answers: {_counts(books.answers)})"
        yield f"lost          {len(self.findings.lost)}"
        yield f"doubled       {len(self.findings.doubled)}"
        yield f"overlapping   {len(self.findings.overlapping)}"
        yield f"destroyed     {len(self.findings.destroyed)}  (held by one storage alone, which was torn)"
        yield f"kills         {books.kills.total()}  ({_counts(books.kills)}); frozen: {_counts(books.freezes)}"
        yield f"connections   {self.resets} reset"
        if times:
            yield f"to recover    {statistics.median(times):.1f} s (p50), {times[-1]:.1f} s (max)"
        yield f"to agree      {self.quiet_s:.1f} s after the last torment" + (
            f"; {self.forced} was promoted by force" if self.forced else ""
        )
        yield from self.wrong


def run(wish: Wish, tell: Callable[[str], object] = lambda _text: None) -> Result:
    """Raises when the replicas do not come back, or do not agree, within their bounds. `tell` is told how far it is."""
    labels = LABELS[: wish.replicas]
    books, stopping = Books(), threading.Event()
    with (
        tempfile.TemporaryDirectory(prefix="bayou-chaos-") as folder,
        chaotic(Path(folder), labels, wish.seed) as replicas,
    ):
        clients = [Client(f"client-{number}", replicas, books, stopping, wish.seed) for number in range(CLIENTS)]
        turn = OneOrMany()
        fates = [Tormentor(label, replicas, books, turn, stopping, wish.kills, wish.seed) for label in labels]
        began = time.monotonic()
        replicas.network.break_out()
        for client in clients:
            client.thread.start()
        for fate in fates:
            fate.thread.start()
        deadline = began + wish.seconds
        while time.monotonic() < deadline and any(fate.thread.is_alive() for fate in fates):
            tell(
                f"{time.monotonic() - began:.0f} s, {books.kills.total()} kills, {len(books.acknowledged)} acknowledged"
            )
            stopping.wait(TELL_EVERY_S)
        stopping.set()
        tell("healing, and waiting until all are equal")
        for thread in [fate.thread for fate in fates] + [client.thread for client in clients]:
            thread.join(JOIN_S)
            if thread.is_alive():
                books.surprise(f"{thread.name} hangs")
        resets = replicas.network.heal()
        healed = time.monotonic()
        for label in labels:
            replicas.await_answer(label)
        forced = promote_if_nobody_is(replicas)
        await_quiet(replicas)
        quiet_s = time.monotonic() - healed
        findings = audit(replicas, books, [client.name for client in clients])
        tell("")
    return Result(wish, books, findings, forced, resets, healed - began, quiet_s)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"
