"""The rows of the benchmark's table. Each file measures one row or several similar rows.

A function `measure…(workspace, size)` measures a row, and returns the lines of the row. A line compares our figure with
another figure, the limit.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.measure import Size
from bench.rows import (
    accept,
    anti_entropy,
    commit,
    converge,
    links,
    memory,
    million,
    papers,
    peers,
    read,
    records,
    rollback,
    select,
    spread,
    start,
    store,
    vectors,
)
from bench.table import Row
from bench.workspace import Workspace

ROWS: dict[str, Callable[[Workspace, Size], list[Row]]] = {
    "accept": accept.measure,
    "accept-flat": accept.measure_flat,
    "store": store.measure,
    "records": records.measure,
    "apply": anti_entropy.measure_apply,
    "apply-wan": links.measure_apply,
    "broken": links.measure_broken,
    "commit": commit.measure,
    "commit-wan": links.measure_commit,
    "rollback-far": rollback.measure_far,
    "rollback-near": rollback.measure_near,
    "select": select.measure,
    "read": read.measure,
    "memory": memory.measure,
    "start": start.measure,
    "full-state": anti_entropy.measure_full_state,
    "far-behind": anti_entropy.measure_far_behind,
    "converge": converge.measure,
    "spread": spread.measure,
    "vectors": vectors.measure,
    "papers": papers.measure,
}
ON_REQUEST: dict[str, Callable[[Workspace, Size], list[Row]]] = {
    "peers": peers.measure,  # needs the network and node
    "million": million.measure,  # takes ten minutes, 7 GiB of memory and 4 GiB of disk
}
