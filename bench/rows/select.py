"""select: the time to select the ten newest writes of a long log for a peer. The limit is the time with a short log."""

from __future__ import annotations

from bench.measure import Measure, Size, in_turn, seconds_of
from bench.table import Row, at_most
from bench.workload import take, undisputed
from bench.workspace import Workspace, open_store
from storage.store import Store

LOGS = (200_000, 2_000)
NEW = 10
ROUNDS, EACH = 5, 200


def measure(workspace: Workspace, size: Size) -> list[Row]:
    counts = [size.of(count, 2 * NEW) for count in LOGS]
    with workspace.redis() as client:
        stores = [open_store(client, label, primary=True) for label in ("long", "short")]
        for store, count in zip(stores, counts, strict=True):
            take(store, undisputed(count, "peer~aaaaaa"))
        figures = in_turn(size.rounds(ROUNDS), *(_selecting(store, size.of(EACH, 2)) for store in stores))
    unit = f"ms, {NEW} writes of {counts[0]:,} and of {counts[1]:,}"
    return [at_most("select", unit, figures, 1.3, "≤ 1.3 ×")]


def _selecting(store: Store, times: int) -> Measure:
    csn = store.state().csn - NEW

    def select() -> None:
        for _ in range(times):
            selection = store.select(csn, {}, (), 500, 1 << 20)
            assert selection is not None
            assert len(selection.items) == NEW

    return lambda: seconds_of(select) / times * 1000
